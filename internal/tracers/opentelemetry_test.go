package tracers

import (
	"context"
	"testing"

	"go.opentelemetry.io/otel"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

// The default provider of OpenTelemetry's API is recognized.
func TestDefaultProvider(t *testing.T) {
	if !oteltest.OwnProcess(t) {
		return
	}
	if got := kindOf(otel.GetTracerProvider()); got != defaultKind {
		t.Errorf("%T: got kind %v, want the default provider", otel.GetTracerProvider(), got)
	}
	otel.SetTracerProvider(sdktrace.NewTracerProvider())
	if got := kindOf(otel.GetTracerProvider()); got != anyKind {
		t.Errorf("%T: got kind %v, want any", otel.GetTracerProvider(), got)
	}
}

// OpenTelemetry's providers are recognized, and others are not taken for them.
func TestTypesOfProviders(t *testing.T) {
	for name, provider := range map[string]trace.TracerProvider{
		"noop": noop.NewTracerProvider(), "absent": trace.SpanFromContext(context.Background()).TracerProvider(),
	} {
		if got := kindOf(provider); got != noopKind {
			t.Errorf("%s, %T: got kind %v, want a no-op", name, provider, got)
		}
	}
	if got := kindOf(struct{ noop.TracerProvider }{}); got != anyKind {
		t.Errorf("a type that embeds the no-op: got kind %v, want any", got)
	}
	source := Source{New: func(tp trace.TracerProvider) trace.Tracer { return tp.Tracer("test") }}
	if tracer := source.newTracer(sdktrace.NewTracerProvider()); !tracer.copies {
		t.Errorf("the SDK's tracer, %T: got one that may keep slices, want one that copies", tracer.Tracer)
	}
}
