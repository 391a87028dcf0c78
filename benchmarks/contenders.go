package main

import (
	"fmt"
	"io"
	"net/http"

	httptrace "github.com/DataDog/dd-trace-go/contrib/net/http/v2"
	"github.com/DataDog/dd-trace-go/v2/ddtrace/tracer"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelhttpclient/otelhttpclient"
)

// The contenders' names in the table.
const (
	nameBare    = "bare"
	nameOurs    = "otelhttpclient"
	nameOTel    = "otelhttp"
	nameDatadog = "dd-trace-go"
	nameByHand  = "hand-written"
)

// exchange sends one request, then reads and closes the response body. buf is a read buffer.
type exchange func(req *http.Request, buf []byte) error

// conditions are a row's settings, the same for every contender. A nil field is not passed on, so the
// contender uses the OpenTelemetry global, which no row ever sets.
type conditions struct {
	tracers    trace.TracerProvider
	meters     metric.MeterProvider
	propagator propagation.TextMapPropagator
	features
}

// features are optional features of an instrumentation.
type features struct {
	hooks        bool // two hooks, a URL filter and two captured headers
	attributes   bool // the application's attributes on spans and metrics
	optInMetrics bool // see optInMetrics
}

// contender is one way to send a request.
type contender struct {
	name string
	// wrap returns nil if the contender does not apply under these conditions.
	wrap func(conditions, http.RoundTripper) http.RoundTripper
	// settle is described at lane.
	settle func()
}

// contenders is ordered like the table's columns.
var contenders = []contender{
	{name: nameBare, wrap: func(_ conditions, base http.RoundTripper) http.RoundTripper { return base }},
	{name: nameOurs, wrap: wrapOurs},
	{name: nameByHand, wrap: wrapByHand},
	{name: nameOTel, wrap: wrapOTel},
	{name: nameDatadog, wrap: wrapDatadog, settle: tracer.Flush},
}

// through returns the exchange over a RoundTripper. It uses no http.Client, whose cost would be the
// same for all.
func through(rt http.RoundTripper) exchange {
	return func(req *http.Request, buf []byte) error {
		resp, err := rt.RoundTrip(req)
		if err != nil {
			return err
		}
		return drain(resp, buf)
	}
}

// drain reads the body to its end and closes it, so that the connection can be reused.
func drain(resp *http.Response, buf []byte) error {
	for {
		if _, err := resp.Body.Read(buf); err == io.EOF {
			break
		} else if err != nil {
			resp.Body.Close()
			return err
		}
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("status %s", resp.Status)
	}
	return resp.Body.Close()
}

// Attributes and header of the features.
const (
	keyTenant      = "app.tenant"
	keyContentType = "app.content_type"
	headerTenant   = "X-Tenant"
)

// applicationAttributes are those of a feature of the same name.
func applicationAttributes(req *http.Request) []attribute.KeyValue {
	return []attribute.KeyValue{
		attribute.String("app.shard", req.Header.Get(headerTenant)),
		attribute.Bool("app.batch", false),
	}
}

// optInMetrics are those of a feature of the same name. Without open connections: net/http does not
// report their end, so that it cannot be written by hand in a few lines.
var optInMetrics = []otelhttpclient.Metric{
	otelhttpclient.MetricActiveRequests,
	otelhttpclient.MetricRequestBodySize,
	otelhttpclient.MetricResponseBodySize,
	otelhttpclient.MetricRequestTimeInQueue,
	otelhttpclient.MetricDNSLookupDuration,
}

