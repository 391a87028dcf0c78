package otelhttpclient

import (
	"context"
	"sync/atomic"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelhttpclient/otelhttpclient/internal/identity"
)

// WithTracerProvider sets the provider of the tracer. The default, also for nil,
// is the provider of the span in the request's context if that span is valid
// and not remote, else the global provider that is installed when the request
// starts. So a program without a global provider gets client spans wherever it
// has spans of its own.
func WithTracerProvider(tp trace.TracerProvider) Option {
	return optionFunc(func(c *config) {
		if tp != nil {
			c.tracerProvider = tp
		}
	})
}

// tracerSource keeps the latest tracers. A program has one configured or global
// provider, and rarely more than one that its spans come from.
type tracerSource struct{ main, parents tracerSlot }

// tracerSlot keeps the tracer of the latest provider.
type tracerSlot struct{ atomic.Pointer[providedTracer] }

// providedTracer is a tracer and what is known about its provider.
type providedTracer struct {
	provider trace.TracerProvider
	trace.Tracer
	kind   providerKind
	silent atomic.Bool // see makesNoSpan
	copies bool        // the tracer and its spans copy the slices that they are given
}

// tracer returns the tracer for a request with this context.
func (in *instrumentation) tracer(ctx context.Context) *providedTracer {
	if in.tracerProvider != nil {
		return in.tracers.main.of(in.tracerProvider)
	}
	global := otel.GetTracerProvider()
	// A span of the API alone has no SDK behind it.
	if t := in.parentsTracer(ctx, global); t != nil && t.kind == anyProvider {
		return t
	}
	return in.tracers.main.of(global)
}

// parentsTracer returns nil if the parent span has no provider of its own. The
// span may be of an application's type.
func (in *instrumentation) parentsTracer(ctx context.Context, global trace.TracerProvider) (t *providedTracer) {
	span := trace.SpanFromContext(ctx)
	in.guard.Call("TracerProvider of the parent span", func() {
		if sc := span.SpanContext(); !sc.IsValid() || sc.IsRemote() {
			return
		}
		if p := span.TracerProvider(); p != nil && !identity.Same(p, global) {
			t = in.tracers.parents.of(p)
		}
	})
	return t
}

func (s *tracerSlot) of(provider trace.TracerProvider) *providedTracer {
	t := s.Load()
	if t == nil || !identity.Same(t.provider, provider) {
		t = newProvidedTracer(provider)
		s.Store(t)
	}
	return t
}

func newProvidedTracer(provider trace.TracerProvider) *providedTracer {
	t := &providedTracer{provider: provider, Tracer: newTracer(provider), kind: kindOf(provider)}
	t.copies = t.kind == noopProvider || identity.PackageOf(t.Tracer) == "go.opentelemetry.io/otel/sdk/trace"
	return t
}
