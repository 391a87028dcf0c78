package otelhttpclient

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func parse(b *testing.B, s string) *url.URL {
	b.Helper()
	u, err := url.Parse(s)
	if err != nil {
		b.Fatal(err)
	}
	return u
}

func BenchmarkRedact(b *testing.B) {
	r := newRecorder()
	for name, s := range map[string]string{
		"no query":      "https://inventory.example.com/items/42",
		"no secrets":    "https://inventory.example.com/items/42?limit=10&page=2",
		"with secrets":  "https://user:password@inventory.example.com/items/42?limit=10&sig=abcdef",
		"encoded names": "https://inventory.example.com/items/42?%73ig=abcdef&a%5Bb%5D=1",
	} {
		u := parse(b, s)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_ = r.redact(u)
			}
		})
	}
}

func BenchmarkErrorType(b *testing.B) {
	for name, err := range map[string]error{
		"refused": &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")},
		"EOF":     io.EOF,
		"unknown": fmt.Errorf("outer: %w", errors.New("inner")),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_ = errorType(context.Background(), "https", err)
			}
		})
	}
}

func BenchmarkInjectedHeader(b *testing.B) {
	caller := http.Header{"Accept": {"application/json"}, "User-Agent": {"bench/1"}, "X-Request-Id": {"1"}}
	b.ReportAllocs()
	for b.Loop() {
		c := headerCarrier{original: caller}
		c.Set("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	}
}

func BenchmarkCapturedHeaders(b *testing.B) {
	r := newRecorder()
	h := http.Header{"Content-Type": {"application/json"}, "X-Request-Id": {"1"}, "Set-Cookie": {"a=b"}, "Location": {"https://example.com/?sig=abc"}}
	capture := &headerCapture{prefix: headerRespKey, patterns: newHeaderPatterns("", []string{"content-type", "x-*", "set-cookie", "location"})}
	b.ReportAllocs()
	for b.Loop() {
		_ = r.headers(nil, h, capture)
	}
}

func BenchmarkMeasurementCache(b *testing.B) {
	var c boundedCache[measurement, int]
	key := measurement{method: "GET", host: "inventory.example.com", port: 443, status: 200}
	c.put(key, 1)
	b.ReportAllocs()
	for b.Loop() {
		_, _ = c.get(key)
	}
}

// BenchmarkNursery is what it costs to find a forgotten body, for one that is
// not forgotten.
func BenchmarkNursery(b *testing.B) {
	body := &responseBody{rt: &roundTrip{}, base: io.NopCloser(strings.NewReader(""))}
	b.ReportAllocs()
	for b.Loop() {
		nursery.add(body)
		nursery.remove(body)
	}
}

func BenchmarkServeMuxTemplates(b *testing.B) {
	template, err := ServeMuxTemplates("GET /items/{sku}", "POST /items", "GET /orders/{id}/lines/{line}")
	if err != nil {
		b.Fatal(err)
	}
	req := &http.Request{Method: http.MethodGet, URL: parse(b, "https://inventory.example.com/items/42")}
	b.ReportAllocs()
	for b.Loop() {
		_ = template(req)
	}
}
