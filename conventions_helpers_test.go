package otelhttpclient_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/textproto"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/oteltest"
	"github.com/otelhttpclient/otelhttpclient/internal/oteltest/instrumented"
)

// spanOf is the one span of a GET through base.
func spanOf(t *testing.T, base http.RoundTripper, url string, extra ...otelhttpclient.Option) tracetest.SpanStub {
	t.Helper()
	tel := oteltest.New(t)
	oteltest.MustSend(t, instrumented.Transport(tel, base, extra...), oteltest.NewRequest(t, t.Context(), "GET", url, nil))
	return tel.OnlySpan()
}

// untrusting is a transport that does not know the test server's authority.
func untrusting() *http.Transport {
	return &http.Transport{TLSClientConfig: &tls.Config{}, ForceAttemptHTTP2: true}
}

func pointAttributes(p metricdata.HistogramDataPoint[float64]) []attribute.KeyValue {
	return p.Attributes.ToSlice()
}

// ruleErrors are errors of package net/http and of those below, by the
// error.type that each has when it is alone.
func ruleErrors() map[string]error {
	return map[string]error{
		"timeout":                 context.DeadlineExceeded,
		"name_resolution_error":   &net.DNSError{Err: "no such host", Name: "shop.invalid", IsNotFound: true},
		"secure_connection_error": x509.UnknownAuthorityError{},
		"connection_error":        &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")},
		"response_ended":          io.ErrUnexpectedEOF,
		"http_protocol_error":     textproto.ProtocolError("malformed MIME header line"),
	}
}

// ruleWantCounts checks all data points of an up-down counter, by their
// attributes.
func ruleWantCounts(t *testing.T, tel *oteltest.SDK, name, when string, want map[attribute.Set]int64) {
	t.Helper()
	m, _ := tel.Metric(name)
	sum, _ := m.Data.(metricdata.Sum[int64])
	got := map[attribute.Set]int64{}
	for _, p := range sum.DataPoints {
		got[p.Attributes] = p.Value
	}
	if maps.Equal(got, want) {
		return
	}
	text := func(counts map[attribute.Set]int64) (s string) {
		for set, n := range counts {
			s += fmt.Sprintf("\n  %d of %s", n, set.Encoded(attribute.DefaultEncoder()))
		}
		return s
	}
	t.Errorf("%s when %s:\n got%s\nwant%s", name, when, text(got), text(want))
}

// ruleWantBytes checks the one size that a histogram has recorded; nil: none.
func ruleWantBytes(t *testing.T, tel *oteltest.SDK, name string, want any) {
	t.Helper()
	if want == nil {
		if m, ok := tel.Metric(name); ok {
			t.Errorf("%s = %+v, want nothing recorded", name, m.Data)
		}
		return
	}
	if p := tel.Bytes(name); p.Count != 1 || fmt.Sprint(p.Sum) != fmt.Sprint(want) {
		t.Errorf("%s: got %d of %d bytes, want 1 of %v", name, p.Count, p.Sum, want)
	}
}

func ruleSizeAttributes(tel *oteltest.SDK, name string) []attribute.KeyValue {
	p := tel.Bytes(name)
	return p.Attributes.ToSlice()
}