func wrapOurs(c conditions, base http.RoundTripper) http.RoundTripper {
	opts := []otelhttpclient.Option{
		otelhttpclient.WithTracerProvider(c.tracers),
		otelhttpclient.WithMeterProvider(c.meters),
		otelhttpclient.WithPropagators(c.propagator),
	}
	if c.hooks {
		opts = append(opts,
			otelhttpclient.WithRequestHook(func(span trace.Span, req *http.Request) {
				span.SetAttributes(attribute.String(keyTenant, req.Header.Get(headerTenant)))
			}),
			otelhttpclient.WithResponseHook(func(span trace.Span, _ *http.Request, resp *http.Response, _ error) {
				if resp != nil {
					span.SetAttributes(attribute.String(keyContentType, resp.Header.Get("Content-Type")))
				}
			}),
			otelhttpclient.WithURLFilter(otelhttpclient.StripQuery),
			otelhttpclient.WithRequestHeaders(headerTenant),
			otelhttpclient.WithResponseHeaders("Content-Type"),
		)
	}
	if c.attributes {
		opts = append(opts, otelhttpclient.WithAttributes(applicationAttributes))
	}
	if c.optInMetrics {
		opts = append(opts, otelhttpclient.WithOptInMetrics(optInMetrics...))
	}
	return otelhttpclient.NewTransport(base, opts...)
}

// wrapOTel configures otelhttp with the same providers and propagator. otelhttp has no hooks, URL
// filters, captured headers or attributes for spans. Its users write a RoundTripper below it that obtains
// the span and the labeler of the metrics from the request's context, so the features do the same. It has no
// opt-in metrics.
func wrapOTel(c conditions, base http.RoundTripper) http.RoundTripper {
	if c.optInMetrics {
		return nil
	}
	var opts []otelhttp.Option
	if c.tracers != nil {
		opts = append(opts, otelhttp.WithTracerProvider(c.tracers))
	}
	if c.meters != nil {
		opts = append(opts, otelhttp.WithMeterProvider(c.meters))
	}
	if c.propagator != nil {
		opts = append(opts, otelhttp.WithPropagators(c.propagator))
	}
	if c.features != (features{}) {
		base = annotator{base, c.features}
	}
	return otelhttp.NewTransport(base, opts...)
}

// annotator records features on the span in the request's context.
type annotator struct {
	base http.RoundTripper
	features
}

func (a annotator) RoundTrip(req *http.Request) (*http.Response, error) {
	span := trace.SpanFromContext(req.Context())
	if a.attributes {
		attrs := applicationAttributes(req)
		span.SetAttributes(attrs...)
		if labeler, ok := otelhttp.ClientLabelerFromContext(req.Context()); ok {
			labeler.Add(attrs...) // for the metrics
		}
	}
	if !a.hooks {
		return a.base.RoundTrip(req)
	}
	tenant := req.Header.Get(headerTenant)
	stripped := *req.URL
	stripped.RawQuery = ""
	span.SetAttributes(
		attribute.String(keyTenant, tenant),
		attribute.String("url.full", stripped.String()),
		attribute.StringSlice("http.request.header.x-tenant", []string{tenant}),
	)
	resp, err := a.base.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	contentType := resp.Header.Get("Content-Type")
	span.SetAttributes(
		attribute.String(keyContentType, contentType),
		attribute.StringSlice("http.response.header.content-type", []string{contentType}),
	)
	return resp, nil
}

// wrapDatadog wraps base for the running Datadog tracer, see startDatadog. It records no metrics. Its
// hooks before and after the request also set the captured headers. URLs are unchanged: recording the query is a
// process-wide setting.
func wrapDatadog(c conditions, base http.RoundTripper) http.RoundTripper {
	if c.meters != nil {
		return nil
	}
	if !c.hooks {
		return httptrace.WrapRoundTripper(base)
	}
	return httptrace.WrapRoundTripper(base,
		httptrace.WithBefore(func(req *http.Request, span *tracer.Span) {
			tenant := req.Header.Get(headerTenant)
			span.SetTag(keyTenant, tenant)
			span.SetTag("http.request.headers.x-tenant", tenant)
		}),
		httptrace.WithAfter(func(resp *http.Response, span *tracer.Span) {
			if resp == nil {
				return
			}
			contentType := resp.Header.Get("Content-Type")
			span.SetTag(keyContentType, contentType)
			span.SetTag("http.response.headers.content-type", contentType)
		}),
	)
}
