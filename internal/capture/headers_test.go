package capture

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/otelhttpclient/otelhttpclient/internal/redact"
)

func TestCapturedHeadersAreBounded(t *testing.T) {
	redaction := redact.New(redact.Config{})
	captured := (*Headers)(nil).Add(Response, []string{"*"}, nil)
	header := http.Header{"X-Long": {strings.Repeat("x", 1<<20)}, "X-Many": make([]string, 1000)}
	for i := range 1000 {
		header[strings.Repeat("X", 300)+strconv.Itoa(i)] = []string{"1"}
		header["X-"+strconv.Itoa(i)] = []string{"1"}
	}
	attributes := captured.Append(nil, header, redaction, nil)
	if len(attributes) > maxHeaders {
		t.Errorf("captured headers: got %d, want at most %d", len(attributes), maxHeaders)
	}
	for i := range 200 {
		header["X-Link-"+strconv.Itoa(i)] = slices.Repeat([]string{strings.Repeat("https://h.example/a ", 200)}, 8)
	}
	recorded := 0
	for _, a := range captured.Append(nil, header, redaction, nil) {
		for _, v := range a.Value.AsStringSlice() {
			recorded += len(v)
		}
	}
	if recorded > maxValueBytes {
		t.Errorf("captured headers: got %d bytes, want at most %d", recorded, maxValueBytes)
	}
	for _, header := range []http.Header{{"X-Long": header["X-Long"]}, {"X-Many": header["X-Many"]}, {strings.Repeat("X", 300): {"1"}}} {
		for _, a := range captured.Append(nil, header, redaction, nil) {
			values := a.Value.AsStringSlice()
			if len(a.Key) > 300 || len(values) > 32 || len(values[0]) > 4<<10 {
				t.Errorf("%.20s: got %d values, the first of %d bytes, want bounds", a.Key, len(values), len(values[0]))
			}
		}
	}
}

func BenchmarkCapturedHeaders(b *testing.B) {
	redaction := redact.New(redact.Config{})
	h := http.Header{"Content-Type": {"application/json"}, "X-Request-Id": {"1"}, "Set-Cookie": {"a=b"}, "Location": {"https://example.com/?sig=abc"}}
	captured := (*Headers)(nil).Add(Response, []string{"content-type", "x-*", "set-cookie", "location"}, nil)
	b.ReportAllocs()
	for b.Loop() {
		_ = captured.Append(nil, h, redaction, nil)
	}
}
