package oteltest

import (
	"context"
	"testing"

	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// B3 writes the headers of Zipkin's multi-header format.
type B3 struct{}

func (B3) Inject(ctx context.Context, carrier propagation.TextMapCarrier) {
	sc := trace.SpanContextFromContext(ctx)
	if !sc.IsValid() {
		return
	}
	carrier.Set("x-b3-traceid", sc.TraceID().String())
	carrier.Set("x-b3-spanid", sc.SpanID().String())
	sampled := "0"
	if sc.IsSampled() {
		sampled = "1"
	}
	carrier.Set("x-b3-sampled", sampled)
}

func (B3) Extract(ctx context.Context, _ propagation.TextMapCarrier) context.Context { return ctx }

func (B3) Fields() []string { return []string{"x-b3-traceid", "x-b3-spanid", "x-b3-sampled"} }

// WithTracestateAndBaggage returns a context as it comes from a remote caller.
func WithTracestateAndBaggage(t testing.TB, ctx context.Context) context.Context {
	t.Helper()
	state, err := trace.ParseTraceState("vendor=opaque,other=1")
	if err != nil {
		t.Fatal(err)
	}
	bag, err := baggage.Parse("tenant=acme,tier=gold;ttl=1")
	if err != nil {
		t.Fatal(err)
	}
	return trace.ContextWithRemoteSpanContext(baggage.ContextWithBaggage(ctx, bag), trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{1, 2, 3}, SpanID: trace.SpanID{4, 5, 6}, TraceFlags: trace.FlagsSampled, TraceState: state, Remote: true,
	}))
}
