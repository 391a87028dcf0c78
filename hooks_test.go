package otelhttpclient_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"reflect"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/instrumented"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

func TestHooksRunInOrder(t *testing.T) {
	tel := oteltest.New(t)
	var calls []string
	request := func(name string) otelhttpclient.Option {
		return otelhttpclient.WithRequestHook(func(trace.Span, *http.Request) { calls = append(calls, name) })
	}
	response := func(name string) otelhttpclient.Option {
		return otelhttpclient.WithResponseHook(func(trace.Span, *http.Request, *http.Response, error) { calls = append(calls, name) })
	}
	rt := instrumented.Transport(tel, oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		calls = append(calls, "base")
		return oteltest.Reply(req, http.StatusOK, http.NoBody), nil
	}), response("response 1"), request("request 1"), request("request 2"), response("response 2"), request("request 3"))
	oteltest.MustSend(t, rt, oteltest.NewRequest(t, t.Context(), http.MethodGet, "http://inventory.example/", nil))
	want := []string{"request 1", "request 2", "request 3", "base", "response 1", "response 2"}
	if !slices.Equal(calls, want) {
		t.Errorf("calls = %q, want %q", calls, want)
	}
}

func TestRequestHook(t *testing.T) {
	tel := oteltest.New(t)
	got := make(chan http.Header, 1)
	server := oteltest.NewServer(t, "1.1", func(_ http.ResponseWriter, r *http.Request) { got <- r.Header })
	var inContext bool
	rt := instrumented.Transport(tel, server.Client().Transport, otelhttpclient.WithRequestHook(func(span trace.Span, req *http.Request) {
		inContext = trace.SpanFromContext(req.Context()) == span && span.IsRecording()
		span.SetName("inventory: items")
		span.SetAttributes(attribute.String("peer.service", "inventory"))
		req.Header.Set("X-Request-Id", "42")
		req.Header.Set("X-Own", "of the hook")
		req.Header.Set("Traceparent", "of the hook")
	}))
	req := oteltest.NewRequest(t, t.Context(), http.MethodGet, server.URL+"/items", nil)
	req.Header.Set("X-Own", "of the caller")
	before := req.Header.Clone()
	oteltest.MustSend(t, rt, req)

	if !inContext {
		t.Error("the hook's span is not the recording one in its request's context, want the same")
	}
	span, header := tel.OnlySpan(), <-got
	if got, want := span.Name, "inventory: items"; got != want {
		t.Errorf("name = %q, want %q", got, want)
	}
	if got, want := oteltest.Attributes(span.Attributes)["peer.service"].String(), "inventory"; got != want {
		t.Errorf("peer.service = %q, want %q", got, want)
	}
	if header.Get("X-Request-Id") != "42" || header.Get("X-Own") != "of the hook" {
		t.Errorf("headers = %v, want those that the hook has set", header)
	}
	if got, want := header.Get("Traceparent"), oteltest.Traceparent(span.SpanContext); got != want {
		t.Errorf("traceparent = %q, want the propagator's, %q", got, want)
	}
	if !reflect.DeepEqual(req.Header, before) {
		t.Errorf("the caller's header became %v, want %v", req.Header, before)
	}
}

func TestRequestHookGetsACopy(t *testing.T) {
	tel := oteltest.New(t)
	rt := instrumented.Transport(tel, oteltest.AnswerText(http.StatusOK, ""), otelhttpclient.WithRequestHook(func(_ trace.Span, req *http.Request) {
		req.URL.Path = "/changed"
		req.Header["X-Own"][0] = "changed"
		req.Host = "changed.example"
		req.Method = http.MethodPut
	}))
	req := oteltest.NewRequest(t, t.Context(), http.MethodGet, "http://inventory.example/items", nil)
	req.Header.Set("X-Own", "own")
	oteltest.MustSend(t, rt, req)
	if req.URL.Path != "/items" || req.Header.Get("X-Own") != "own" || req.Host != "inventory.example" || req.Method != http.MethodGet {
		t.Errorf("the caller's request became %s %s %q %v, want it untouched", req.Method, req.URL, req.Host, req.Header)
	}
}

