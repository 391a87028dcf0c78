package otelhttpclient_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/instrumented"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

func TestContextWithoutTracing(t *testing.T) {
	var got []string
	server := oteltest.NewServer(t, "1.1", func(_ http.ResponseWriter, r *http.Request) {
		got = append(got, r.Header.Get("Traceparent"), r.Header.Get("X-Hook"))
	})
	tel := oteltest.New(t)
	client := server.Client()
	base := client.Transport
	var sent *http.Request
	client.Transport = instrumented.Transport(tel, oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		sent = req
		return base.RoundTrip(req)
	}), otelhttpclient.WithRequestHook(func(_ trace.Span, req *http.Request) { req.Header.Set("X-Hook", "ran") }))

	ctx := otelhttpclient.ContextWithoutTracing(t.Context())
	ctx = otelhttpclient.ContextWithAttributes(otelhttpclient.ContextWithURLTemplate(ctx, "/"), attribute.Bool("a", true))
	req := oteltest.NewRequest(t, ctx, http.MethodGet, server.URL, nil)
	resp := oteltest.Open(t, client.Transport, req)
	resp.Body.Close()
	if sent != req {
		t.Errorf("the request that base got: got %p, want the caller's, %p", sent, req)
	}
	if want := []string{"", ""}; !slices.Equal(got, want) {
		t.Errorf("traceparent and the hook's header: got %q, want %q", got, want)
	}
	if spans := tel.Spans(); len(spans) != 0 {
		t.Errorf("spans: got %d, want 0", len(spans))
	}
	if m, ok := tel.Metric("http.client.request.duration"); ok {
		t.Errorf("http.client.request.duration: got %v, want nothing recorded", m.Data)
	}
}

// exporterOverHTTP sends a request through a client for each batch.
type exporterOverHTTP struct {
	client  *http.Client
	url     string
	exports atomic.Int64
}

func (e *exporterOverHTTP) ExportSpans(ctx context.Context, _ []sdktrace.ReadOnlySpan) error {
	if e.exports.Add(1) > 3 {
		return errors.New("exports without end")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.url, strings.NewReader("spans"))
	if err != nil {
		return err
	}
	resp, err := e.client.Do(req)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

func (e *exporterOverHTTP) Shutdown(context.Context) error { return nil }

// An exporter that shares the instrumented client is excluded by its context or
// by its URL.
func TestExporterThroughClient(t *testing.T) {
	server := oteltest.NewServer(t, "1.1", oteltest.Handler(http.StatusOK, "fine"))
	excluded, err := otelhttpclient.ParseExcludedURLs("/v1/traces$")
	if err != nil {
		t.Fatalf("ParseExcludedURLs = %v, want no error", err)
	}
	for _, row := range []struct {
		name   string
		wrap   func(sdktrace.SpanExporter) sdktrace.SpanExporter
		option otelhttpclient.Option
	}{
		{"by context", func(e sdktrace.SpanExporter) sdktrace.SpanExporter { return untracedExporter{e} }, nil},
		{"by URL", func(e sdktrace.SpanExporter) sdktrace.SpanExporter { return e }, otelhttpclient.WithFilter(excluded)},
	} {
		t.Run(row.name, func(t *testing.T) {
			client := &http.Client{Transport: server.Client().Transport}
			exporter := &exporterOverHTTP{client: client, url: server.URL + "/v1/traces"}
			provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(row.wrap(exporter)))
			otelhttpclient.InstrumentClient(client, otelhttpclient.WithTracerProvider(provider), row.option)
			oteltest.Fetch(t, t.Context(), client, server.URL+"/items")
			if err := provider.Shutdown(t.Context()); err != nil {
				t.Errorf("Shutdown = %v, want nil", err)
			}
			if got := exporter.exports.Load(); got != 1 {
				t.Errorf("exports: got %d, want 1: that of the one request", got)
			}
		})
	}
}

