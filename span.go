package otelhttpclient

import (
	"net/http"

	"go.opentelemetry.io/otel/trace"
)

// WithSpanOptions adds options for starting spans, after the library's own. The
// kind is always CLIENT. Attributes override the library's own. The options are
// passed to the tracer unchanged: attributes in them must be valid UTF-8. Nil
// options are ignored. Repeated options accumulate.
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
// high cardinality are hard to group. The path is not redacted and may contain
// secrets. Prefer [WithURLTemplate].
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
		c.endOnHeaders = end == EndOnHeaders
	})
}

// An ErrorCheck reports whether a response is an error. It must not read or
// close the body and may be called concurrently.
type ErrorCheck = func(*http.Response) bool

// WithErrorCheck sets the function that decides which responses are errors.
// Spans of errors have the status Error; spans and metrics have the status code
// as error.type, or _OTHER for an invalid code. By default, the status codes
// 4xx and 5xx are errors, and those below 100 or above 599. The default also
// applies if the function panics.
func WithErrorCheck(isError ErrorCheck) Option {
	return optionFunc(func(c *config) {
		if isError != nil {
			c.errorCheck = isError
		}
	})
}

// A FailureCheck reports whether an error of base, or of reading a response body, is
// an error of the request. It may be called concurrently.
type FailureCheck = func(error) bool

// WithFailureCheck sets the function that decides which errors are recorded. Spans of
// others have no error status, and spans and metrics no error.type, like those of
// requests that the caller has canceled, for which it is not called. By default, all
// errors are recorded. The default also applies for nil, and if the function panics.
// For responses, see [WithErrorCheck].
func WithFailureCheck(isFailure FailureCheck) Option {
	return optionFunc(func(c *config) {
		if isFailure != nil {
			c.failureCheck = isFailure
		}
	})
}
