package tracers_test

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/instrumented"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

func TestPassThroughSpans(t *testing.T) {
	if !oteltest.OwnProcess(t) {
		return
	}
	tel := oteltest.New(t)
	otel.SetTracerProvider(oteltest.SwitchedTracers{TracerProvider: tel.Tracers})
	rt := otelhttpclient.NewTransport(oteltest.Answer(200))
	const requests = 200
	for i := range requests {
		ctx := t.Context()
		if i%10 == 0 {
			ctx = oteltest.SwitchedOff(ctx)
		}
		oteltest.MustSend(t, rt, oteltest.NewRequest(t, ctx, "GET", "https://example.com/", nil))
	}
	if got, want := len(tel.Spans()), requests*9/10; got != want {
		t.Errorf("spans: got %d of %d requests, want %d", got, requests, want)
	}
}

// The SDK is installed while the provider before it starts a span.
func TestSDKInstalledDuringStart(t *testing.T) {
	if !oteltest.OwnProcess(t) {
		return
	}
	tel := oteltest.New(t)
	rt := otelhttpclient.NewTransport(oteltest.Answer(200))
	send := func() {
		oteltest.MustSend(t, rt, oteltest.NewRequest(t, t.Context(), "GET", "https://example.com/", nil))
	}
	var once sync.Once
	otel.SetTracerProvider(installing{install: func() {
		once.Do(func() {
			otel.SetTracerProvider(tel.Tracers)
			send()
		})
	}})
	send()
	tel.Reset()
	const requests = 70
	for range requests {
		send()
	}
	if got := len(tel.Spans()); got != requests {
		t.Errorf("spans: got %d, want %d", got, requests)
	}
}

// installing is a provider without spans that is replaced during Start.
type installing struct {
	noop.TracerProvider
	install func()
}

func (i installing) Tracer(string, ...trace.TracerOption) trace.Tracer {
	return installingTracer{install: i.install}
}

type installingTracer struct {
	noop.Tracer
	install func()
}

func (i installingTracer) Start(ctx context.Context, name string, opts ...trace.SpanStartOption) (context.Context, trace.Span) {
	i.install()
	return noop.Tracer{}.Start(ctx, name, opts...)
}

// Every request that starts after the SDK is installed has a span.
func TestSDKInstalledDuringRequests(t *testing.T) {
	if !oteltest.OwnProcess(t) {
		return
	}
	tel := oteltest.New(t)
	rt := otelhttpclient.NewTransport(oteltest.Answer(200))
	send := func() {
		oteltest.MustSend(t, rt, oteltest.NewRequest(t, t.Context(), "GET", "https://example.com/", nil))
	}
	var stop atomic.Bool
	var others sync.WaitGroup
	for range 4 {
		others.Go(func() {
			for !stop.Load() {
				send()
			}
		})
	}
	otel.SetTracerProvider(tel.Tracers)
	for range 500 {
		before := countNamed(tel, "mine")
		oteltest.MustSend(t, rt, oteltest.NewRequest(t, otelhttpclient.ContextWithURLTemplate(t.Context(), "mine"), "GET", "https://example.com/", nil))
		if got := countNamed(tel, "mine"); got != before+1 {
			t.Fatalf("spans of my requests: got %d, want %d", got, before+1)
		}
		tel.Reset()
	}
	stop.Store(true)
	others.Wait()
}

func countNamed(tel *oteltest.SDK, template string) (n int) {
	for _, s := range tel.Spans() {
		if s.Name == "GET "+template {
			n++
		}
	}
	return n
}

// The API's default provider delegates to an SDK once one is installed, even if
// the default becomes the global provider again.
func TestDefaultProviderInstalledAgain(t *testing.T) {
	if !oteltest.OwnProcess(t) {
		return
	}
	tel := oteltest.New(t)
	rt := otelhttpclient.NewTransport(oteltest.Answer(200))
	send := func() {
		oteltest.MustSend(t, rt, oteltest.NewRequest(t, t.Context(), "GET", "https://example.com/", nil))
	}
	send()
	before := otel.GetTracerProvider()
	otel.SetTracerProvider(tel.Tracers)
	otel.SetTracerProvider(before)
	for range 5000 {
		send()
	}
	if got := len(tel.Spans()); got < 2500 {
		t.Errorf("spans: got %d of 5000, want nearly all", got)
	}
}

