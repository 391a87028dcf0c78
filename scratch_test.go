package otelhttpclient_test

import (
	"context"
	"sync"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/instrumented"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

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
