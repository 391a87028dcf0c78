package otelhttpclient_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

// stubTransport answers at once. Its body implements io.ReadCloser only, like
// those of net/http.
var stubTransport = oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
	return &http.Response{
		Status: "200 OK", StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Body: struct{ io.ReadCloser }{io.NopCloser(strings.NewReader("ok"))}, ContentLength: 2, Request: req,
	}, nil
})

type discard struct{}

func (discard) OnStart(context.Context, sdktrace.ReadWriteSpan) {}
func (discard) OnEnd(sdktrace.ReadOnlySpan)                     {}
func (discard) Shutdown(context.Context) error                  { return nil }
func (discard) ForceFlush(context.Context) error                { return nil }

// costRows returns the rows of the published table that need no socket.
func costRows() []struct {
	name   string
	allocs float64 // above the bare transport, at the most
	rt     http.RoundTripper
} {
	sampled := sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.AlwaysSample()), sdktrace.WithSpanProcessor(discard{}))
	unsampled := sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.NeverSample()))
	meters := metric.NewMeterProvider(metric.WithReader(metric.NewManualReader()))
	propagator := otelhttpclient.WithPropagators(propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{}))
	transport := func(tp trace.TracerProvider, opts ...otelhttpclient.Option) http.RoundTripper {
		base := []otelhttpclient.Option{otelhttpclient.WithTracerProvider(tp), otelhttpclient.WithMeterProvider(metricnoop.NewMeterProvider()), propagator}
		return otelhttpclient.NewTransport(stubTransport, append(base, opts...)...)
	}
	return []struct {
		name   string
		allocs float64
		rt     http.RoundTripper
	}{
		{"bare", 0, stubTransport},
		{"no SDK", 0, transport(nil)},
		{"unsampled", 8, transport(unsampled)},
		{"sampled", 15, transport(sampled)},
		{"sampled, metrics", 15, transport(sampled, otelhttpclient.WithMeterProvider(meters))},
	}
}

func roundTripOnce(tb testing.TB, rt http.RoundTripper) {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "https://inventory.example.com/items/42?limit=10", nil)
	if err != nil {
		tb.Fatal(err)
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "bench/1")
	req.Header.Set("X-Request-Id", "1")
	resp, err := rt.RoundTrip(req)
	if err != nil {
		tb.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
}

func BenchmarkRoundTrip(b *testing.B) {
	for _, row := range costRows() {
		b.Run(row.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				roundTripOnce(b, row.rt)
			}
		})
	}
}

// Allocations are deterministic where times are not. A limit is what a request
// costs above the bare transport.
func TestAllocations(t *testing.T) {
	if oteltest.RaceEnabled {
		t.Skip("the race detector allocates")
	}
	rows := costRows()
	perRequest := func(rt http.RoundTripper) float64 {
		return testing.AllocsPerRun(2000, func() { roundTripOnce(t, rt) })
	}
	bare := perRequest(rows[0].rt)
	for _, row := range rows[1:] {
		if got := perRequest(row.rt) - bare; got > row.allocs {
			t.Errorf("%s: got %v allocations above the bare transport, want at most %v", row.name, got, row.allocs)
		}
	}
}