func TestContextWithAttributes(t *testing.T) {
	server := oteltest.NewServer(t, "1.1", oteltest.Handler(http.StatusOK, "fine"))
	tel := oteltest.New(t)
	client := &http.Client{Transport: instrumented.Transport(tel, server.Client().Transport)}

	outer := otelhttpclient.ContextWithAttributes(t.Context(), attribute.String("plan", "free"), attribute.String("team", "blue"))
	sibling := otelhttpclient.ContextWithAttributes(outer, attribute.String("zone", "b"))
	inner := otelhttpclient.ContextWithAttributes(outer, attribute.String("zone", "a"), attribute.String("team", "red"),
		attribute.String("server.address", "shop"))
	_ = otelhttpclient.ContextWithAttributes(inner) // adds nothing
	_ = sibling
	oteltest.Fetch(t, inner, client, server.URL)

	want := map[attribute.Key]string{"plan": "free", "team": "red", "zone": "a", "server.address": "shop"}
	for what, a := range map[string]map[attribute.Key]attribute.Value{
		"span": oteltest.Attributes(tel.OnlySpan().Attributes), "duration": oteltest.Attributes(tel.DurationAttributes()),
	} {
		for key, value := range want {
			if got := a[key].AsString(); got != value {
				t.Errorf("%s on the %s: got %q, want %q", key, what, got, value)
			}
		}
	}
}

// Contexts derived from one parent do not share attributes, nor the array
// behind them.
func TestContextWithAttributesSiblings(t *testing.T) {
	server := oteltest.NewServer(t, "1.1", oteltest.Handler(http.StatusOK, "fine"))
	tel := oteltest.New(t)
	client := &http.Client{Transport: instrumented.Transport(tel, server.Client().Transport)}
	parent := t.Context()
	for _, key := range []string{"a", "b", "c"} {
		parent = otelhttpclient.ContextWithAttributes(parent, attribute.String(key, "parent"))
	}
	var wg sync.WaitGroup
	names := []string{"0", "1", "2", "3"}
	for _, name := range names {
		wg.Go(func() {
			oteltest.Fetch(t, otelhttpclient.ContextWithAttributes(parent, attribute.String("child", name)), client, server.URL+"/"+name)
		})
	}
	wg.Wait()
	for _, span := range tel.Spans() {
		a := oteltest.Attributes(span.Attributes)
		want := a["url.full"].AsString()[len(server.URL)+1:]
		if got := a["child"].AsString(); got != want {
			t.Errorf("child: got %q, want %q", got, want)
		}
	}
	oteltest.Fetch(t, parent, client, server.URL+"/parent")
	spans := tel.Spans()
	if got, ok := oteltest.Attributes(spans[len(spans)-1].Attributes)["child"]; ok {
		t.Errorf("child of the parent's request: got %q, want none", got.AsString())
	}
}

// The attempts of one operation are counted across hosts and redirects. Other
// operations have counts of their own.
func TestContextWithRetries(t *testing.T) {
	server := oteltest.NewServer(t, "1.1", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/redirect" {
			http.Redirect(w, r, "/end", http.StatusFound)
		}
	})
	tel := oteltest.New(t)
	client := &http.Client{Transport: instrumented.Transport(tel, server.Client().Transport)}
	ctx, parent := tel.Tracers.Tracer("test").Start(t.Context(), "operation")
	operation := otelhttpclient.ContextWithRetries(ctx)
	oteltest.Fetch(t, operation, client, server.URL)
	oteltest.Fetch(t, operation, client, server.URL+"/redirect")
	oteltest.Fetch(t, ctx, client, server.URL)                                          // not part of it
	oteltest.Fetch(t, otelhttpclient.ContextWithRetries(operation), client, server.URL) // of another operation
	oteltest.Fetch(t, otelhttpclient.ContextWithURLTemplate(operation, "/"), client, server.URL)

	var got []int64
	seen := map[trace.SpanID]bool{}
	for _, span := range tel.Spans() {
		v, ok := oteltest.Attributes(span.Attributes)["http.request.resend_count"]
		if ok && v.AsInt64() == 0 {
			t.Errorf("http.request.resend_count of %s: got 0, want none on a first attempt", span.Name)
		}
		got = append(got, v.AsInt64())
		if span.Parent.SpanID() != parent.SpanContext().SpanID() {
			t.Errorf("parent: got %s, want the operation's span, %s", span.Parent.SpanID(), parent.SpanContext().SpanID())
		}
		if id := span.SpanContext.SpanID(); seen[id] {
			t.Errorf("span id: got %s again, want another one for each attempt", id)
		} else {
			seen[id] = true
		}
	}
	if want := []int64{0, 1, 2, 0, 0, 3}; !slices.Equal(got, want) {
		t.Errorf("http.request.resend_count: got %v, want %v", got, want)
	}
}

