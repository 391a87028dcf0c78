package faults

import (
	"fmt"
	"net/http"
	"runtime"
	"testing"

	metricnoop "go.opentelemetry.io/otel/metric/noop"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/instrumented"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

// Memory stays bounded with ever new methods, hosts, templates and headers, and
// with any number of Transports.
func TestMemoryIsBounded(t *testing.T) {
	status := 0
	w := oteltest.NewCounting(t)
	// Otherwise the SDK's own streams grow.
	meters := sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader()), sdkmetric.WithCardinalityLimit(50))
	rt := otelhttpclient.NewTransport(oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		status++
		resp, err := oteltest.Answer(status)(req)
		resp.Header.Set(fmt.Sprint("X-Back-", status), "x")
		return resp, err
	}), append(instrumented.EveryOption(oteltest.New(t)),
		otelhttpclient.WithTracerProvider(w.Tracers), otelhttpclient.WithMeterProvider(meters),
		otelhttpclient.WithURLTemplate(func(r *http.Request) string { return r.URL.Path }))...)
	n := 0
	heap := func() uint64 {
		for range 5000 {
			n++
			req := oteltest.NewRequest(t, t.Context(), fmt.Sprint("M", n), fmt.Sprintf("https://h%d.example.com/t%d", n, n), nil)
			req.Header.Set(fmt.Sprint("X-Sent-", n), "x")
			oteltest.MustSend(t, rt, req)
			oteltest.MustSend(t, otelhttpclient.NewTransport(oteltest.Answer(200), otelhttpclient.WithTracerProvider(w.Tracers),
				otelhttpclient.WithMeterProvider(metricnoop.NewMeterProvider())), req)
		}
		runtime.GC()
		runtime.GC() // pools are emptied by the second collection
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	heap()
	first := heap()
	if second := heap(); second > first+2<<20 {
		t.Errorf("heap: got %d bytes after as much again, want about the %d of before", second, first)
	}
}
