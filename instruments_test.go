package otelhttpclient_test

import (
	"context"
	"sync/atomic"
	"testing"

	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

// embeddingMeters is a MeterProvider that overrides Record of a no-op.
type embeddingMeters struct {
	metricnoop.MeterProvider
	records *atomic.Int32
}

func (e embeddingMeters) Meter(string, ...metric.MeterOption) metric.Meter {
	return embeddingMeter{records: e.records}
}

type embeddingMeter struct {
	metricnoop.Meter
	records *atomic.Int32
}

func (e embeddingMeter) Float64Histogram(string, ...metric.Float64HistogramOption) (metric.Float64Histogram, error) {
	return embeddingHistogram{records: e.records}, nil
}

type embeddingHistogram struct {
	metricnoop.Float64Histogram
	records *atomic.Int32
}

func (e embeddingHistogram) Record(context.Context, float64, ...metric.RecordOption) {
	e.records.Add(1)
}

func TestInstrumentsEmbeddingNoop(t *testing.T) {
	var records atomic.Int32
	rt := otelhttpclient.NewTransport(oteltest.Answer(200), otelhttpclient.WithMeterProvider(embeddingMeters{records: &records}))
	oteltest.MustSend(t, rt, oteltest.NewRequest(t, t.Context(), "GET", "https://example.com/", nil))
	if got := records.Load(); got != 1 {
		t.Errorf("records: got %d, want 1", got)
	}
}
