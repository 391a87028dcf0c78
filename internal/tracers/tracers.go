// Package tracers chooses the tracer of a request: of the configured provider, of
// the parent span's, or of the global one. It is given contexts and providers, and
// remembers what it found out about the latest providers. It knows nothing of
// requests.
package tracers

import (
	"context"
	"sync/atomic"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelhttpclient/otelhttpclient/internal/callback"
	"github.com/otelhttpclient/otelhttpclient/internal/identity"
)

// Source makes and keeps tracers. A program has one configured or global provider,
// and rarely more than one that its spans come from.
type Source struct {
	// New returns a provider's tracer.
	New func(trace.TracerProvider) trace.Tracer

	main, parents identity.Latest[*Tracer]
}

// Tracer is a tracer and what is known about its provider.
type Tracer struct {
	trace.Tracer
	provider trace.TracerProvider
	kind     kind
	quiet    atomic.Bool // see SkipsSpans
	copies   bool        // the tracer and its spans copy the slices that they are given
}

// For returns the tracer for a request with this context. A nil configured
// provider means that of the span in the context, if it is valid and not remote,
// else the global one.
func (s *Source) For(ctx context.Context, configured trace.TracerProvider, guard callback.Guard) *Tracer {
	if configured != nil {
		return s.tracer(&s.main, configured)
	}
	global := otel.GetTracerProvider()
	// A span from the API's no-op has no SDK.
	if t := s.ofParent(ctx, global, guard); t != nil && t.kind == anyKind {
		return t
	}
	return s.tracer(&s.main, global)
}

// ofParent returns nil if the parent span has no provider of its own. The span may
// be of an application's type.
func (s *Source) ofParent(ctx context.Context, global trace.TracerProvider, guard callback.Guard) (t *Tracer) {
	span := trace.SpanFromContext(ctx)
	guard.Call("TracerProvider of the parent span", func() {
		if sc := span.SpanContext(); !sc.IsValid() || sc.IsRemote() {
			return
		}
		if p := span.TracerProvider(); p != nil && !identity.Same(p, global) {
			t = s.tracer(&s.parents, p)
		}
	})
	return t
}

func (s *Source) tracer(latest *identity.Latest[*Tracer], provider trace.TracerProvider) *Tracer {
	t, ok := latest.Get(provider)
	if !ok {
		t = s.newTracer(provider)
		latest.Put(provider, t)
	}
	return t
}

func (s *Source) newTracer(provider trace.TracerProvider) *Tracer {
	t := &Tracer{Tracer: s.New(provider), provider: provider, kind: kindOf(provider)}
	t.copies = t.kind == noopKind || identity.PackageOf(t.Tracer) == "go.opentelemetry.io/otel/sdk/trace"
	return t
}

// Copies reports whether the tracer and its spans copy the slices that they are
// given, so that these can be used again.
func (t *Tracer) Copies() bool { return t.copies || t.quiet.Load() }

// Same reports whether both tracers are of the same provider.
func (t *Tracer) Same(other *Tracer) bool { return identity.Same(t.provider, other.provider) }
