package otelhttpclient

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptrace"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// An Option configures a [Transport].
//
// Nil options, and options made from nil, change nothing. An option given more
// than once is overridden by the later one, except where its documentation
// says that they add up. A value that cannot be used is reported to
// [otel.Handle] when the Transport is made, and left out.
type Option interface{ apply(*config) }

type optionFunc func(*config)

func (f optionFunc) apply(c *config) { f(c) }

// config is what the options have said. It does not change once a Transport
// has been made from it.
type config struct {
	tracerProvider trace.TracerProvider          // nil: the global one
	meterProvider  metric.MeterProvider          // nil: the global one
	propagator     propagation.TextMapPropagator // nil: the global one
	targets        *targets                      // nil: every host

	spanOptions []trace.SpanStartOption
	spanName    func(*http.Request) string
	clientTrace func(context.Context) *httptrace.ClientTrace
	templater   URLTemplater
	spanEnd     SpanEnd
	errorCheck  func(*http.Response) bool

	requestHooks  []RequestHook
	responseHooks []ResponseHook
	filters       []Filter

	record          recorder
	methods         methods
	requestHeaders  *headerCapture // nil: none
	responseHeaders *headerCapture

	attributes        optInAttributes
	metrics           optInMetrics
	connectionTimings bool
	oldNames          bool // http/dup
}

func newConfig(opts []Option) *config {
	c := &config{
		methods:  knownMethodsFromEnvironment(),
		oldNames: oldNamesFromEnvironment(),
		record:   newRecorder(),
	}
	for _, o := range opts {
		if o != nil {
			o.apply(c)
		}
	}
	return c
}

// badOption reports a value that an option cannot use.
func badOption(option, format string, args ...any) {
	otel.Handle(fmt.Errorf("otelhttpclient: %s: %w", option, fmt.Errorf(format, args...)))
}

// WithTracerProvider sets the provider of the spans' tracer. The default, and
// the meaning of nil, is the provider of the span in the request's context, if
// that span is valid and not remote, else the global provider that is installed
// when the request is made. So a program that never installs a global provider
// gets client spans where it has spans of its own.
func WithTracerProvider(tp trace.TracerProvider) Option {
	return optionFunc(func(c *config) {
		if tp != nil {
			c.tracerProvider = tp
		}
	})
}

// WithMeterProvider sets the provider of the metrics' meter. The default, and
// the meaning of nil, is the global provider that is installed when a request
// is made.
func WithMeterProvider(mp metric.MeterProvider) Option {
	return optionFunc(func(c *config) {
		if mp != nil {
			c.meterProvider = mp
		}
	})
}

// WithSpanOptions adds options to those with which each span is started, after
// the library's own. Nil options are ignored. Given more than once, they add
// up. The kind stays CLIENT.
func WithSpanOptions(opts ...trace.SpanStartOption) Option {
	return optionFunc(func(c *config) {
		for _, o := range opts {
			if o != nil {
				c.spanOptions = append(c.spanOptions, o)
			}
		}
	})
}

// WithSpanNameFormatter sets the function that names spans. By default a span
// is named "{method} {url.template}" where a template is known, else
// "{method}", as the conventions require. The function gets the caller's
// request and must not change it; it may be called concurrently. Where it
// panics or returns "", the default stands.
func WithSpanNameFormatter(format func(*http.Request) string) Option {
	return optionFunc(func(c *config) {
		if format != nil {
			c.spanName = format
		}
	})
}

// URLPathSpanName names a span after its request's path: "/items/42". Use it
// with [WithSpanNameFormatter] only where a service has few distinct paths:
// names of high cardinality make traces hard to group, and a path may hold what
// should not be recorded. [WithURLTemplate] is the better way to get such names.
func URLPathSpanName(req *http.Request) string {
	if req == nil || req.URL == nil {
		return ""
	}
	return req.URL.Path
}

// WithClientTrace has the function called for each request, with the context
// that carries the request's span, and registers the trace that it returns
// with net/http in addition to those that the caller's context carries. A nil
// trace is ignored. The function may be called concurrently, and may return the
// same trace each time: it is copied.
func WithClientTrace(newTrace func(context.Context) *httptrace.ClientTrace) Option {
	return optionFunc(func(c *config) {
		if newTrace != nil {
			c.clientTrace = newTrace
		}
	})
}

