package otelhttpclient_test

import (
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/instrumented"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

func TestOneClientSpanPerRequest(t *testing.T) {
	tel := oteltest.New(t)
	server := oteltest.NewServer(t, "1.1", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "42 left") })
	host, portText, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(portText)
	if err != nil {
		t.Fatal(err)
	}

	ctx, parent := tel.Tracers.Tracer("caller").Start(t.Context(), "caller")
	client := &http.Client{Transport: instrumented.Transport(tel, server.Client().Transport)}
	resp, err := client.Do(oteltest.NewRequest(t, ctx, http.MethodGet, server.URL+"/items/42?limit=10#top", nil))
	if err != nil {
		t.Fatalf("Do() = %v, want no error", err)
	}
	if n := len(tel.Spans()); n != 0 {
		t.Errorf("%d spans have ended before the body was read, want none", n)
	}
	if got, want := oteltest.ReadBody(t, resp), "42 left"; got != want {
		t.Errorf("body = %q, want %q", got, want)
	}

	span := tel.OnlySpan()
	if got, want := span.Name, "GET"; got != want {
		t.Errorf("name = %q, want %q", got, want)
	}
	if got, want := span.SpanKind, trace.SpanKindClient; got != want {
		t.Errorf("kind = %v, want %v", got, want)
	}
	if got, want := span.Parent.SpanID(), parent.SpanContext().SpanID(); got != want {
		t.Errorf("parent = %v, want the span in the request's context, %v", got, want)
	}
	if got, want := span.SpanContext.TraceID(), parent.SpanContext().TraceID(); got != want {
		t.Errorf("trace = %v, want %v", got, want)
	}
	if got, want := span.Status, (sdktrace.Status{Code: codes.Unset}); got != want {
		t.Errorf("status = %v, want %v", got, want)
	}
	if n := len(span.Events); n != 0 {
		t.Errorf("%d events %v, want none", n, span.Events)
	}
	scope := span.InstrumentationScope
	if scope.Name != otelhttpclient.ScopeName || scope.Version != otelhttpclient.Version || scope.SchemaURL != semconv.SchemaURL {
		t.Errorf("scope = %q %q %q, want %q %q %q", scope.Name, scope.Version, scope.SchemaURL,
			otelhttpclient.ScopeName, otelhttpclient.Version, semconv.SchemaURL)
	}
	// All of them: there are no opt-in attributes.
	want := map[attribute.Key]attribute.Value{
		"http.request.method":       attribute.StringValue("GET"),
		"server.address":            attribute.StringValue(host),
		"server.port":               attribute.IntValue(port),
		"url.full":                  attribute.StringValue(server.URL + "/items/42?limit=10#top"),
		"http.response.status_code": attribute.IntValue(200),
		"network.protocol.version":  attribute.StringValue("1.1"),
		"network.peer.address":      attribute.StringValue(host),
		"network.peer.port":         attribute.IntValue(port),
	}
	if got := oteltest.Attributes(span.Attributes); !maps.Equal(got, want) {
		t.Errorf("attributes\n got %v\nwant %v", got, want)
	}
}

func TestZeroTransport(t *testing.T) {
	if !oteltest.OwnProcess(t) {
		return
	}
	tel := oteltest.New(t)
	otel.SetTracerProvider(tel.Tracers)
	otel.SetMeterProvider(tel.Meters)
	otel.SetTextMapPropagator(propagation.TraceContext{})
	got := make(chan string, 1)
	server := oteltest.NewServer(t, "1.1", func(_ http.ResponseWriter, r *http.Request) { got <- r.Header.Get("Traceparent") })

	for name, rt := range map[string]*otelhttpclient.Transport{
		"zero": {}, "NewTransport(nil)": otelhttpclient.NewTransport(nil), "NewTransport(nil, nil)": otelhttpclient.NewTransport(nil, nil),
	} {
		tel.Reset()
		oteltest.MustSend(t, rt, oteltest.NewRequest(t, t.Context(), http.MethodGet, server.URL, nil))
		span := tel.OnlySpan()
		if sent, want := <-got, oteltest.Traceparent(span.SpanContext); sent != want {
			t.Errorf("%s: traceparent = %q, want %q", name, sent, want)
		}
		if span.SpanKind != trace.SpanKindClient {
			t.Errorf("%s: kind = %v, want client", name, span.SpanKind)
		}
		if rt.Unwrap() != http.DefaultTransport {
			t.Errorf("%s: Unwrap() = %v, want http.DefaultTransport", name, rt.Unwrap())
		}
		rt.CloseIdleConnections()
	}
	m, ok := tel.Metric("http.client.request.duration")
	if !ok {
		t.Fatal("http.client.request.duration is missing")
	}
	if n := m.Data.(metricdata.Histogram[float64]).DataPoints[0].Count; n != 3 {
		t.Errorf("duration was measured %d times, want 3", n)
	}
}

