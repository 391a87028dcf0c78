package otelhttpclient

import (
	"context"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelhttpclient/otelhttpclient/internal/body"
	"github.com/otelhttpclient/otelhttpclient/internal/errortype"
	"github.com/otelhttpclient/otelhttpclient/internal/foreign"
	"github.com/otelhttpclient/otelhttpclient/internal/scratch"
)

// WithSpanOptions adds options to those that each span is started with, after
// the library's own. The kind is always CLIENT. Attributes override the library's
// own. The options go to the tracer as they are: attributes in them should be
// valid UTF-8. Nil options are ignored. Repeated options accumulate.
func WithSpanOptions(opts ...trace.SpanStartOption) Option {
	return optionFunc(func(c *config) {
		for _, o := range opts {
			if o != nil {
				c.spanOptions = append(c.spanOptions, o)
			}
		}
		start := trace.NewSpanStartConfig(c.spanOptions...)
		c.spanAttributes = start.Attributes()
	})
}

// A SpanNameFormatter returns the name of a request's span. It gets the request
// that a [Filter] gets, must not change it, and may be called concurrently.
type SpanNameFormatter = func(*http.Request) string

// WithSpanNameFormatter sets the function that names spans. The default, also
// for nil, is "{method} {url.template}" if a template is known, else "{method}",
// as the conventions require. The default also applies if the function panics
// or returns "".
func WithSpanNameFormatter(format SpanNameFormatter) Option {
	return optionFunc(func(c *config) {
		if format != nil {
			c.spanName = format
		}
	})
}

// URLPathSpanName is a [SpanNameFormatter] that returns the URL's path, such as
// "/items/42". Use it only if a service has few distinct paths: span names of
// high cardinality are hard to group. A path may also contain what should not be
// recorded; it is not redacted. [WithURLTemplate] is the better choice.
func URLPathSpanName(req *http.Request) string {
	if req == nil || req.URL == nil {
		return ""
	}
	return req.URL.Path
}

// SpanEnd determines when a span and the duration metric end.
type SpanEnd int

const (
	// EndOnBody ends the span when the response body has been read to its
	// end, has failed, or is closed. It is the default.
	EndOnBody SpanEnd = iota
	// EndOnHeaders ends the span when the response headers have been
	// received. Use it for long-lived streams. The size of the response body
	// and errors while reading it are not recorded then.
	EndOnHeaders
)

// WithSpanEnd sets when spans end. The default is [EndOnBody]. The conventions
// allow both.
func WithSpanEnd(end SpanEnd) Option {
	return optionFunc(func(c *config) {
		if end != EndOnBody && end != EndOnHeaders {
			badOption("WithSpanEnd", "%d is neither EndOnBody nor EndOnHeaders", end)
			return
		}
		c.spanEnd = end
	})
}

// startSpan starts the span of a request as a child of the span in its context.
func (in *instrumentation) startSpan(tracer trace.Tracer, s *scratch.Memory, req *http.Request, d *description) (context.Context, trace.Span) {
	s.Attributes = in.creationAttributes(s.Attributes, d)
	return tracer.Start(req.Context(), in.nameOfSpan(&d.facts, req), s.StartOptions(in.spanOptions)...)
}

func (in *instrumentation) nameOfSpan(f *facts, req *http.Request) (name string) {
	if in.spanName != nil && in.guard.Call("span name formatter", func() { name = in.spanName(req) }) && name != "" {
		return foreign.Text(name)
	}
	method := f.method
	if method == otherMethod {
		method = "HTTP"
	}
	if f.template == "" {
		return method
	}
	return method + " " + f.template
}

// describeResponse records the response's headers on the span, and its outcome
// for the metrics.
func (x *exchange) describeResponse(sent *sentRequest, resp *http.Response) {
	x.in.describeResponse(&x.outcome, resp)
	if x.facts.host == "" {
		x.resolve(sent, resp)
	}
	x.connection.answered(x.outcome.status, x.outcome.protocol)
	if !x.recording {
		return
	}
	s := scratch.Get(x.context.sending.tracer.Copies())
	defer s.Release()
	a := x.in.responseAttributes(s.Attributes, &x.outcome, resp, x.connection.target)
	a = x.connection.attributes(a, x.in, x.StartTime(), time.Time{})
	x.set(a...)
	s.Attributes = a
	if x.outcome.errorType != "" {
		x.setErrorStatus("")
	}
}

// set sets attributes on the span. The application's own keep their values.
func (x *exchange) set(a ...attribute.KeyValue) {
	if len(x.in.spanAttributes) > 0 {
		a = without(a, x.in.spanAttributes)
	}
	if x.in.hooked() {
		a = without(a, attributesOf(x.span))
	}
	for _, own := range x.facts.own {
		for i := range a {
			if a[i].Key == own.Key {
				a[i] = own
			}
		}
	}
	x.span.SetAttributes(a...)
}

// setErrorStatus sets the span's status to Error, unless a hook has set one.
func (x *exchange) setErrorStatus(description string) {
	if !x.in.hooked() || !hasStatus(x.span) {
		x.span.SetStatus(codes.Error, description)
	}
}

// describeError records an error on the span, and its type for the metrics,
// unless the caller canceled the request. It keeps the error.type of an error
// response.
func (x *exchange) describeError(err error) {
	if errortype.CancelledByCaller(x.context.Context, err) {
		return
	}
	ofStatus := x.outcome.errorType != ""
	if !ofStatus {
		x.outcome.errorType = x.in.errorType(x.context.Context, x.facts.scheme, err)
	}
	x.setError(err, ofStatus)
}

// setError records on the span an error whose type is known: that of the status
// code, or its own.
func (x *exchange) setError(err error, ofStatus bool) {
	if !x.recording {
		return
	}
	x.set(errorTypeKey.String(x.outcome.errorType))
	if !ofStatus {
		x.setErrorStatus(x.in.redaction.Error(err, x.connection.target))
	}
}

// describeEnd records on the span what is known only at the end.
func (x *exchange) describeEnd(e body.End) {
	var a []attribute.KeyValue
	if e.Abandoned {
		a = append(a, abandonedKey.Bool(true))
	}
	if x.outcome.status == 0 {
		a = x.connection.attributes(a, x.in, x.StartTime(), e.At)
	}
	if n, known := x.upload.sentBytes(&x.connection, x.outcome.status); known && x.in.optInAttributes&optInRequestSize != 0 {
		a = append(a, semconv.HTTPRequestBodySizeKey.Int64(n))
	}
	if n, known := x.receivedBytes(); known && x.in.optInAttributes&optInResponseSize != 0 {
		a = append(a, semconv.HTTPResponseBodySizeKey.Int64(n))
	}
	if len(a) > 0 {
		x.set(a...)
	}
}

func (x *exchange) endSpan(at time.Time) {
	if at.IsZero() {
		x.span.End()
	} else {
		x.span.End(trace.WithTimestamp(at))
	}
}

// StartTime returns when the span started.
func (x *exchange) StartTime() time.Time {
	if s, ok := x.span.(interface{ StartTime() time.Time }); ok {
		return s.StartTime()
	}
	return x.started
}

// duration returns the duration of the exchange: exactly the span's, if the
// span has a method for it.
func (x *exchange) duration(at time.Time) time.Duration {
	if s, ok := x.span.(interface {
		StartTime() time.Time
		EndTime() time.Time
	}); ok {
		if end := s.EndTime(); !end.IsZero() {
			return max(0, end.Sub(s.StartTime()))
		}
	}
	if at.IsZero() {
		return time.Since(x.started)
	}
	return max(0, at.Sub(x.started))
}
