// Package program uses the client side of otelhttp's API as applications do.
package program

import (
	"context"
	"net/http"
	"net/http/httptrace"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"ORIGINAL/otelhttp"
)

// Client embeds a Transport and keeps its options.
type Client struct {
	*otelhttp.Transport
	Options []otelhttp.Option
	Scope   string
}

var skipHealth otelhttp.Filter = func(r *http.Request) bool { return r.URL.Path != "/health" }

func spanName(operation string, r *http.Request) string { return operation + "HTTP " + r.Method }

// New nests the options' calls in that of NewTransport, as most programs do.
func New(base http.RoundTripper, tp trace.TracerProvider, mp metric.MeterProvider, p propagation.TextMapPropagator) *Client {
	shared := []otelhttp.Option{otelhttp.WithFilter(skipHealth)}
	first := otelhttp.NewTransport(base,
		otelhttp.WithTracerProvider(tp),
		otelhttp.WithMeterProvider(mp),
		otelhttp.WithPropagators(p),
		otelhttp.WithSpanNameFormatter(spanName),
		otelhttp.WithSpanOptions(trace.WithAttributes(attribute.String("app.component", "checkout"))),
		otelhttp.WithMetricAttributesFn(func(r *http.Request) []attribute.KeyValue {
			return []attribute.KeyValue{attribute.String("app.host", r.Host)}
		}),
		otelhttp.WithClientTrace(func(ctx context.Context) *httptrace.ClientTrace {
			return &httptrace.ClientTrace{GotFirstResponseByte: func() {
				trace.SpanFromContext(ctx).AddEvent("first byte")
			}}
		}),
		otelhttp.WithFilter(func(r *http.Request) bool { return r.URL.Path != "/ready" }),
	)
	return &Client{
		Transport: otelhttp.NewTransport(first, append(shared, otelhttp.WithSpanNameFormatter(func(_ string, r *http.Request) string {
			return r.URL.Path
		}))...),
		Options: withDefaults(shared...),
		Scope:   otelhttp.ScopeName,
	}
}

func withDefaults(opts ...otelhttp.Option) []otelhttp.Option {
	return append(opts, otelhttp.WithSpanOptions(), otelhttp.WithTracerProvider(nil))
}
