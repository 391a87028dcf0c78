package tracers

import (
	"context"
	"math/rand/v2"
	"reflect"

	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/otelhttpclient/otelhttpclient/internal/identity"
)

// Without an SDK, a span costs as much as the rest of a request's telemetry and is
// never recorded. So no span is started if the provider is known to create only
// non-recording spans. This saves 40 % of the cost of a request without an SDK.

// kind classifies providers by their type.
type kind uint8

const (
	anyKind     kind = iota // may create spans
	defaultKind             // the API's default, which delegates to an SDK set later
	noopKind                // never creates a span
)

func kindOf(provider trace.TracerProvider) kind {
	switch {
	case isNoop(provider):
		return noopKind
	case identity.PackageOf(provider) == "go.opentelemetry.io/otel/internal/global":
		return defaultKind
	}
	return anyKind
}

// isNoop reports whether a provider is one of the API's two no-ops. Other types
// that embed one of them may create spans.
func isNoop(provider trace.TracerProvider) bool {
	_, ok := provider.(noop.TracerProvider)
	return ok || reflect.TypeOf(provider) == absentProviderType
}

// absentProviderType is the type of the provider of an absent span.
var absentProviderType = reflect.TypeOf(trace.SpanFromContext(context.Background()).TracerProvider())

// probeEvery is the mean number of requests between two probes of a quiet
// default provider.
const probeEvery = 64

// SkipsSpans reports whether starting a span is pointless: it would only carry its
// parent's context.
//
// Installing an SDK replaces the API's default provider, which is detected at once.
// In two cases the default provider starts to create spans without being replaced:
// an instrumentation attaches to the process from outside, or the program installs
// the default provider again after an SDK. An occasional probe, a request that
// starts a span, detects both. Probes are random: a counter would be written by all
// requests.
func (t *Tracer) SkipsSpans() bool {
	switch t.kind {
	case noopKind:
		return true
	case defaultKind:
		return t.quiet.Load() && rand.N(probeEvery) != 0
	}
	return false
}

// MayRecord reports whether a span of this tracer may be recorded.
func (t *Tracer) MayRecord() bool {
	return t.kind == anyKind || t.kind == defaultKind && !t.quiet.Load()
}

// Learn records whether the API's default provider is quiet, as shown by a span of
// that provider itself. A pass-through span of another provider does not predict
// the next request.
func (t *Tracer) Learn(span trace.Span, recording bool) {
	if t.kind != defaultKind {
		return
	}
	if quiet := !recording && identity.Same(span.TracerProvider(), t.provider); quiet != t.quiet.Load() {
		t.quiet.Store(quiet)
	}
}

// PassesThrough reports whether a span is a non-recording copy of its parent's span
// context, or of none.
func PassesThrough(span trace.Span, parent context.Context) bool {
	return span.SpanContext().SpanID() == trace.SpanContextFromContext(parent).SpanID()
}
