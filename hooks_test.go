package otelhttpclient_test

import (
	"errors"
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
	rt := instrumented.Transport(tel, keepingHeader(&sent), otelhttpclient.WithRequestHook(func(span trace.Span, req *http.Request) {
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
