package oteltest

import (
	"context"
	"sync/atomic"
	"testing"

	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

// SDK is an OpenTelemetry SDK whose spans and metrics stay in memory. It is
// safe for concurrent use, except for the methods that end the test.
type SDK struct {
	Tracers *sdktrace.TracerProvider
	Meters  *sdkmetric.MeterProvider

	// Propagators write traceparent, tracestate and baggage.
	Propagators propagation.TextMapPropagator

	t        testing.TB
	exporter *tracetest.InMemoryExporter
	reader   *sdkmetric.ManualReader
	counts   spanCounts
}

// New returns an SDK that samples every span.
func New(t testing.TB) *SDK {
	t.Helper()
	return NewSampled(t, sdktrace.AlwaysSample())
}

// NewSampled returns an SDK with a sampler.
func NewSampled(t testing.TB, sampler sdktrace.Sampler) *SDK {
	t.Helper()
	exporter := tracetest.NewInMemoryExporter()
	s := newSDK(t, sdktrace.WithSampler(sampler), sdktrace.WithSpanProcessor(sdktrace.NewSimpleSpanProcessor(exporter)))
	s.exporter = exporter
	return s
}

// NewCounting returns an SDK that samples every span and only counts them:
// Spans is empty. It is for tests of many requests.
func NewCounting(t testing.TB) *SDK {
	t.Helper()
	s := newSDK(t)
	s.exporter = tracetest.NewInMemoryExporter() // of no processor
	return s
}

func newSDK(t testing.TB, opts ...sdktrace.TracerProviderOption) *SDK {
	s := &SDK{
		Propagators: propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{}),
		t:           t,
		reader:      sdkmetric.NewManualReader(),
	}
	s.Tracers = sdktrace.NewTracerProvider(append(opts, sdktrace.WithSpanProcessor(&s.counts))...)
	s.Meters = sdkmetric.NewMeterProvider(sdkmetric.WithReader(s.reader))
	t.Cleanup(func() {
		if err := s.Tracers.Shutdown(context.Background()); err != nil {
			t.Errorf("TracerProvider.Shutdown() = %v, want nil", err)
		}
		if err := s.Meters.Shutdown(context.Background()); err != nil {
			t.Errorf("MeterProvider.Shutdown() = %v, want nil", err)
		}
	})
	return s
}

// Spans returns the spans that have ended since the last Reset, in the order
// in which they ended.
func (s *SDK) Spans() tracetest.SpanStubs { return s.exporter.GetSpans() }

// OnlySpan returns the one span that has ended. Any other number ends the test.
func (s *SDK) OnlySpan() tracetest.SpanStub {
	s.t.Helper()
	spans := s.Spans()
	if len(spans) != 1 {
		names := make([]string, len(spans))
		for i, span := range spans {
			names[i] = span.Name
		}
		s.t.Fatalf("%d spans have ended: %q, want exactly one", len(spans), names)
	}
	return spans[0]
}

// Reset removes the spans that have ended.
func (s *SDK) Reset() { s.exporter.Reset() }

// Started returns the number of sampled spans that were started.
func (s *SDK) Started() int { return int(s.counts.started.Load()) }

// Ended returns the number of sampled spans that have ended.
func (s *SDK) Ended() int { return int(s.counts.ended.Load()) }

// spanCounts is a span processor.
type spanCounts struct{ started, ended atomic.Int64 }

func (c *spanCounts) OnStart(context.Context, sdktrace.ReadWriteSpan) { c.started.Add(1) }
func (c *spanCounts) OnEnd(sdktrace.ReadOnlySpan)                     { c.ended.Add(1) }
func (c *spanCounts) Shutdown(context.Context) error                  { return nil }
func (c *spanCounts) ForceFlush(context.Context) error                { return nil }
