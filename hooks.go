package otelhttpclient

import (
	"fmt"
	"net/http"
	"reflect"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/trace"
)

// A RequestHook runs when the span is open and before anything is sent. req is
// a private copy of the caller's request: its context carries the span, and
// headers that the hook sets are sent.
//
// Hooks run for every span, also for one that is not recording; guard costly
// work with span.IsRecording(). They run on the goroutine that called
// RoundTrip, and concurrently for concurrent requests. A panic is reported to
// [otel.Handle] and does not break the request.
type RequestHook func(span trace.Span, req *http.Request)

// A ResponseHook runs when the response headers have come, or with a nil resp
// and the error when there is no response. It runs after the library has set
// its own attributes, so that what the hook sets wins. req is the copy that
// was sent. The hook must not read or close the body.
//
// What is said of a [RequestHook] about recording, goroutines and panics holds
// here too.
type ResponseHook func(span trace.Span, req *http.Request, resp *http.Response, err error)

// WithRequestHook adds a hook. All hooks run, in the order given; nil is
// ignored.
func WithRequestHook(hook RequestHook) Option {
	return optionFunc(func(c *config) {
		if hook != nil {
			c.requestHooks = append(c.requestHooks, hook)
		}
	})
}

// WithResponseHook adds a hook. All hooks run, in the order given; nil is
// ignored.
func WithResponseHook(hook ResponseHook) Option {
	return optionFunc(func(c *config) {
		if hook != nil {
			c.responseHooks = append(c.responseHooks, hook)
		}
	})
}

func (c *config) runRequestHooks(span trace.Span, req *http.Request) {
	for _, hook := range c.requestHooks {
		call("request hook", func() { hook(span, req) })
	}
}

func (c *config) runResponseHooks(span trace.Span, req *http.Request, resp *http.Response, err error) {
	for _, hook := range c.responseHooks {
		call("response hook", func() { hook(span, req, resp, err) })
	}
}

// call runs code that the application gave us, or that stands behind an
// interface of OpenTelemetry's, and reports whether it returned. A panic in it
// goes to the error handler instead of breaking the request, as the
// specification's error handling principles require of callbacks.
func call(what string, f func()) (returned bool) {
	defer contain(what)
	f()
	return true
}

// contain is deferred to stop a panic in telemetry. The text of the panic is
// scrubbed: it may quote a URL.
func contain(what string) {
	if v := recover(); v != nil {
		reportPanic(what, v)
	}
}

func reportPanic(what string, v any) {
	defer func() { _ = recover() }() // of an error handler: there is nobody left to tell
	otel.Handle(fmt.Errorf("otelhttpclient: %s panicked: %s", what, cut(defaultScrub(cut(panicText(v), longestRedacted)), longestText)))
}

// panicText returns the text of a value that code panicked with, as the runtime
// prints it: of other types the name alone. A value may refer to itself, which
// fmt follows until the stack overflows, or be in use on another goroutine.
func panicText(v any) string {
	switch v := v.(type) {
	case error:
		return v.Error()
	case fmt.Stringer:
		return v.String()
	case string:
		return v
	}
	switch t := reflect.TypeOf(v); t.Kind() {
	case reflect.String, reflect.Bool, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr,
		reflect.Float32, reflect.Float64, reflect.Complex64, reflect.Complex128:
		return fmt.Sprint(v)
	default:
		return "a value of type " + t.String()
	}
}
