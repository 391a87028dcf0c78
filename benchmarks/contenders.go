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

// The contenders' names, as the table shows them.
const (
	nameBare    = "bare"
	nameOurs    = "otelhttpclient"
	nameOTel    = "otelhttp"
	nameDatadog = "dd-trace-go"
	nameLimit   = "limit"
)

// exchange sends one request, reads the response body to its end, and closes it. buf is scratch
// space for reading.
type exchange func(req *http.Request, buf []byte) error

// conditions are what a row runs under: the same values for every contender. What is nil is not
// given to it, which leaves it with the OpenTelemetry globals, where no row ever installs anything.
type conditions struct {
	tracers    trace.TracerProvider
	meters     metric.MeterProvider
	propagator propagation.TextMapPropagator
	// extras asks for two hooks, a URL filter and captured headers.
	extras bool
}

// contender is one way to send a request.
type contender struct {
	name string
	// build returns nil where the contender has nothing to show under these conditions.
	build func(conditions, http.RoundTripper) exchange
	// settle is as in lane.
	settle func()
}

// contenders are in the order of the table's columns.
var contenders = []contender{
	{name: nameBare, build: func(_ conditions, base http.RoundTripper) exchange {
		return through(base)
	}},
	{name: nameOurs, build: func(c conditions, base http.RoundTripper) exchange {
		return through(wrapOurs(c, base))
	}},
	{name: nameOTel, build: func(c conditions, base http.RoundTripper) exchange {
		return through(wrapOTel(c, base))
	}},
	{name: nameDatadog, settle: tracer.Flush, build: func(c conditions, base http.RoundTripper) exchange {
		if c.meters != nil {
			return nil // it records no metrics of its own
		}
		return through(wrapDatadog(c, base))
	}},
	{name: nameLimit, build: newLimit},
}

// through is the exchange over a RoundTripper. There is no http.Client around it: it would cost
// everyone the same.
func through(rt http.RoundTripper) exchange {
	return func(req *http.Request, buf []byte) error {
		resp, err := rt.RoundTrip(req)
		if err != nil {
			return err
		}
		return drain(resp, buf)
	}
}

// drain reads the body to its end and closes it, as a client that wants its connection back does.
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

// What the extras record, in every contender's own way.
const (
	keyTenant      = "app.tenant"
	keyContentType = "app.content_type"
	headerTenant   = "X-Tenant"
)

func wrapOurs(c conditions, base http.RoundTripper) http.RoundTripper {
	opts := []otelhttpclient.Option{
		otelhttpclient.WithTracerProvider(c.tracers),
		otelhttpclient.WithMeterProvider(c.meters),
		otelhttpclient.WithPropagators(c.propagator),
	}
	if c.extras {
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
	return otelhttpclient.NewTransport(base, opts...)
}

// wrapOTel gives otelhttp the same providers and propagator. It has no hooks, no URL filter and no
// captured headers; what its users do instead is a RoundTripper of their own below it, which finds
// the span in the request's context. That is what it gets for the extras.
func wrapOTel(c conditions, base http.RoundTripper) http.RoundTripper {
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
	if c.extras {
		base = annotator{base}
	}
	return otelhttp.NewTransport(base, opts...)
}

// annotator records on the span in the request's context what the extras ask for.
type annotator struct{ base http.RoundTripper }

func (a annotator) RoundTrip(req *http.Request) (*http.Response, error) {
	span := trace.SpanFromContext(req.Context())
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

// wrapDatadog wraps base for the Datadog tracer that is running, see startDatadog. For the extras
// it has hooks before and after; they set the captured headers too. Its URLs are left as they are:
// whether they have a query is a setting of the process.
func wrapDatadog(c conditions, base http.RoundTripper) http.RoundTripper {
	if !c.extras {
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
