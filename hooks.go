package otelhttpclient

import (
	"net/http"
	"reflect"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// A RequestHook runs after the span has started and before anything is sent.
// req is a private copy of the caller's request. Its context carries the span,
// and headers that the hook sets are sent.
//
// Hooks run for every span, including spans that are not recording, except that
// of a first attempt between nested Transports (see [NewTransport]). Guard
// costly work with span.IsRecording(). Attributes that hooks set must be valid
// UTF-8; otherwise an OTLP exporter drops the whole batch. Hooks run on the
// goroutine that calls RoundTrip, and concurrently for concurrent requests. A
// panic is reported to [otel.Handle]; the request continues.
type RequestHook func(span trace.Span, req *http.Request)

// A ResponseHook runs when the response headers have been received, or with a
// nil resp and the error if there is no response. It runs after the library has
// set its own attributes and may override them. req is the copy that was sent.
// The hook must not read or close the body.
//
// The library does not overwrite what hooks set on the span, including its
// status and name, up to the end of the body. That requires a span with the
// SDK's methods Attributes and Status: on spans of other SDKs, later values of
// the library override those of hooks. Metrics keep the library's values.
//
// Non-recording spans, goroutines and panics are handled as for a
// [RequestHook].
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
		c.guard.Call("request hook", func() { hook(span, req) })
	}
}

func (c *config) runResponseHooks(span trace.Span, req *http.Request, resp *http.Response, err error) {
	for _, hook := range c.responseHooks {
		c.guard.Call("response hook", func() { hook(span, req, resp, err) })
	}
}

// attributesOf returns a span's attributes if it has a method Attributes, like the
// SDK's. The library does not set them again: a hook may have changed them.
func attributesOf(span trace.Span) []attribute.KeyValue {
	if s, ok := span.(interface{ Attributes() []attribute.KeyValue }); ok {
		return s.Attributes()
	}
	return nil
}

// hasStatus reports whether a span has a status, if it has a method Status, like the
// SDK's. It uses reflection: the method returns a type of the SDK, which this package
// does not import.
func hasStatus(span trace.Span) bool {
	status := reflect.ValueOf(span).MethodByName("Status")
	if !status.IsValid() || status.Type().NumIn() > 0 || status.Type().NumOut() != 1 || status.Type().Out(0).Kind() != reflect.Struct {
		return false
	}
	code := status.Call(nil)[0].FieldByName("Code")
	return code.IsValid() && code.Type() == reflect.TypeFor[codes.Code]() && codes.Code(code.Uint()) != codes.Unset
}