// The provider is the configured one, else that of the local span in the
// context, else the global one.
func TestParentsProvider(t *testing.T) {
	if !oteltest.OwnProcess(t) {
		return
	}
	global, parents, configured := oteltest.New(t), oteltest.New(t), oteltest.New(t)
	local, parent := parents.Tracers.Tracer("test").Start(t.Context(), "parent")
	defer parent.End()
	remote := trace.ContextWithRemoteSpanContext(t.Context(), parent.SpanContext())
	detached := trace.ContextWithSpanContext(t.Context(), parent.SpanContext())
	dropped, _ := noop.NewTracerProvider().Tracer("test").Start(local, "absent")
	rt := otelhttpclient.NewTransport(oteltest.Answer(200))
	check := func(name string, rt http.RoundTripper, ctx context.Context, want *oteltest.SDK) {
		t.Helper()
		oteltest.MustSend(t, rt, oteltest.NewRequest(t, ctx, "GET", "https://example.com/", nil))
		for who, tel := range map[string]*oteltest.SDK{"global": global, "parent's": parents, "configured": configured} {
			n := 0
			if tel == want {
				n = 1
			}
			if got := len(tel.Spans()); got != n {
				t.Errorf("%s: the %s provider got %d spans, want %d", name, who, got, n)
			}
			tel.Reset()
		}
	}
	check("local parent, no global provider", rt, local, parents)
	check("remote parent, no global provider", rt, remote, nil)
	otel.SetTracerProvider(global.Tracers)
	for range 2 { // without and with a cached tracer
		check("local parent", rt, local, parents)
		check("remote parent", rt, remote, global)
		check("no parent", rt, t.Context(), global)
		check("a span context without a provider", rt, detached, global)
		check("a no-op span in between", rt, dropped, global)
		check("configured", otelhttpclient.NewTransport(oteltest.Answer(200), otelhttpclient.WithTracerProvider(configured.Tracers)), local, configured)
	}
}

func TestSpanIsAChildOfAnyProvider(t *testing.T) {
	tel := oteltest.New(t)
	ctx, parent := tel.Tracers.Tracer("test").Start(t.Context(), "parent")
	oteltest.MustSend(t, otelhttpclient.NewTransport(oteltest.Answer(200)), oteltest.NewRequest(t, ctx, "GET", "https://example.com/", nil))
	parent.End()
	for _, s := range tel.Spans() {
		if s.Name == "GET" && s.Parent.SpanID() != parent.SpanContext().SpanID() {
			t.Errorf("parent of the client span: got %v, want %v", s.Parent.SpanID(), parent.SpanContext().SpanID())
		}
	}
	if got := len(tel.Spans()); got != 2 {
		t.Errorf("spans: got %d, want the parent and the client's", got)
	}
}

func TestProvidersInstalledLater(t *testing.T) {
	if !oteltest.OwnProcess(t) {
		return
	}
	got := make(chan http.Header, 1)
	server := oteltest.NewServer(t, "1.1", func(_ http.ResponseWriter, r *http.Request) { got <- r.Header })
	transports := map[string]*otelhttpclient.Transport{"zero": {}, "NewTransport": otelhttpclient.NewTransport(nil)}
	for name, rt := range transports {
		// Before an SDK is installed, requests are sent unchanged.
		for range 2 {
			oteltest.MustSend(t, rt, oteltest.NewRequest(t, t.Context(), http.MethodGet, server.URL, nil))
			if h := (<-got).Get("Traceparent"); h != "" {
				t.Errorf("%s: traceparent %q was sent without an SDK", name, h)
			}
		}
	}

	// A second SDK replaces the first.
	for _, round := range []string{"the first SDK", "the second SDK"} {
		tel := oteltest.New(t)
		otel.SetTracerProvider(tel.Tracers)
		otel.SetMeterProvider(tel.Meters)
		otel.SetTextMapPropagator(propagation.TraceContext{})
		for name, rt := range transports {
			tel.Reset()
			oteltest.MustSend(t, rt, oteltest.NewRequest(t, t.Context(), http.MethodGet, server.URL, nil))
			span := tel.OnlySpan()
			if sent, want := (<-got).Get("Traceparent"), oteltest.Traceparent(span.SpanContext); sent != want {
				t.Errorf("%s, %s: traceparent = %q, want %q", round, name, sent, want)
			}
			if oteltest.Attributes(span.Attributes)["url.full"].String() != server.URL {
				t.Errorf("%s, %s: attributes = %v, want url.full = %q among them", round, name, span.Attributes, server.URL)
			}
		}
		m, ok := tel.Metric("http.client.request.duration")
		if !ok {
			t.Fatalf("%s: http.client.request.duration is missing", round)
		}
		if n := m.Data.(metricdata.Histogram[float64]).DataPoints[0].Count; n != uint64(len(transports)) {
			t.Errorf("%s: duration was measured %d times, want %d", round, n, len(transports))
		}
	}
}

