package oteltest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/embedded"
)

// Traceparent returns the header that names a span.
func Traceparent(sc trace.SpanContext) string {
	return fmt.Sprintf("00-%s-%s-%s", sc.TraceID(), sc.SpanID(), sc.TraceFlags())
}

// CountedTracers is a TracerProvider that counts the calls of Start and End of
// its spans. The SDK's own spans ignore a second End.
type CountedTracers struct {
	embedded.TracerProvider
	inner        trace.TracerProvider
	starts, ends atomic.Int64
}

// CountTracers returns a provider around inner.
func CountTracers(inner trace.TracerProvider) *CountedTracers { return &CountedTracers{inner: inner} }

// Starts returns the number of calls of Start.
func (c *CountedTracers) Starts() int64 { return c.starts.Load() }

// Ends returns the number of calls of End.
func (c *CountedTracers) Ends() int64 { return c.ends.Load() }

// Tracer returns a tracer whose spans are counted.
func (c *CountedTracers) Tracer(name string, opts ...trace.TracerOption) trace.Tracer {
	return &countedTracer{inner: c.inner.Tracer(name, opts...), counts: c}
}

type countedTracer struct {
	embedded.Tracer
	inner  trace.Tracer
	counts *CountedTracers
}

func (c *countedTracer) Start(ctx context.Context, name string, opts ...trace.SpanStartOption) (context.Context, trace.Span) {
	ctx, span := c.inner.Start(ctx, name, opts...)
	c.counts.starts.Add(1)
	counted := &countedSpan{Span: span, counts: c.counts}
	return trace.ContextWithSpan(ctx, counted), counted
}

type countedSpan struct {
	trace.Span
	counts *CountedTracers
}

func (c *countedSpan) End(opts ...trace.SpanEndOption) {
	c.counts.ends.Add(1)
	c.Span.End(opts...)
}

// RecordingSampler keeps the parameters that it passes to another sampler.
type RecordingSampler struct {
	sdktrace.Sampler
	mu   sync.Mutex
	seen []sdktrace.SamplingParameters
}

// ShouldSample keeps p and returns the decision of the sampler.
func (s *RecordingSampler) ShouldSample(p sdktrace.SamplingParameters) sdktrace.SamplingResult {
	s.mu.Lock()
	defer s.mu.Unlock()
	p.Attributes = slices.Clone(p.Attributes)
	s.seen = append(s.seen, p)
	return s.Sampler.ShouldSample(p)
}

// Seen returns the parameters of all decisions so far.
func (s *RecordingSampler) Seen() []sdktrace.SamplingParameters {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.seen)
}