func TestResponseHook(t *testing.T) {
	tel := oteltest.New(t)
	server := oteltest.NewServer(t, "1.1", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Items", "3")
		w.WriteHeader(http.StatusNotFound)
	})
	calls := 0
	rt := instrumented.Transport(tel, server.Client().Transport, otelhttpclient.WithResponseHook(func(span trace.Span, req *http.Request, resp *http.Response, err error) {
		calls++
		if err != nil || resp == nil {
			t.Errorf("the hook got %v, %v, want a response", resp, err)
			return
		}
		if trace.SpanFromContext(req.Context()) != span || req.Header.Get("Traceparent") == "" {
			t.Errorf("the hook got the request %v, want the one that was sent", req.Header)
		}
		span.SetName("renamed")
		span.SetAttributes(attribute.String("items", resp.Header.Get("X-Items")), attribute.String("error.type", "missing"))
		span.SetStatus(codes.Ok, "")
	}))
	oteltest.MustSend(t, rt, oteltest.NewRequest(t, t.Context(), http.MethodGet, server.URL, nil))
	if calls != 1 {
		t.Errorf("the hook ran %d times, want once", calls)
	}
	span := tel.OnlySpan()
	got := oteltest.Attributes(span.Attributes)
	if got["items"].String() != "3" || span.Name != "renamed" {
		t.Errorf("items = %q, name = %q, want what the hook has set, %q and %q", got["items"].String(), span.Name, "3", "renamed")
	}
	if got["error.type"].String() != "missing" || span.Status.Code != codes.Ok {
		t.Errorf("error.type = %q, status = %v, want the hook to win with %q and Ok", got["error.type"].String(), span.Status, "missing")
	}
}

func TestResponseHookOfFailure(t *testing.T) {
	tel := oteltest.New(t)
	failure := errors.New("base failed")
	var calls int
	rt := instrumented.Transport(tel, oteltest.RoundTripFunc(func(*http.Request) (*http.Response, error) { return nil, failure }), otelhttpclient.WithResponseHook(func(span trace.Span, _ *http.Request, resp *http.Response, err error) {
		calls++
		if resp != nil || err != failure { //nolint:errorlint // the same value
			t.Errorf("the hook got %v, %v, want nil and base's error, %v", resp, err, failure)
		}
		span.RecordError(err)
		span.SetAttributes(attribute.String("error.type", "own"))
	}))
	if _, err := rt.RoundTrip(oteltest.NewRequest(t, t.Context(), http.MethodGet, "http://inventory.example/", nil)); err != failure { //nolint:errorlint // the same value
		t.Errorf("RoundTrip() = %v, want base's error, %v", err, failure)
	}
	span := tel.OnlySpan()
	if calls != 1 || len(span.Events) != 1 {
		t.Errorf("the hook ran %d times and left %d events, want once each", calls, len(span.Events))
	}
	if got, want := oteltest.Attributes(span.Attributes)["error.type"].String(), "own"; got != want {
		t.Errorf("error.type = %q, want the hook to win with %q", got, want)
	}
	if span.Status.Code != codes.Error {
		t.Errorf("status = %v, want Error", span.Status)
	}
}

func TestHooksOfUnsampledSpans(t *testing.T) {
	tel := oteltest.NewSampled(t, sdktrace.NeverSample())
	var sent http.Header
	var calls []string
	rt := instrumented.Transport(tel, oteltest.KeepHeader(&sent), otelhttpclient.WithRequestHook(func(span trace.Span, req *http.Request) {
		if span.IsRecording() {
			t.Error("IsRecording() = true, want false")
		}
		req.Header.Set("X-Request-Id", "42")
		calls = append(calls, "request")
	}), otelhttpclient.WithResponseHook(func(trace.Span, *http.Request, *http.Response, error) { calls = append(calls, "response") }))
	oteltest.MustSend(t, rt, oteltest.NewRequest(t, t.Context(), http.MethodGet, "http://inventory.example/", nil))
	if want := []string{"request", "response"}; !slices.Equal(calls, want) {
		t.Errorf("calls = %q, want %q", calls, want)
	}
	if sent.Get("X-Request-Id") != "42" {
		t.Errorf("headers = %v, want the one that the hook has set", sent)
	}
}

