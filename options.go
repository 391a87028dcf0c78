package otelhttpclient

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelhttpclient/otelhttpclient/internal/callback"
	"github.com/otelhttpclient/otelhttpclient/internal/capture"
	"github.com/otelhttpclient/otelhttpclient/internal/conntrace"
	"github.com/otelhttpclient/otelhttpclient/internal/inject"
	"github.com/otelhttpclient/otelhttpclient/internal/redact"
	"github.com/otelhttpclient/otelhttpclient/internal/semconv"
	"github.com/otelhttpclient/otelhttpclient/internal/tracers"
)

// An Option configures a [Transport].
//
// Nil options, and options with a nil argument, change nothing. A later option
// overrides an earlier one of the same kind, except where its documentation
// says that they accumulate. An invalid value is reported to [otel.Handle] when
// the Transport is created, and ignored.
type Option interface{ apply(*config) }

type optionFunc func(*config)

func (f optionFunc) apply(c *config) { f(c) }

// config holds the options of a Transport. It does not change after apply.
type config struct {
	tracerProvider trace.TracerProvider          // nil: the parent's or the global one
	meterProvider  metric.MeterProvider          // nil: the global one
	propagator     propagation.TextMapPropagator // nil: the global one
	targets        *inject.Targets               // nil: every host

	spanOptions    []trace.SpanStartOption
	spanAttributes []attribute.KeyValue // the attributes in spanOptions
	spanName       func(*http.Request) string
	clientTrace    func(context.Context) *httptrace.ClientTrace
	templater      func(*http.Request) string
	endOnHeaders   bool
	errorCheck     func(*http.Response) bool
	failureCheck   func(error) bool

	attributeFuncs         []func(*http.Request) []attribute.KeyValue
	responseAttributeFuncs []func(*http.Request, *http.Response, error) []attribute.KeyValue

	requestHooks  []func(trace.Span, *http.Request)
	responseHooks []func(trace.Span, *http.Request, *http.Response, error)
	filters       []func(*http.Request) bool

	urlFilters        []func(*url.URL) *url.URL
	sensitive         redact.Config // Filter is unset until apply
	redaction         *redact.Policy
	guard             callback.Guard
	filterGuard       callback.Guard // for URL filters; its reports bypass them
	methods           semconv.Methods
	requestHeaders    *capture.Headers // nil: none
	responseHeaders   *capture.Headers
	conventions       semconv.Config
	connectionTimings bool
}

func (c *config) apply(opts []Option) {
	c.applyDefaultsFromEnvironment()
	for _, o := range opts {
		if o != nil {
			o.apply(c)
		}
	}
	c.addFromEnvironment()
	if len(c.urlFilters) > 0 {
		c.sensitive.Filter = originOf
		c.filterGuard = callback.New(redact.New(c.sensitive))
		c.sensitive.Filter = c.filterURL
	}
	c.redaction = redact.New(c.sensitive)
	c.guard = callback.New(c.redaction)
}

// WithTracerProvider sets the provider of the tracer. The default, also for
// nil, is the provider of the span in the request's context if that span is
// valid and not remote, else the global provider that is installed when the
// request starts. So a program without a global provider gets client spans
// below its own spans.
func WithTracerProvider(tp trace.TracerProvider) Option {
	return optionFunc(func(c *config) {
		if tp != nil {
			c.tracerProvider = tp
		}
	})
}

// badOption reports a value that an option cannot use.
func badOption(option, format string, args ...any) {
	otel.Handle(fmt.Errorf("otelhttpclient: %s: %w", option, fmt.Errorf(format, args...)))
}

// instrumentation is a Transport's configuration with the tracers, instruments
// and propagators that it uses.
type instrumentation struct {
	config
	describer semconv.Describer
	tracers   tracers.Source
	meters    semconv.Meters
	injector  inject.Propagator

	spanWants, meterWants conntrace.Want // data of a connection that spans and metrics need
	describesSent         bool           // there are attributes of the request as it is sent
	renamesLookups        bool           // a URL filter may change the host of DNS lookups
}

func newInstrumentation(opts []Option) *instrumentation {
	in := &instrumentation{}
	in.config.apply(opts)
	in.describer.Config, in.describer.Methods = in.conventions, in.methods
	in.setWants()
	in.tracers.New = newTracer
	in.meters.New, in.meters.Configured, in.meters.Config, in.meters.Guard = newMeter, in.meterProvider, in.conventions, in.guard
	in.injector.Configured, in.injector.Targets, in.injector.Guard = in.propagator, in.targets, in.guard
	return in
}

// setWants sets the data of a connection, and of the request as it is sent, that spans
// and metrics need.
func (in *instrumentation) setWants() {
	c := &in.conventions
	if c.WantsRequestSize() {
		in.spanWants |= conntrace.Sizes
		in.meterWants |= conntrace.Sizes
	}
	if c.WantsUserAgent() {
		in.spanWants |= conntrace.UserAgent
	}
	in.renamesLookups = c.Metrics&semconv.DNSLookups != 0 && len(in.urlFilters) > 0
	in.describesSent = c.WantsUserAgent() || c.OldNames || in.requestHeaders != nil
	if in.connectionTimings {
		in.spanWants |= conntrace.Timings
	}
	if c.Metrics&(semconv.TimeInQueue|semconv.DNSLookups) != 0 {
		in.meterWants |= conntrace.Queue
	}
}

func newTracer(tp trace.TracerProvider) trace.Tracer {
	return tp.Tracer(ScopeName,
		trace.WithInstrumentationVersion(Version),
		trace.WithSchemaURL(semconv.SchemaURL))
}

func newMeter(mp metric.MeterProvider) metric.Meter {
	return mp.Meter(ScopeName,
		metric.WithInstrumentationVersion(Version),
		metric.WithSchemaURL(semconv.SchemaURL))
}

// defaultInstrumentation is the instrumentation of every zero Transport.
var defaultInstrumentation = sync.OnceValue(func() *instrumentation { return newInstrumentation(nil) })