func TestNilBase(t *testing.T) {
	tel := oteltest.New(t)
	rt := instrumented.Transport(tel, nil)
	oteltest.SetDefault(t, oteltest.AnswerText(http.StatusTeapot, "installed later"))
	resp, body := oteltest.MustSend(t, rt, oteltest.NewRequest(t, t.Context(), http.MethodGet, "http://inventory.example/", nil))
	if resp.StatusCode != http.StatusTeapot || body != "installed later" {
		t.Errorf("got %d %q, want the answer of the default transport that was installed later", resp.StatusCode, body)
	}
	tel.OnlySpan()
}

func TestTransportAsDefault(t *testing.T) {
	initial := http.DefaultTransport
	rows := []struct {
		name string
		make func(opts []otelhttpclient.Option) http.RoundTripper
	}{
		{"around nil", func(opts []otelhttpclient.Option) http.RoundTripper {
			return otelhttpclient.NewTransport(nil, opts...)
		}},
		{"around the former default", func(opts []otelhttpclient.Option) http.RoundTripper {
			return otelhttpclient.NewTransport(initial, opts...)
		}},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			tel := oteltest.New(t)
			server := oteltest.NewServer(t, "1.1", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })
			oteltest.SetDefault(t, row.make(instrumented.Options(tel)))
			resp, err := http.Get(server.URL)
			if err != nil {
				t.Fatalf("http.Get() = %v, want no error", err)
			}
			oteltest.ReadBody(t, resp)
			tel.OnlySpan()

			// Another client with a nil base sends through the default: one
			// request, one span.
			tel.Reset()
			resp, err = (&http.Client{Transport: instrumented.Transport(tel, nil)}).Get(server.URL)
			if err != nil {
				t.Fatalf("Get() = %v, want no error", err)
			}
			oteltest.ReadBody(t, resp)
			tel.OnlySpan()

			tel.Reset()
			oteltest.MustSend(t, &otelhttpclient.Transport{}, oteltest.NewRequest(t, t.Context(), http.MethodGet, server.URL, nil))
		})
	}
}

func TestNilDefaultTransport(t *testing.T) {
	oteltest.SetDefault(t, nil)
	body := oteltest.NewBody(strings.NewReader("text"))
	req := oteltest.NewRequest(t, t.Context(), http.MethodPost, "http://inventory.example/", nil)
	req.Body = body
	resp, err := otelhttpclient.NewTransport(nil).RoundTrip(req)
	if err == nil || resp != nil {
		t.Errorf("RoundTrip() = %v, %v, want an error", resp, err)
	}
	if n := body.Closes(); n != 1 {
		t.Errorf("the request body was closed %d times, want once", n)
	}
}

func TestUnwrap(t *testing.T) {
	base := &http.Transport{}
	if got := otelhttpclient.NewTransport(base).Unwrap(); got != http.RoundTripper(base) {
		t.Errorf("Unwrap() = %v, want the base, %v", got, base)
	}
	if got := otelhttpclient.NewTransport(nil).Unwrap(); got != http.DefaultTransport {
		t.Errorf("Unwrap() of a nil base = %v, want http.DefaultTransport", got)
	}
}

// idleCloser is a base that counts the calls of CloseIdleConnections.
type idleCloser struct {
	oteltest.RoundTripFunc
	closed int
}

func (c *idleCloser) CloseIdleConnections() { c.closed++ }

func TestCloseIdleConnections(t *testing.T) {
	base := &idleCloser{}
	client := &http.Client{Transport: otelhttpclient.NewTransport(base)}
	client.CloseIdleConnections()
	if base.closed != 1 {
		t.Errorf("CloseIdleConnections reached base %d times, want once", base.closed)
	}
	// A base without the method is ignored.
	otelhttpclient.NewTransport(oteltest.AnswerText(http.StatusOK, "")).CloseIdleConnections()
}

func TestConcurrentRequests(t *testing.T) {
	const clients, requests = 16, 8
	tel := oteltest.New(t)
	server := oteltest.NewServer(t, "1.1", func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Header.Get("Traceparent")) })
	rt := instrumented.Transport(tel, server.Client().Transport)
	var received sync.Map
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for range requests {
				resp, err := (&http.Client{Transport: rt}).Get(server.URL)
				if err != nil {
					t.Errorf("Get() = %v, want no error", err)
					return
				}
				b, _ := io.ReadAll(resp.Body)
				_ = resp.Body.Close()
				received.Store(string(b), true)
			}
		})
	}
	wg.Wait()
	spans := tel.Spans()
	if len(spans) != clients*requests {
		t.Errorf("%d spans, want %d", len(spans), clients*requests)
	}
	for _, s := range spans {
		if _, ok := received.Load(oteltest.Traceparent(s.SpanContext)); !ok {
			t.Errorf("the server has not received the traceparent of span %v", s.SpanContext.SpanID())
		}
	}
}