func TestHooksAfterAPanic(t *testing.T) {
	handled := oteltest.HandleErrors(t)
	tel := oteltest.New(t)
	var calls []string
	rt := instrumented.Transport(tel, oteltest.AnswerText(http.StatusOK, ""), otelhttpclient.WithRequestHook(func(trace.Span, *http.Request) { panic("boom https://user:hunter22@inventory.example/") }), otelhttpclient.WithRequestHook(func(trace.Span, *http.Request) { calls = append(calls, "request") }), otelhttpclient.WithResponseHook(func(trace.Span, *http.Request, *http.Response, error) { panic(errors.New("boom")) }), otelhttpclient.WithResponseHook(func(trace.Span, *http.Request, *http.Response, error) { calls = append(calls, "response") }), otelhttpclient.WithPropagators(propagation.TraceContext{}))
	oteltest.MustSend(t, rt, oteltest.NewRequest(t, t.Context(), http.MethodGet, "http://inventory.example/", nil))
	if want := []string{"request", "response"}; !slices.Equal(calls, want) {
		t.Errorf("calls = %q, want %q", calls, want)
	}
	texts := handled.Texts()
	if len(texts) != 2 || strings.Contains(strings.Join(texts, "\n"), "hunter22") {
		t.Errorf("handled errors = %q, want both panics, without the password", texts)
	}
	tel.OnlySpan()
}

// A hook may send requests with the context that it gets, on goroutines of its
// own. They report their connections while the hook's request is prepared. The
// race detector checks this.
func TestRequestHookSendsConcurrently(t *testing.T) {
	tel := oteltest.New(t)
	sent := make(chan struct{})
	rt := instrumented.Transport(tel, oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		<-sent
		return oteltest.Reply(req, http.StatusOK, http.NoBody), nil
	}), otelhttpclient.WithRequestHook(func(_ trace.Span, req *http.Request) {
		reports := httptrace.ContextClientTrace(req.Context())
		go func() {
			defer close(sent)
			reports.GetConn("audit.example:80")
		}()
	}))
	oteltest.MustSend(t, rt, oteltest.NewRequest(t, t.Context(), http.MethodGet, "http://inventory.example/", nil))
	tel.OnlySpan()
}

// endOfExchange is a way in which an exchange ends.
type endOfExchange struct {
	name string
	send func(*testing.T, *oteltest.Server, http.RoundTripper)
	base http.RoundTripper // nil: the server's
}

func endsOfExchanges() []endOfExchange {
	upload := func(t *testing.T, url string) *http.Request {
		req := oteltest.NewRequest(t, t.Context(), "POST", url, strings.NewReader("content"))
		req.Header.Set("User-Agent", "shop/1")
		return req
	}
	get := func(path string) func(*testing.T, *oteltest.Server, http.RoundTripper) {
		return func(t *testing.T, w *oteltest.Server, rt http.RoundTripper) { oteltest.Send(rt, upload(t, w.URL+path)) }
	}
	return []endOfExchange{
		{"read", get("/read"), nil},
		{"without a body", get("/empty"), nil},
		{"an error response", get("/error"), nil},
		{"no response", get("/none"), nil},
		{"a body that fails", get("/cut"), nil},
		{"a body that is closed", func(t *testing.T, w *oteltest.Server, rt http.RoundTripper) {
			oteltest.Open(t, rt, upload(t, w.URL+"/read")).Body.Close()
		}, nil},
		{"cancelled in the body", func(t *testing.T, w *oteltest.Server, rt http.RoundTripper) {
			ctx, cancel := context.WithCancel(t.Context())
			resp := oteltest.Open(t, rt, upload(t, w.URL+"/stall").WithContext(ctx))
			cancel()
			oteltest.Discard(resp)
		}, nil},
		{"refused", func(t *testing.T, _ *oteltest.Server, rt http.RoundTripper) {
			oteltest.Send(rt, upload(t, oteltest.ClosedPort(t)))
		}, nil},
		{"abandoned", func(t *testing.T, w *oteltest.Server, rt http.RoundTripper) {
			func() { oteltest.Open(t, rt, upload(t, w.URL)) }()
		}, oteltest.AnswerText(http.StatusOK, "fine")},
	}
}

func endingServer(t *testing.T, version string) *oteltest.Server {
	return oteltest.NewServer(t, version, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Header().Set("X-Items", "3")
		switch r.URL.Path {
		case "/read":
			oteltest.Handler(http.StatusOK, "fine")(w, r)
		case "/error":
			oteltest.Handler(http.StatusServiceUnavailable, "busy")(w, r)
		case "/none":
			oteltest.Abort(false)(w, r)
		case "/cut":
			oteltest.Abort(true)(w, r)
		case "/stall":
			oteltest.Stall(true)(w, r)
		}
	})
}

