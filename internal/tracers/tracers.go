// Package tracers chooses the tracer of a request: from the configured provider,
// from the parent span's, or from the global one. It is given contexts and
// providers, and caches tracers and what it found out about their providers. It does
// not know requests.
package tracers

import (
	"context"
	"sync/atomic"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelhttpclient/otelhttpclient/internal/callback"
	"github.com/otelhttpclient/otelhttpclient/internal/identity"
)

// Source creates and caches tracers. A program has one configured or global
// provider, and its spans rarely come from more than one.
type Source struct {
	// New returns a provider's tracer.
	New func(trace.TracerProvider) trace.Tracer

	mainTracer, latestParent identity.Latest[*Tracer]
}

// Tracer is a tracer with the properties of its provider.
type Tracer struct {
	trace.Tracer
	provider trace.TracerProvider
	kind     kind
	quiet    atomic.Bool // see SkipsSpans
	copies   bool        // the tracer and its spans copy the slices that they are given
}

// For returns the tracer for a request with this context. If configured is nil, the
// provider is that of the span in the context if it is valid and not remote, else
// the global one.
func (s *Source) For(ctx context.Context, configured trace.TracerProvider, guard callback.Guard) *Tracer {
	if configured != nil {
		return s.cachedTracer(&s.mainTracer, configured)
	}
	global := otel.GetTracerProvider()
	// A span from the API's no-op has no SDK.
	if t := s.parentTracer(ctx, global, guard); t != nil && t.kind == anyKind {
		return t
	}
	return s.cachedTracer(&s.mainTracer, global)
}

// absentSpan is the span of a context without one.
var absentSpan = trace.SpanFromContext(context.Background())

// parentTracer returns the tracer of the parent span's provider, or nil if that is
// the global one. The span may be of an application's type.
func (s *Source) parentTracer(ctx context.Context, global trace.TracerProvider, guard callback.Guard) (t *Tracer) {
	span := trace.SpanFromContext(ctx)
	if span == absentSpan {
		return nil
	}
	guard.Call("TracerProvider of the parent span", func() {
		if sc := span.SpanContext(); !sc.IsValid() || sc.IsRemote() {
			return
		}
		if p := span.TracerProvider(); p != nil && !identity.Same(p, global) {
			t = s.cachedTracer(&s.latestParent, p)
		}
	})
	return t
}

func (s *Source) cachedTracer(latest *identity.Latest[*Tracer], provider trace.TracerProvider) *Tracer {
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
// given, so that the slices can be reused.
func (t *Tracer) Copies() bool { return t.copies || t.quiet.Load() }

// Same reports whether both tracers have the same provider.
func (t *Tracer) Same(other *Tracer) bool { return identity.Same(t.provider, other.provider) }
