package otelhttpclient_test

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/oteltest"
	"github.com/otelhttpclient/otelhttpclient/internal/oteltest/instrumented"
)

type untracedKey struct{}

// switchedTracers passes the span of some contexts through, as SDKs with an
// on/off flag do.
type switchedTracers struct{ trace.TracerProvider }

func (s switchedTracers) Tracer(name string, opts ...trace.TracerOption) trace.Tracer {
	return switchedTracer{s.TracerProvider.Tracer(name, opts...)}
}

type switchedTracer struct{ trace.Tracer }

func (s switchedTracer) Start(ctx context.Context, name string, opts ...trace.SpanStartOption) (context.Context, trace.Span) {
	if ctx.Value(untracedKey{}) != nil {
		return noop.Tracer{}.Start(ctx, name, opts...)
	}
	return s.Tracer.Start(ctx, name, opts...)
}

func TestPassThroughSpansSilenceOnlyTheirOwnRequest(t *testing.T) {
	if !oteltest.OwnProcess(t) {
		return
	}
	tel := oteltest.New(t)
	otel.SetTracerProvider(switchedTracers{tel.Tracers})
	rt := otelhttpclient.NewTransport(oteltest.Answer(200))
	const requests = 200
	for i := range requests {
		ctx := t.Context()
		if i%10 == 0 {
			ctx = context.WithValue(ctx, untracedKey{}, true)
		}
		oteltest.MustSend(t, rt, oteltest.NewRequest(t, ctx, "GET", "https://example.com/", nil))
	}
	if got, want := len(tel.Spans()), requests*9/10; got != want {
		t.Errorf("spans: got %d of %d requests, want %d", got, requests, want)
	}
}

// TestSDKInstalledDuringStart installs the SDK while a request is being
// started with the provider before it.
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

// TestSDKInstalledWhileRequestsAreUnderWay: no request that starts after the
// SDK was installed is without a span.
func TestSDKInstalledWhileRequestsAreUnderWay(t *testing.T) {
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

// TestDefaultProviderInstalledAgain: the API's default provider has an SDK
// once one was installed, also when it is made the global one again.
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

// TestParentsProvider: the configured provider, else that of the local span in
// the context, else the global one.
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
	for range 2 { // with and without a tracer that is kept
		check("local parent", rt, local, parents)
		check("remote parent", rt, remote, global)
		check("no parent", rt, t.Context(), global)
		check("a span context without a provider", rt, detached, global)
		check("a no-op span in between", rt, dropped, global)
		check("configured", otelhttpclient.NewTransport(oteltest.Answer(200), otelhttpclient.WithTracerProvider(configured.Tracers)), local, configured)
	}
}

func TestSpanIsAChildWhateverTheProvider(t *testing.T) {
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

// keepingTracers keep the slices that they are given, and read them later.
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

func TestSlicesAreNotReusedUnderTracersThatMayKeepThem(t *testing.T) {
	tel := oteltest.New(t)
	k := &keepingTracers{TracerProvider: tel.Tracers}
	rt := instrumented.Transport(tel, oteltest.Answer(404), otelhttpclient.WithTracerProvider(k))
	paths := []string{"/1", "/2", "/3", "/4"}
	for _, p := range paths {
		oteltest.MustSend(t, rt, oteltest.NewRequest(t, t.Context(), "GET", "https://example.com"+p, nil))
		// With the SDK alone, which uses the pool.
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