// Concurrent attempts (hedged requests) have different counts.
func TestContextWithRetriesConcurrently(t *testing.T) {
	server := oteltest.NewServer(t, "1.1", oteltest.Handler(http.StatusOK, "fine"))
	tel := oteltest.New(t)
	client := &http.Client{Transport: instrumented.Transport(tel, server.Client().Transport)}
	ctx := otelhttpclient.ContextWithRetries(t.Context())
	const attempts = 10
	var wg sync.WaitGroup
	for range attempts {
		wg.Go(func() { oteltest.Fetch(t, ctx, client, server.URL) })
	}
	wg.Wait()
	var got []int64
	for _, span := range tel.Spans() {
		got = append(got, oteltest.Attributes(span.Attributes)["http.request.resend_count"].AsInt64())
	}
	slices.Sort(got)
	if want := []int64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}; !slices.Equal(got, want) {
		t.Errorf("http.request.resend_count: got %v, want %v", got, want)
	}
}

// Dialers log their context while the connection is made. Under the race
// detector, this shows that printing reads nothing of the request.
func TestPrintedContexts(t *testing.T) {
	server := oteltest.NewServer(t, "1.1", func(http.ResponseWriter, *http.Request) {})
	tel := oteltest.New(t)
	var printed strings.Builder
	base := &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		for _, format := range []string{"%v", "%+v", "%s", "%d", "%#v", "%q"} {
			fmt.Fprintf(&printed, format+"\n", ctx)
		}
		return (&net.Dialer{}).DialContext(ctx, network, addr)
	}}
	defer base.CloseIdleConnections()
	var inRequest context.Context
	rt := instrumented.Transport(tel, oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		inRequest = req.Context()
		return base.RoundTrip(req)
	}), otelhttpclient.WithConnectionTimings())
	ctx := otelhttpclient.ContextWithURLTemplate(otelhttpclient.ContextWithRetries(t.Context()), "/secret-template")
	req := oteltest.NewRequest(t, ctx, "GET", server.URL+"/?token=secret-token", nil)
	req.Header.Set("Authorization", "Bearer secret-header")
	stop := make(chan struct{})
	go func() {
		defer close(stop)
		for range 1000 {
			_ = fmt.Sprint(ctx)
		}
	}()
	oteltest.MustSend(t, rt, req)
	<-stop
	for _, format := range []string{"%v", "%+v", "%#v", "%x"} {
		fmt.Fprintf(&printed, format+"\n", inRequest)
	}
	if strings.Contains(printed.String(), "secret") {
		t.Errorf("printed contexts: got %s, want no part of the request", printed.String())
	}
	if got := fmt.Sprint(inRequest); !strings.HasSuffix(got, ".otelhttpclient") || !strings.Contains(got, "context.") {
		t.Errorf("printed context: got %q, want names like those of the standard library", got)
	}
}

// A request with ContextWithPropagationOnly carries the caller's context and has
// neither span nor metrics nor hooks.
func TestPropagationOnly(t *testing.T) {
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		var received http.Header
		server := oteltest.NewServer(t, version, func(_ http.ResponseWriter, r *http.Request) { received = r.Header })
		tel := oteltest.New(t)
		rt := instrumented.Transport(tel, server.Base, instrumented.AllMetrics(),
			otelhttpclient.WithRequestHook(func(trace.Span, *http.Request) { t.Error("the hook ran") }))
		ctx, parent := tel.Tracers.Tracer("test").Start(t.Context(), "parent")
		oteltest.Get(t, otelhttpclient.ContextWithPropagationOnly(ctx), rt, server.URL)
		if got, want := received.Get("Traceparent"), oteltest.Traceparent(parent.SpanContext()); got != want {
			t.Errorf("traceparent: got %q, want the caller's span, %q", got, want)
		}
		if spans, metrics := tel.Spans(), tel.MetricNames(); len(spans) != 0 || len(metrics) != 0 {
			t.Errorf("got %d spans and metrics %v, want none", len(spans), metrics)
		}
	})
}
