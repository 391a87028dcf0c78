package otelhttp

// go fix inlines the functions of this file. It adds the imports of their
// signatures to the program's file, and removes those that are not needed only if
// they are renamed.
import (
	otelmetric "go.opentelemetry.io/otel/metric"
	otelpropagation "go.opentelemetry.io/otel/propagation"
	oteltrace "go.opentelemetry.io/otel/trace"

	"github.com/otelhttpclient/otelhttpclient"
)

// An Option configures a [Transport]. It is the type of otelhttpclient: all
// options of that package can be used, too. Those of the original cannot.
//
//go:fix inline
type Option = otelhttpclient.Option

// A Filter reports whether a request is traced. If not, the request goes to base
// unchanged. If a Filter panics, the request is traced.
//
//go:fix inline
type Filter = otelhttpclient.Filter

// WithTracerProvider sets the provider of the tracer. The default is the provider
// of the span in the request's context, else the global one.
//
// The original also takes the provider of a remote span context, which creates no
// spans. Here, a remote span context leaves the global provider in place.
//
//go:fix inline
func WithTracerProvider(provider oteltrace.TracerProvider) Option {
	return otelhttpclient.WithTracerProvider(provider)
}

// WithMeterProvider sets the provider of the meter. The default is the global one
// that is installed when a request starts.
//
//go:fix inline
func WithMeterProvider(provider otelmetric.MeterProvider) Option {
	return otelhttpclient.WithMeterProvider(provider)
}

// WithPropagators sets the propagator. The default is the global one that is
// installed when a request starts.
//
// Unlike in the original, fields of the propagator that it does not write are
// removed from the request, except baggage: a tracestate belongs to its
// traceparent.
//
//go:fix inline
func WithPropagators(ps otelpropagation.TextMapPropagator) Option {
	return otelhttpclient.WithPropagators(ps)
}

// WithSpanOptions adds options to those that each span is started with.
//
// The kind of a span is always CLIENT. In the original, [oteltrace.WithSpanKind]
// changes it.
//
//go:fix inline
func WithSpanOptions(opts ...oteltrace.SpanStartOption) Option {
	return otelhttpclient.WithSpanOptions(opts...)
}

// WithFilter adds a filter. A request is traced if all filters return true.
//
//go:fix inline
func WithFilter(f Filter) Option {
	return otelhttpclient.WithFilter(f)
}

// WithClientTrace registers the hooks that f returns with net/http. If f returns
// nil, the request has no such hooks; in the original, that is a panic.
//
//go:fix inline
func WithClientTrace(f otelhttpclient.ClientTraceFunc) Option {
	return otelhttpclient.WithClientTrace(f)
}

// WithMetricAttributesFn adds the attributes that the function returns to the
// request metrics, and unlike in the original also to the span.
//
// Further differences: the function runs before the request is sent, not when
// the headers have been received. It gets the caller's request, without the
// span in its context and without the propagated headers. Its attributes
// override the library's own of the same key. Repeated options accumulate; in
// the original, the last one is used.
//
//go:fix inline
func WithMetricAttributesFn(metricAttributesFn otelhttpclient.AttributesFunc) Option {
	return otelhttpclient.WithAttributes(metricAttributesFn)
}