// What hooks set stays, whatever the library learns later: every attribute that
// it sets without them, and the status.
func TestHooksWin(t *testing.T) {
	t.Setenv("OTEL_SEMCONV_STABILITY_OPT_IN", "http/dup")
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		for _, end := range endsOfExchanges() {
			run := func(t *testing.T, extra ...otelhttpclient.Option) sdktrace.ReadOnlySpan {
				tel, w := oteltest.New(t), endingServer(t, version)
				base := end.base
				if base == nil {
					base = w.Base
				}
				end.send(t, w, otelhttpclient.NewTransport(base, append(instrumented.EveryOption(tel), extra...)...))
				if end.name == "abandoned" {
					oteltest.Eventually(t, "the span ends", func() bool { oteltest.CollectGarbage(); return len(tel.Spans()) == 1 })
				}
				return tel.OnlySpan().Snapshot()
			}
			keys := func(of sdktrace.ReadOnlySpan) (keys []attribute.Key) {
				for _, a := range of.Attributes() {
					keys = append(keys, a.Key)
				}
				return keys
			}
			t.Run(end.name, func(t *testing.T) {
				all := keys(run(t))
				if !slices.Contains(all, "http.request.body.size") && end.name == "read" {
					t.Fatalf("attributes without hooks: got %q, want all", all)
				}
				mark := func(span trace.Span) {
					for _, k := range all {
						span.SetAttributes(k.String("hook"))
					}
					span.SetName("hook")
					span.SetStatus(codes.Error, "hook")
				}
				for when, hook := range map[string]otelhttpclient.Option{
					"request hook":  otelhttpclient.WithRequestHook(func(span trace.Span, _ *http.Request) { mark(span) }),
					"response hook": otelhttpclient.WithResponseHook(func(span trace.Span, _ *http.Request, _ *http.Response, _ error) { mark(span) }),
					"client trace": otelhttpclient.WithClientTrace(func(ctx context.Context) *httptrace.ClientTrace {
						return &httptrace.ClientTrace{GetConn: func(string) { mark(trace.SpanFromContext(ctx)) }}
					}),
				} {
					if when == "client trace" && end.base != nil {
						continue // it calls no traces
					}
					t.Run(when, func(t *testing.T) {
						span := run(t, hook)
						for _, a := range span.Attributes() {
							if got := a.Value.String(); got != "hook" && slices.Contains(all, a.Key) {
								t.Errorf("%s: got %q, want %q", a.Key, got, "hook")
							}
						}
						if got := span.Status(); got.Code != codes.Error || got.Description != "hook" {
							t.Errorf("status: got %v, want the hook's", got)
						}
						if got := span.Name(); got != "hook" {
							t.Errorf("name: got %q, want %q", got, "hook")
						}
					})
				}
			})
		}
	})
}

// Metrics have the library's error.type: hooks set attributes of the span.
func TestHooksDoNotChangeMetrics(t *testing.T) {
	tel, w := oteltest.New(t), endingServer(t, "1.1")
	rt := instrumented.Transport(tel, w.Base, otelhttpclient.WithResponseHook(func(span trace.Span, _ *http.Request, _ *http.Response, _ error) {
		span.SetAttributes(attribute.String("error.type", "hook"))
	}))
	oteltest.TryGet(t.Context(), rt, w.URL+"/cut")
	oteltest.WantAttribute(t, tel.OnlySpan().Attributes, "error.type", "hook")
	oteltest.WantAttribute(t, tel.DurationAttributes(), "error.type", "response_ended")
}

// Attributes of WithSpanOptions stay without hooks, too.
func TestSpanOptionsWin(t *testing.T) {
	tel, w := oteltest.New(t), endingServer(t, "1.1")
	rt := instrumented.Transport(tel, w.Base,
		otelhttpclient.WithSpanOptions(trace.WithAttributes(attribute.String("error.type", "own")), trace.WithAttributes(attribute.String("http.response.status_code", "own"))),
		otelhttpclient.WithSpanOptions(trace.WithAttributes(attribute.String("http.response.body.size", "own"))),
		otelhttpclient.WithOptInAttributes("http.response.body.size"))
	oteltest.TryGet(t.Context(), rt, w.URL+"/cut")
	for _, key := range []attribute.Key{"error.type", "http.response.status_code", "http.response.body.size"} {
		oteltest.WantAttribute(t, tel.OnlySpan().Attributes, key, "own")
	}
	oteltest.WantAttribute(t, tel.DurationAttributes(), "error.type", "response_ended")
}

// statusSpan is a span of another SDK. What its methods return is not what the
// SDK's return.
type statusSpan struct{ trace.Span }

func (statusSpan) Attributes() map[string]any { return nil }

func (statusSpan) Status(verbose bool) string { panic("not to be called") }

type statusTracers struct{ trace.TracerProvider }

