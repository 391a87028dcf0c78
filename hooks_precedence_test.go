package otelhttpclient_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptrace"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/instrumented"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

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
