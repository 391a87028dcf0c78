package nested

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"

	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/instrumented"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

// gatedMeters calls gate whenever a Transport asks a histogram whether it is enabled.
type gatedMeters struct {
	metricnoop.MeterProvider
	gate func()
}

type gatedMeter struct {
	metricnoop.Meter
	gate func()
}

type gatedHistogram struct {
	metricnoop.Float64Histogram
	gate func()
}

func (p *gatedMeters) Meter(string, ...metric.MeterOption) metric.Meter {
	return gatedMeter{gate: p.gate}
}

func (m gatedMeter) Float64Histogram(string, ...metric.Float64HistogramOption) (metric.Float64Histogram, error) {
	return gatedHistogram{gate: m.gate}, nil
}

func (h gatedHistogram) Enabled(context.Context) bool { h.gate(); return true }

// A caller may reuse its request after an error. An attempt that outlasts the operation,
// as the loser of two does, must not read the caller's header: a map that is read and
// written at once ends the process. The gate holds the attempt until the caller writes.
//
// The test proves something under the race detector only: without it, the two may miss
// each other.
func TestLateAttemptAndReusedHeader(t *testing.T) {
	tel := oteltest.New(t)
	begun, reused := make(chan struct{}), make(chan struct{})
	var once sync.Once
	gate := func() { once.Do(func() { close(begun); <-reused }) }
	inner := instrumented.Transport(tel, oteltest.AnswerText(http.StatusOK, "x"), otelhttpclient.WithMeterProvider(&gatedMeters{gate: gate}))
	var attempts sync.WaitGroup
	hedge := oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		sent := req.Clone(req.Context())
		attempts.Go(func() {
			if status, err := oteltest.Send(inner, sent); status != http.StatusOK || err != nil {
				t.Errorf("the attempt: got status %d, error %v, want 200 and none", status, err)
			}
		})
		<-begun
		return nil, errors.New("gave up")
	})
	// Without a propagator the header is not copied.
	outer := instrumented.Transport(tel, hedge, otelhttpclient.WithPropagators(oteltest.NoPropagator{}))
	req := oteltest.NewRequest(t, t.Context(), http.MethodGet, "http://example.com/", nil)
	req.Header.Set("X-A", "a")
	if _, err := oteltest.Send(outer, req); err == nil {
		t.Error("RoundTrip() = nil error, want base's own")
	}
	close(reused)
	for range 1000 {
		req.Header.Set("X-A", "b")
	}
	attempts.Wait()
}