type typedNilSpan struct{ trace.Span }

func (typedNilSpan) TracerProvider() trace.TracerProvider { return (*sdktrace.TracerProvider)(nil) }

type nilSpan struct{ trace.Span }

func (nilSpan) TracerProvider() trace.TracerProvider { return nil }

func TestNilParentProvider(t *testing.T) {
	for i, wrap := range []func(trace.Span) trace.Span{
		func(s trace.Span) trace.Span { return typedNilSpan{s} },
		func(s trace.Span) trace.Span { return nilSpan{s} },
	} {
		tel := oteltest.New(t)
		ctx, span := tel.Tracers.Tracer("x").Start(t.Context(), "p")
		ctx = trace.ContextWithSpan(ctx, wrap(span))
		head := ""
		rt := otelhttpclient.NewTransport(oteltest.RoundTripFunc(func(r *http.Request) (*http.Response, error) {
			head = r.Header.Get("Traceparent")
			return oteltest.AnswerText(200, "x")(r)
		}), otelhttpclient.WithPropagators(propagation.TraceContext{}))
		oteltest.MustSend(t, rt, oteltest.NewRequest(t, ctx, "GET", "http://example.com/x", nil))
		if head == "" {
			t.Errorf("%d: no traceparent", i)
		}
	}
}

type panickySpan struct{ trace.Span }

func (panickySpan) TracerProvider() trace.TracerProvider { panic("no provider") }

func TestPanickingParentProvider(t *testing.T) {
	tel := oteltest.New(t)
	ctx, span := tel.Tracers.Tracer("x").Start(t.Context(), "p")
	ctx = trace.ContextWithSpan(ctx, panickySpan{span})
	head := ""
	wire := oteltest.RoundTripFunc(func(r *http.Request) (*http.Response, error) {
		head = r.Header.Get("Traceparent")
		return oteltest.AnswerText(200, "x")(r)
	})
	rt := otelhttpclient.NewTransport(wire, otelhttpclient.WithPropagators(propagation.TraceContext{}))
	oteltest.MustSend(t, rt, oteltest.NewRequest(t, ctx, "GET", "https://example.com/", nil))
	if head == "" {
		t.Error("no traceparent")
	}
}

// keepingTracers keeps the slices that it receives, to read them later.
type keepingTracers struct {
	trace.TracerProvider
	mu      sync.Mutex
	options [][]trace.SpanStartOption
	set     [][]attribute.KeyValue
}

func (k *keepingTracers) Tracer(name string, opts ...trace.TracerOption) trace.Tracer {
	return keepingTracer{k.TracerProvider.Tracer(name, opts...), k}
}

type keepingTracer struct {
	trace.Tracer
	k *keepingTracers
}

func (t keepingTracer) Start(ctx context.Context, name string, opts ...trace.SpanStartOption) (context.Context, trace.Span) {
	t.k.mu.Lock()
	t.k.options = append(t.k.options, opts)
	t.k.mu.Unlock()
	ctx, span := t.Tracer.Start(ctx, name, opts...)
	span = keepingSpan{span, t.k}
	return trace.ContextWithSpan(ctx, span), span
}

type keepingSpan struct {
	trace.Span
	k *keepingTracers
}

func (s keepingSpan) SetAttributes(kv ...attribute.KeyValue) {
	s.k.mu.Lock()
	s.k.set = append(s.k.set, kv)
	s.k.mu.Unlock()
	s.Span.SetAttributes(kv...)
}

func TestSlicesKeptByTracers(t *testing.T) {
	tel := oteltest.New(t)
	k := &keepingTracers{TracerProvider: tel.Tracers}
	rt := instrumented.Transport(tel, oteltest.Answer(404), otelhttpclient.WithTracerProvider(k))
	paths := []string{"/1", "/2", "/3", "/4"}
	for _, p := range paths {
		oteltest.MustSend(t, rt, oteltest.NewRequest(t, t.Context(), "GET", "https://example.com"+p, nil))
		// The SDK's own tracers use the pool of slices.
		oteltest.MustSend(t, instrumented.Transport(tel, oteltest.Answer(200)), oteltest.NewRequest(t, t.Context(), "GET", "https://other.example/", nil))
	}
	for i, p := range paths {
		c := trace.NewSpanStartConfig(k.options[i]...)
		oteltest.WantAttribute(t, c.Attributes(), "url.full", "https://example.com"+p)
		if c.SpanKind() != trace.SpanKindClient {
			t.Errorf("kind of %s, read later: got %v, want client", p, c.SpanKind())
		}
		oteltest.WantAttribute(t, k.set[i], "http.response.status_code", 404)
	}
}
