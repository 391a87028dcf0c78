package faults

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/instrumented"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

// actingError calls act in its ErrorType method.
type actingError struct{ act func() }

func (e actingError) Error() string     { return "failed" }
func (e actingError) ErrorType() string { e.act(); return "" }

// actingPropagator calls act in Inject.
type actingPropagator struct {
	propagation.TraceContext
	act func()
}

func (p actingPropagator) Inject(context.Context, propagation.TextMapCarrier) { p.act() }

// actingConn is a connection that calls act for the text of its peer's address.
type actingConn struct {
	net.Conn
	act func()
}

func (c actingConn) RemoteAddr() net.Addr { return c }
func (c actingConn) Network() string      { return "fault" }
func (c actingConn) String() string       { c.act(); return "" }

// A callback may panic with any value and in any place: the request continues,
// the span ends, and the panic is reported to otel.Handle. A callback that
// calls runtime.Goexit, as t.FailNow does, leaves no span open.
func TestCallbackPanics(t *testing.T) {
	answer := oteltest.AnswerText(http.StatusOK, "text")
	withConn := func(conn net.Conn, then oteltest.RoundTripFunc) oteltest.RoundTripFunc {
		return func(req *http.Request) (*http.Response, error) {
			if ct := httptrace.ContextClientTrace(req.Context()); ct != nil && ct.GotConn != nil {
				ct.GotConn(httptrace.GotConnInfo{Conn: conn})
			}
			return then(req)
		}
	}
	failing := func(act func()) oteltest.RoundTripFunc {
		return func(*http.Request) (*http.Response, error) { return nil, actingError{act} }
	}
	// second returns a function that calls act from the second call on.
	second := func(act func()) func() {
		var calls atomic.Int64
		return func() {
			if calls.Add(1) > 1 {
				act()
			}
		}
	}
	callbacks := []struct {
		name string
		base func(act func()) oteltest.RoundTripFunc // nil: answer
		opt  func(act func()) otelhttpclient.Option
	}{
		{name: "request hook", opt: func(act func()) otelhttpclient.Option {
			return otelhttpclient.WithRequestHook(func(trace.Span, *http.Request) { act() })
		}},
		{name: "response hook", opt: func(act func()) otelhttpclient.Option {
			return otelhttpclient.WithResponseHook(func(trace.Span, *http.Request, *http.Response, error) { act() })
		}},
		{name: "response hook of a failure", base: func(func()) oteltest.RoundTripFunc { return failing(func() {}) }, opt: func(act func()) otelhttpclient.Option {
			return otelhttpclient.WithResponseHook(func(trace.Span, *http.Request, *http.Response, error) { act() })
		}},
		{name: "filter", opt: func(act func()) otelhttpclient.Option {
			return otelhttpclient.WithFilter(func(*http.Request) bool { act(); return true })
		}},
		{name: "span name formatter", opt: func(act func()) otelhttpclient.Option {
			return otelhttpclient.WithSpanNameFormatter(func(*http.Request) string { act(); return "" })
		}},
		{name: "URL templater", opt: func(act func()) otelhttpclient.Option {
			return otelhttpclient.WithURLTemplate(func(*http.Request) string { act(); return "" })
		}},
		{name: "error check", opt: func(act func()) otelhttpclient.Option {
			return otelhttpclient.WithErrorCheck(func(*http.Response) bool { act(); return false })
		}},
		{name: "client trace", opt: func(act func()) otelhttpclient.Option {
			return otelhttpclient.WithClientTrace(func(context.Context) *httptrace.ClientTrace { act(); return nil })
		}},
		{name: "propagator", opt: func(act func()) otelhttpclient.Option {
			return otelhttpclient.WithPropagators(actingPropagator{act: act})
		}},
		{name: "URL filter", opt: func(act func()) otelhttpclient.Option {
			return otelhttpclient.WithURLFilter(func(u *url.URL) *url.URL { act(); return u })
		}},
		{name: "URL filter of a failure", base: func(func()) oteltest.RoundTripFunc { return failing(func() {}) }, opt: func(act func()) otelhttpclient.Option {
			act = second(act)
			return otelhttpclient.WithURLFilter(func(u *url.URL) *url.URL { act(); return u })
		}},
		{name: "error type of a failure", base: failing},
		{name: "error type of a body's failure", base: func(act func()) oteltest.RoundTripFunc {
			return func(req *http.Request) (*http.Response, error) {
				return oteltest.Reply(req, 200, oteltest.FailingBody("te", actingError{act})), nil
			}
		}},
		{name: "address of a peer", base: func(act func()) oteltest.RoundTripFunc { return withConn(actingConn{act: act}, answer) }},
		{name: "address of a peer before a failure", base: func(act func()) oteltest.RoundTripFunc {
			return withConn(actingConn{act: act}, func(*http.Request) (*http.Response, error) { return nil, io.ErrUnexpectedEOF })
		}},
	}
	var none *http.Request
	for _, kind := range []struct {
		name, text string
		act        func()
	}{
		{"text", "a text", func() { panic("a text") }},
		{"error", "an error", func() { panic(errors.New("an error")) }},
		{"mute error", "mute", func() { panic(fmt.Errorf("mute: %w", oteltest.MuteError{})) }},
		{"nil pointer", "nil pointer", func() { _ = none.Method }},
		{"nil", "nil", func() { panic(any(nil)) }},
		{"runtime.Goexit", "", runtime.Goexit},
	} {
		for _, row := range callbacks {
			t.Run(row.name+"/"+kind.name, func(t *testing.T) {
				outcome := func(act func(), options ...otelhttpclient.Option) (text string) {
					base := answer
					if row.base != nil {
						base = row.base(act)
					}
					var rt http.RoundTripper = base
					if options != nil {
						rt = otelhttpclient.NewTransport(base, options...)
					}
					text = "nothing returned"
					if panicked := oteltest.Recover(func() {
						status, err := oteltest.Send(rt, oteltest.NewRequest(t, t.Context(), "GET", "http://inventory.example/items/1?a=b", nil))
						text = fmt.Sprintf("status %d, error %v", status, err)
					}); panicked != nil {
						text = fmt.Sprintf("panic %v", panicked)
					}
					return text
				}
				handled := oteltest.HandleErrors(t)
				tel := oteltest.New(t)
				counted := oteltest.CountTracers(tel.Tracers)
				options := instrumented.Options(tel, otelhttpclient.WithTracerProvider(counted), otelhttpclient.WithOptInMetrics(otelhttpclient.MetricActiveRequests))
				if row.opt != nil {
					options = append(options, row.opt(kind.act))
				}
				got := outcome(kind.act, options...)
				if starts, ends := counted.Starts(), counted.Ends(); starts != ends || len(tel.Spans()) != int(ends) {
					t.Errorf("spans: got %d started, %d ended and %d exported, want as many", starts, ends, len(tel.Spans()))
				}
				if n := tel.Count(string(otelhttpclient.MetricActiveRequests), attribute.KeyValue{}); n != 0 {
					t.Errorf("active requests: got %d, want 0", n)
				}
				if kind.text == "" {
					return // the goroutine has exited: there is no result to compare
				}
				if want := outcome(func() {}); got != want {
					t.Errorf("got %s, want %s, as without the callback", got, want)
				}
				if texts := strings.Join(handled.Texts(), "\n"); !strings.Contains(texts, kind.text) {
					t.Errorf("handled errors: got %q, want one with %q", texts, kind.text)
				}
			})
		}
	}
}

