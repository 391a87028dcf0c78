package oteltest

import (
	"context"
	"net/http"
	"runtime"
	"testing"
	"time"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// SwitchedTracers passes the span of some contexts through, like SDKs with an
// on/off switch.
type SwitchedTracers struct{ trace.TracerProvider }

type switchedOffKey struct{}

// SwitchedOff returns a context for which SwitchedTracers create no span.
func SwitchedOff(ctx context.Context) context.Context {
	return context.WithValue(ctx, switchedOffKey{}, true)
}

// Tracer returns a tracer of the provider with a switch.
func (s SwitchedTracers) Tracer(name string, opts ...trace.TracerOption) trace.Tracer {
	return switchedTracer{s.TracerProvider.Tracer(name, opts...)}
}

type switchedTracer struct{ trace.Tracer }

func (s switchedTracer) Start(ctx context.Context, name string, opts ...trace.SpanStartOption) (context.Context, trace.Span) {
	if ctx.Value(switchedOffKey{}) != nil {
		return noop.Tracer{}.Start(ctx, name, opts...)
	}
	return s.Tracer.Start(ctx, name, opts...)
}

// NoPropagator writes nothing.
type NoPropagator struct{}

// Inject does nothing.
func (NoPropagator) Inject(context.Context, propagation.TextMapCarrier) {}

// Extract returns ctx.
func (NoPropagator) Extract(ctx context.Context, _ propagation.TextMapCarrier) context.Context {
	return ctx
}

// Fields returns none.
func (NoPropagator) Fields() []string { return nil }

// SetDefault sets http.DefaultTransport until the test ends.
func SetDefault(t testing.TB, rt http.RoundTripper) {
	t.Helper()
	before := http.DefaultTransport
	http.DefaultTransport = rt
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		http.DefaultTransport = before
	})
}

// CollectGarbage runs a garbage collection and lets the cleanups that it queues
// run.
func CollectGarbage() {
	runtime.GC()
	time.Sleep(2 * time.Millisecond)
}