func TestInvalidRequests(t *testing.T) {
	with := func(change func(*http.Request)) func() *http.Request {
		return func() *http.Request {
			req := &http.Request{
				Method: http.MethodPost,
				URL:    &url.URL{Scheme: "http", Host: "127.0.0.1:1", Path: "/items"},
				Header: http.Header{},
				Body:   io.NopCloser(strings.NewReader("text")),
			}
			change(req)
			return req
		}
	}
	rows := []struct {
		name string
		make func() *http.Request
	}{
		{"nil URL", with(func(r *http.Request) { r.URL = nil })},
		{"nil Header", with(func(r *http.Request) { r.Header = nil })},
		{"nil URL and Header", with(func(r *http.Request) { r.URL, r.Header = nil, nil })},
		{"nothing but zeroes", func() *http.Request { return &http.Request{} }},
		{"empty URL", with(func(r *http.Request) { r.URL = &url.URL{} })},
		{"no host", with(func(r *http.Request) { r.URL.Host = "" })},
		{"unknown scheme", with(func(r *http.Request) { r.URL.Scheme = "gopher" })},
		{"invalid method", with(func(r *http.Request) { r.Method = "GET /" })},
		{"invalid header name", with(func(r *http.Request) { r.Header["a b"] = []string{"c"} })},
		{"invalid header value", with(func(r *http.Request) { r.Header["A"] = []string{"b\nc"} })},
		{"a header without values", with(func(r *http.Request) { r.Header["A"] = nil; r.URL.Host = "" })},
		{"a host with an @", with(func(r *http.Request) { r.URL.Host = "user:secret@127.0.0.1:1" })},
		{"invalid port", with(func(r *http.Request) { r.URL.Host = "127.0.0.1:x" })},
	}
	base := &http.Transport{}
	t.Cleanup(base.CloseIdleConnections)
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			_, want := base.RoundTrip(row.make())
			if want == nil {
				t.Fatal("net/http accepts this, want a request that it refuses")
			}
			tel := oteltest.New(t)
			for kind, opts := range map[string][]otelhttpclient.Option{"default": instrumented.Options(tel), "every option": instrumented.EveryOption(tel)} {
				req := row.make()
				body := oteltest.NewBody(strings.NewReader("text"))
				if req.Body != nil {
					req.Body = body
				}
				tel.Reset()
				resp, err := otelhttpclient.NewTransport(base, opts...).RoundTrip(req)
				if resp != nil || err == nil || err.Error() != want.Error() {
					t.Errorf("%s: RoundTrip() = %v, %v, want the error of net/http alone: %v", kind, resp, err, want)
				}
				if n := body.Closes(); req.Body != nil && n == 0 {
					t.Errorf("%s: the request body was closed %d times, want it closed", kind, n)
				}
				span := tel.OnlySpan()
				if span.Status.Code != codes.Error {
					t.Errorf("%s: status = %v, want Error", kind, span.Status)
				}
				for _, a := range span.Attributes {
					if strings.Contains(a.Value.String(), "secret") {
						t.Errorf("%s: %s = %q, want no password", kind, a.Key, a.Value.String())
					}
				}
				if strings.Contains(span.Status.Description, "secret") {
					t.Errorf("%s: status description = %q, want no password", kind, span.Status.Description)
				}
			}
		})
	}
}

func TestBaseErrorIsReturned(t *testing.T) {
	tel := oteltest.New(t)
	want := errors.New("base failed")
	_, got := instrumented.Transport(tel, oteltest.RoundTripFunc(func(*http.Request) (*http.Response, error) { return nil, want })).
		RoundTrip(oteltest.NewRequest(t, t.Context(), http.MethodGet, "http://inventory.example/", nil))
	if got != want { //nolint:errorlint // the same value
		t.Errorf("error = %v, want base's value, %v", got, want)
	}
}

func TestWrappedRoundTripper(t *testing.T) {
	base := &http.Transport{}
	for _, want := range []http.RoundTripper{base, http.DefaultTransport} {
		rt := otelhttpclient.NewTransport(base)
		if want != base {
			rt = otelhttpclient.NewTransport(nil)
		}
		if got := rt.WrappedRoundTripper(); got != want || got != rt.Unwrap() {
			t.Errorf("WrappedRoundTripper: got %p, want %p", got, want)
		}
	}
}
