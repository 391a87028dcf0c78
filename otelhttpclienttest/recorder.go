// Package otelhttpclienttest records what otelhttpclient traces and sends, for
// unit tests:
//
//	rec := otelhttpclienttest.NewRecorder(server.Client().Transport)
//	shop.Checkout(rec.Client())
//	code := rec.Spans()[0].Attribute("http.response.status_code").AsInt64()
//
// Spans includes all spans of the Recorder's TracerProvider, also those of the
// test itself, and of other instrumentation that uses this provider by an option or
// from the span in its context, such as otelhttp.NewHandler. Select the
// Transport's by SpanKind, or with [Recorder.SpanOf].
//
// It has no assertions of its own. It imports the SDK, which package
// otelhttpclient does not.
package otelhttpclienttest

import (
	"context"
	"net/http"
	"slices"
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelhttpclient/otelhttpclient"
)

// A Recorder has a Transport and records its spans, measurements and sent
// requests in memory. It is safe for concurrent use. It does not touch
// OpenTelemetry's globals.
type Recorder struct {
	transport *otelhttpclient.Transport
	tracers   *sdktrace.TracerProvider
	exporter  *tracetest.InMemoryExporter
	reader    *metric.ManualReader

	mu   sync.Mutex
	sent []*http.Request
}

// NewRecorder returns a Recorder whose Transport sends requests through base. A
// nil base means [http.DefaultTransport]. Every span is sampled, and the
// propagator is that of W3C trace context and baggage. The options come after
// these settings and override them.
func NewRecorder(base http.RoundTripper, opts ...otelhttpclient.Option) *Recorder {
	r := &Recorder{exporter: tracetest.NewInMemoryExporter(), reader: metric.NewManualReader()}
	r.tracers = sdktrace.NewTracerProvider(sdktrace.WithSyncer(r.exporter), sdktrace.WithSampler(sdktrace.AlwaysSample()))
	if base == nil {
		base = http.DefaultTransport
	}
	r.transport = otelhttpclient.NewTransport(sender{r, base}, append([]otelhttpclient.Option{
		otelhttpclient.WithTracerProvider(r.tracers),
		otelhttpclient.WithMeterProvider(metric.NewMeterProvider(metric.WithReader(r.reader))),
		otelhttpclient.WithPropagators(propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{})),
	}, opts...)...)
	return r
}

// Transport returns the Transport to give to the code under test.
func (r *Recorder) Transport() *otelhttpclient.Transport { return r.transport }

// Client returns a new client with the Transport.
func (r *Recorder) Client() *http.Client { return &http.Client{Transport: r.transport} }

// TracerProvider returns the provider of the spans, for starting parent spans.
func (r *Recorder) TracerProvider() trace.TracerProvider { return r.tracers }

// Requests returns the requests that were sent to base, in order, with the
// injected headers. Do not modify them.
func (r *Recorder) Requests() []*http.Request {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.sent)
}

// Spans returns the spans that have ended so far, in the order of their end. The
// span of a response ends when the body is read to its end or closed.
func (r *Recorder) Spans() []Span {
	var spans []Span
	for _, s := range r.exporter.GetSpans() {
		spans = append(spans, Span{s})
	}
	return spans
}

// SpanOf returns the span whose context a request of [Recorder.Requests]
// carries, and whether it has ended.
func (r *Recorder) SpanOf(sent *http.Request) (Span, bool) {
	carried := trace.SpanContextFromContext(sent.Context())
	for _, s := range r.Spans() {
		if s.SpanContext.SpanID() == carried.SpanID() && s.SpanContext.TraceID() == carried.TraceID() {
			return s, true
		}
	}
	return Span{}, false
}

// Reset discards the recorded spans and requests, but not the measurements.
func (r *Recorder) Reset() {
	r.exporter.Reset()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sent = nil
}

// A Span is a span that has ended.
type Span struct{ tracetest.SpanStub }

// Attribute returns the value of an attribute, or the zero Value if the span does
// not have it.
func (s Span) Attribute(key attribute.Key) attribute.Value {
	for _, kv := range s.Attributes {
		if kv.Key == key {
			return kv.Value
		}
	}
	return attribute.Value{}
}

// Sum returns the sum of a metric over the data points that have these
// attributes, and for a histogram the number of its measurements, else 0. A
// metric that was not recorded has the sum 0.
func (r *Recorder) Sum(name string, attrs ...attribute.KeyValue) (sum float64, count uint64) {
	var all metricdata.ResourceMetrics
	_ = r.reader.Collect(context.Background(), &all) // fails after a shutdown only
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			if m.Name != name {
				continue
			}
			switch data := m.Data.(type) {
			case metricdata.Sum[int64]:
				sum += sumOf(data.DataPoints, attrs)
			case metricdata.Sum[float64]:
				sum += sumOf(data.DataPoints, attrs)
			case metricdata.Histogram[int64]:
				s, n := histogramOf(data.DataPoints, attrs)
				sum, count = sum+s, count+n
			case metricdata.Histogram[float64]:
				s, n := histogramOf(data.DataPoints, attrs)
				sum, count = sum+s, count+n
			}
		}
	}
	return sum, count
}

func sumOf[N int64 | float64](points []metricdata.DataPoint[N], attrs []attribute.KeyValue) (sum float64) {
	for _, p := range points {
		if hasAll(p.Attributes, attrs) {
			sum += float64(p.Value)
		}
	}
	return sum
}

func histogramOf[N int64 | float64](points []metricdata.HistogramDataPoint[N], attrs []attribute.KeyValue) (sum float64, count uint64) {
	for _, p := range points {
		if hasAll(p.Attributes, attrs) {
			sum += float64(p.Sum)
			count += p.Count
		}
	}
	return sum, count
}

func hasAll(set attribute.Set, attrs []attribute.KeyValue) bool {
	return !slices.ContainsFunc(attrs, func(kv attribute.KeyValue) bool {
		v, _ := set.Value(kv.Key)
		return v != kv.Value
	})
}

// sender keeps the requests that base gets.
type sender struct {
	recorder *Recorder
	base     http.RoundTripper
}

func (s sender) RoundTrip(req *http.Request) (*http.Response, error) {
	s.recorder.mu.Lock()
	s.recorder.sent = append(s.recorder.sent, req)
	s.recorder.mu.Unlock()
	return s.base.RoundTrip(req)
}

// CloseIdleConnections closes base's.
func (s sender) CloseIdleConnections() {
	if c, ok := s.base.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}