// SpanEnd says when a span, and the duration that is measured with it, ends.
type SpanEnd int

const (
	// EndOnBody ends the span when the response body has been read to its
	// end, has failed, or is closed. It is the default.
	EndOnBody SpanEnd = iota
	// EndOnHeaders ends the span when the response headers have come. Use it
	// for streams that stay open for long. What is known only later, the size
	// of the response body and errors while it is read, is not recorded then.
	EndOnHeaders
)

// WithSpanEnd sets when spans end. The default is [EndOnBody]; both are
// allowed by the conventions.
func WithSpanEnd(end SpanEnd) Option {
	return optionFunc(func(c *config) {
		if end != EndOnBody && end != EndOnHeaders {
			badOption("WithSpanEnd", "%d is neither EndOnBody nor EndOnHeaders", end)
			return
		}
		c.spanEnd = end
	})
}

// WithErrorCheck sets the function that says which responses are errors: their
// spans get the status Error, and spans and metrics get the status code as
// error.type. By default those are the status codes 4xx and 5xx, and the ones
// that are no status code at all, below 100 or above 599. The function must
// not read or close the body and may be called concurrently; where it panics,
// the default stands.
func WithErrorCheck(isError func(*http.Response) bool) Option {
	return optionFunc(func(c *config) {
		if isError != nil {
			c.errorCheck = isError
		}
	})
}

// WithOptInAttributes switches on attributes that the conventions call Opt-In,
// which are never recorded otherwise:
//
//   - url.scheme, on spans and metrics
//   - user_agent.original, where the request has the header
//   - network.transport, once a connection was got
//   - http.request.body.size and http.response.body.size, in bytes
//   - url.template, on metrics; spans have it wherever it is known
//
// http.request.body.size is the Content-Length, unless writing the request
// failed. A body of unknown length is wrapped, and what base reads of it is
// counted. The attribute is left out where how much was sent is unknown: writing
// failed halfway, or the server did not ask for the body of a request with
// Expect: 100-continue. http.response.body.size is left out where net/http decompressed the body on its own, as the size on the wire
// cannot be learned then. Given more than once, the keys add up.
func WithOptInAttributes(keys ...attribute.Key) Option {
	return optionFunc(func(c *config) {
		for _, k := range keys {
			if bit, ok := optInAttributeBits[k]; ok {
				c.attributes |= bit
			} else {
				badOption("WithOptInAttributes", "%q is not an opt-in attribute of this library", k)
			}
		}
	})
}

// WithOptInMetrics switches on metrics that the conventions call Opt-In.
// http.client.request.duration is always recorded. Given more than once, the
// metrics add up. What each of them needs is told at its constant.
func WithOptInMetrics(metrics ...Metric) Option {
	return optionFunc(func(c *config) {
		for _, m := range metrics {
			if bit, ok := optInMetricBits[m]; ok {
				c.metrics |= bit
			} else {
				badOption("WithOptInMetrics", "%q is not an opt-in metric of this library", m)
			}
		}
	})
}

// WithConnectionTimings records what the request waited for as attributes of
// its span, as far as it took place, in seconds:
//
//   - otelhttpclient.connection.reused: whether the connection had been used
//     before (a boolean)
//   - otelhttpclient.connection.idle_time: how long it had been idle then
//   - otelhttpclient.connection.wait_time: from asking for a connection until
//     it was got, dialing included; a saturated pool shows here
//   - otelhttpclient.dns.duration, otelhttpclient.connect.duration,
//     otelhttpclient.tls.duration: what establishing it took
//   - otelhttpclient.first_byte.duration: from the span's start until the
//     first byte of the response
//
// It needs a base that calls the hooks of [net/http/httptrace], as
// *http.Transport does.
func WithConnectionTimings() Option {
	return optionFunc(func(c *config) { c.connectionTimings = true })
}

// given reports whether a variadic option was given a list: none at all
// (nil) leaves the default, while an empty list that is not nil counts.
func given(list []string) bool { return list != nil }