// Wrong results of callbacks affect the telemetry and not the request.
func TestCallbackNonsense(t *testing.T) {
	long := strings.Repeat("long ", 200_000)
	filter := func(u *url.URL) otelhttpclient.Option {
		return otelhttpclient.WithURLFilter(func(*url.URL) *url.URL { return u })
	}
	flip := false
	for _, row := range []struct {
		name     string
		opt      otelhttpclient.Option
		wantName string
	}{
		{"empty name", otelhttpclient.WithSpanNameFormatter(func(*http.Request) string { return "" }), "GET"},
		{"name of a megabyte", otelhttpclient.WithSpanNameFormatter(func(*http.Request) string { return long }), long},
		{"name that is not UTF-8", otelhttpclient.WithSpanNameFormatter(func(*http.Request) string { return "\xff\x00" }), "\uFFFD\x00"},
		{"nil URL", filter(nil), "GET"},
		{"empty URL", filter(&url.URL{}), "GET"},
		{"URL without a host", filter(&url.URL{Scheme: "http", Path: "/"}), "GET"},
		{"invalid URL", filter(&url.URL{Scheme: "\x00", Host: "[::", Opaque: "%zz", RawPath: "%", RawQuery: "%&;=%"}), "GET"},
		{"invalid template", otelhttpclient.WithURLTemplate(func(*http.Request) string { return "{{{\x00" }), "GET {{{\x00"},
		{"template of a megabyte", otelhttpclient.WithURLTemplate(func(*http.Request) string { return long }), "GET " + long},
		{"nil client trace", otelhttpclient.WithClientTrace(func(context.Context) *httptrace.ClientTrace { return nil }), "GET"},
		{"empty client trace", otelhttpclient.WithClientTrace(func(context.Context) *httptrace.ClientTrace { return &httptrace.ClientTrace{} }), "GET"},
		{"error check with changing results", otelhttpclient.WithErrorCheck(func(*http.Response) bool { flip = !flip; return flip }), "GET"},
		{"request hook that ends the span", otelhttpclient.WithRequestHook(func(span trace.Span, _ *http.Request) { span.End() }), "GET"},
		{"response hook that ends the span", otelhttpclient.WithResponseHook(func(span trace.Span, _ *http.Request, _ *http.Response, _ error) { span.End() }), "GET"},
	} {
		t.Run(row.name, func(t *testing.T) {
			handled := oteltest.HandleErrors(t)
			server := oteltest.NewServer(t, "1.1", oteltest.Handler(http.StatusTeapot, "fine"))
			for range 2 {
				tel := oteltest.New(t)
				resp, body := oteltest.MustSend(t, instrumented.Transport(tel, server.Client().Transport, row.opt), oteltest.NewRequest(t, t.Context(), http.MethodGet, server.URL+"/items/1?a=b", nil))
				if resp.StatusCode != http.StatusTeapot || body != "fine" {
					t.Errorf("got %d %q, want %d %q, as without", resp.StatusCode, body, http.StatusTeapot, "fine")
				}
				if got := tel.OnlySpan().Name; got != row.wantName {
					t.Errorf("name: got %.20q of %d bytes, want %.20q of %d", got, len(got), row.wantName, len(row.wantName))
				}
				if p := tel.Seconds("http.client.request.duration"); p.Count != 1 {
					t.Errorf("measurements: got %d, want 1", p.Count)
				}
			}
			if texts := handled.Texts(); len(texts) != 0 {
				t.Errorf("handled errors: got %q, want none", texts)
			}
		})
	}
}