func (p statusTracers) Tracer(name string, opts ...trace.TracerOption) trace.Tracer {
	return statusTracer{p.TracerProvider.Tracer(name, opts...)}
}

type statusTracer struct{ trace.Tracer }

func (r statusTracer) Start(ctx context.Context, name string, opts ...trace.SpanStartOption) (context.Context, trace.Span) {
	ctx, span := r.Tracer.Start(ctx, name, opts...)
	return trace.ContextWithSpan(ctx, statusSpan{span}), statusSpan{span}
}

// A span without the SDK's methods cannot tell what a hook has set. There, the
// library's later values win.
func TestHooksOnSpansOfOtherSDKs(t *testing.T) {
	handled := oteltest.HandleErrors(t)
	tel, w := oteltest.New(t), endingServer(t, "1.1")
	rt := instrumented.Transport(tel, w.Base, otelhttpclient.WithTracerProvider(statusTracers{tel.Tracers}),
		otelhttpclient.WithResponseHook(func(span trace.Span, _ *http.Request, _ *http.Response, _ error) {
			span.SetAttributes(attribute.String("error.type", "hook"), attribute.String("items", "3"))
			span.SetStatus(codes.Error, "hook")
		}))
	oteltest.TryGet(t.Context(), rt, w.URL+"/cut")
	span := tel.OnlySpan()
	oteltest.WantAttribute(t, span.Attributes, "items", "3")
	oteltest.WantAttribute(t, span.Attributes, "error.type", "response_ended")
	oteltest.WantStatus(t, span, codes.Error)
	if got := handled.Texts(); len(got) > 0 {
		t.Errorf("handled errors: got %q, want none", got)
	}
}

// A hook's code may run on after the hook: in a body that it wraps, a goroutine, or a
// client trace. The library overwrites none of what it sets.
func TestHooksThatSetLater(t *testing.T) {
	set := func(span trace.Span) {
		span.SetAttributes(attribute.String("http.request.body.size", "hook"), attribute.String("http.response.status_code", "hook"), attribute.String("own", "hook"))
	}
	later := map[string]otelhttpclient.Option{
		"in a body": otelhttpclient.WithRequestHook(func(span trace.Span, req *http.Request) {
			req.Body = &watchedBody{ReadCloser: req.Body, read: func() { set(span) }}
		}),
		"in a client trace of the hook": otelhttpclient.WithRequestHook(func(span trace.Span, req *http.Request) {
			*req = *req.WithContext(httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{WroteHeaders: func() { set(span) }}))
		}),
		"in a client trace": otelhttpclient.WithClientTrace(func(ctx context.Context) *httptrace.ClientTrace {
			return &httptrace.ClientTrace{WroteHeaders: func() { set(trace.SpanFromContext(ctx)) }}
		}),
		"in the function of a client trace": otelhttpclient.WithClientTrace(func(ctx context.Context) *httptrace.ClientTrace {
			set(trace.SpanFromContext(ctx))
			return nil
		}),
	}
	others := map[string][]otelhttpclient.Option{
		"alone":                {},
		"with a response hook": {otelhttpclient.WithResponseHook(func(trace.Span, *http.Request, *http.Response, error) {})},
		"with attributes of the response": {otelhttpclient.WithResponseAttributes(func(*http.Request, *http.Response, error) []attribute.KeyValue {
			return []attribute.KeyValue{attribute.String("own", "response"), attribute.String("other", "response")}
		})},
	}
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		server := oteltest.NewServer(t, version, func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) })
		for name, hook := range later {
			for with, opts := range others {
				t.Run(name+" "+with, func(t *testing.T) {
					tel := oteltest.New(t)
					rt := instrumented.Transport(tel, server.Base, append(opts, hook, otelhttpclient.WithOptInAttributes("http.request.body.size"))...)
					oteltest.MustSend(t, rt, oteltest.NewRequest(t, t.Context(), "POST", server.URL, oteltest.NewBody(strings.NewReader("abc"))))
					a := tel.OnlySpan().Attributes
					for _, key := range []attribute.Key{"http.request.body.size", "http.response.status_code", "own"} {
						oteltest.WantAttribute(t, a, key, "hook")
					}
					if len(opts) > 0 && strings.HasPrefix(with, "with attributes") {
						oteltest.WantAttribute(t, a, "other", "response")
					}
				})
			}
		}
	})
}

// watchedBody runs a function when it is read.
type watchedBody struct {
	io.ReadCloser
	read func()
}

func (b *watchedBody) Read(p []byte) (int, error) {
	b.read()
	return b.ReadCloser.Read(p)
}
