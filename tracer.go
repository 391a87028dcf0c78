package otelhttpclient

import (
	"context"
	"math/rand/v2"
	"reflect"
	"strings"
	"sync/atomic"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// tracerSource chooses the tracer of a request: that of the configured
// provider; else that of the provider of the local span in the request's
// context; else that of the global provider.
type tracerSource struct {
	configured trace.TracerProvider

	// The last tracers that were made. A program has one global provider, and
	// rarely more than one that its spans come from.
	main, parents tracerSlot
}

// tracerSlot keeps the tracer of the provider that it was last asked for.
type tracerSlot struct{ atomic.Pointer[providedTracer] }

// providedTracer is a tracer with what is known about its provider.
type providedTracer struct {
	provider trace.TracerProvider
	trace.Tracer
	kind providerKind

	// silent: the API's default provider made no span when it was last asked.
	silent atomic.Bool
	// copies: the tracer and its spans keep no slice that they are given.
	copies bool
}

// providerKind says what may be concluded from a provider's type.
type providerKind uint8

const (
	anyProvider     providerKind = iota // nothing: each request may get a span
	defaultProvider                     // the API's own, to which an SDK can be attached
	noopProvider                        // never makes a span
)

// of returns the tracer for a request with this context.
func (s *tracerSource) of(ctx context.Context) *providedTracer {
	if s.configured != nil {
		return s.main.of(s.configured)
	}
	global := otel.GetTracerProvider()
	// A span of the API alone says nothing about an SDK.
	if t := s.ofParent(ctx, global); t != nil && t.kind == anyProvider {
		return t
	}
	return s.main.of(global)
}

// ofParent returns nil where there is no provider but the global one. The span
// may be a type of the application's own.
func (s *tracerSource) ofParent(ctx context.Context, global trace.TracerProvider) (t *providedTracer) {
	defer contain("TracerProvider of the parent span")
	if p := parentProvider(ctx); p != nil && !same(p, global) {
		t = s.parents.of(p)
	}
	return t
}

// parentProvider returns the provider of the span in the context, if that span
// is valid and was started in this process.
func parentProvider(ctx context.Context) trace.TracerProvider {
	span := trace.SpanFromContext(ctx)
	if sc := span.SpanContext(); !sc.IsValid() || sc.IsRemote() {
		return nil
	}
	return span.TracerProvider()
}

func (s *tracerSlot) of(provider trace.TracerProvider) *providedTracer {
	t := s.Load()
	if t == nil || !same(t.provider, provider) {
		t = newProvidedTracer(provider)
		s.Store(t)
	}
	return t
}

func newProvidedTracer(provider trace.TracerProvider) *providedTracer {
	t := &providedTracer{provider: provider, Tracer: newTracer(provider)}
	t.copies = packageOf(t.Tracer) == "go.opentelemetry.io/otel/sdk/trace"
	switch {
	case isNoop(provider):
		t.kind, t.copies = noopProvider, true
	case packageOf(provider) == "go.opentelemetry.io/otel/internal/global":
		t.kind = defaultProvider
	}
	return t
}

// isNoop reports whether a provider is one of the two that the API has for
// making no spans. A type that embeds one of them may make some.
func isNoop(provider trace.TracerProvider) bool {
	_, ok := provider.(noop.TracerProvider)
	return ok || reflect.TypeOf(provider) == typeOfAbsent
}

// typeOfAbsent is the type of the provider that an absent span has.
var typeOfAbsent = reflect.TypeOf(trace.SpanFromContext(context.Background()).TracerProvider())

// looksEvery is the mean number of requests between two looks at a silent
// default provider.
const looksEvery = 64

// makesNoSpan reports whether the span of a request need not be started,
// because it would be the parent's once more.
//
// The API's default provider is replaced, not changed, when an SDK is
// installed, so that the new one is found at once. Two things can bring it to
// life without that: an instrumentation that attaches to the process from
// outside, and a program that installs the default provider again after an
// SDK. Both are found by a look now and then, which is a request with a span.
// The choice is random because a shared counter would be written by every
// request.
func (t *providedTracer) makesNoSpan() bool {
	switch t.kind {
	case noopProvider:
		return true
	case defaultProvider:
		return t.silent.Load() && rand.N(looksEvery) != 0
	}
	return false
}

// observe learns from a span that was started whether the API's default
// provider is silent. Only a span of its own says so; a pass-through span of
// any other provider says nothing about the next request.
func (t *providedTracer) observe(span trace.Span, recording bool) {
	if t.kind != defaultProvider {
		return
	}
	if silent := !recording && same(span.TracerProvider(), t.provider); silent != t.silent.Load() {
		t.silent.Store(silent)
	}
}

// passesThrough reports whether a span that was started is none of its own, but
// stands for the span in the parent context, or for none.
func passesThrough(span trace.Span, parent context.Context) bool {
	return span.SpanContext().SpanID() == trace.SpanContextFromContext(parent).SpanID()
}

// packageOf returns the path of the package that declares v's type.
func packageOf(v any) string {
	t := reflect.TypeOf(v)
	if t == nil {
		return ""
	}
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.PkgPath()
}

// isOpenTelemetry reports whether OpenTelemetry itself declares v's type.
func isOpenTelemetry(v any) bool {
	path := packageOf(v)
	return path == "go.opentelemetry.io/otel" || strings.HasPrefix(path, "go.opentelemetry.io/otel/")
}
