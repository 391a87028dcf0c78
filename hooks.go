package otelhttpclient

import (
	"net/http"

	"go.opentelemetry.io/otel/trace"
)

// A RequestHook runs when the span has started and before anything is sent. req
// is a private copy of the caller's request. Its context carries the span, and
// headers that the hook sets are sent.
//
// Hooks run for every span, including spans that are not recording, except that
// of a first attempt between nested Transports (see [NewTransport]). Guard
// costly work with span.IsRecording(). Attributes that hooks set must be valid
// UTF-8: an OTLP exporter drops the whole batch otherwise. Hooks run on the
// goroutine that calls RoundTrip, and concurrently for concurrent requests. A
// panic is reported to [otel.Handle]; the request continues.
type RequestHook func(span trace.Span, req *http.Request)

// A ResponseHook runs when the response headers have been received, or with a
// nil resp and the error if there is no response. It runs after the library has
// set its own attributes, so its attributes win. req is the copy that was sent.
// The hook must not read or close the body.
//
// Recording, goroutines and panics are as for a [RequestHook].
type ResponseHook func(span trace.Span, req *http.Request, resp *http.Response, err error)

// WithRequestHook adds a hook. Hooks run in the order given. Nil is ignored.
func WithRequestHook(hook RequestHook) Option {
	return optionFunc(func(c *config) {
		if hook != nil {
			c.requestHooks = append(c.requestHooks, hook)
		}
	})
}

// WithResponseHook adds a hook. Hooks run in the order given. Nil is ignored.
func WithResponseHook(hook ResponseHook) Option {
	return optionFunc(func(c *config) {
		if hook != nil {
			c.responseHooks = append(c.responseHooks, hook)
		}
	})
}

// hooked reports whether the application has code that runs for each request.
func (c *config) hooked() bool {
	return len(c.requestHooks) > 0 || len(c.responseHooks) > 0 || c.clientTrace != nil
}

func (c *config) runRequestHooks(span trace.Span, req *http.Request) {
	for _, hook := range c.requestHooks {
		c.guard.call("request hook", func() { hook(span, req) })
	}
}

func (c *config) runResponseHooks(span trace.Span, req *http.Request, resp *http.Response, err error) {
	for _, hook := range c.responseHooks {
		c.guard.call("response hook", func() { hook(span, req, resp, err) })
	}
}
