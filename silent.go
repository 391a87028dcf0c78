package otelhttpclient

import (
	"context"
	"math/rand/v2"
	"reflect"

	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/otelhttpclient/otelhttpclient/internal/identity"
)

// Without an SDK, a span costs as much as the rest of a request's telemetry and
// is never recorded. So no span is started if the provider is known to create
// none: that is 40 % of the cost of a request without an SDK.

// providerKind is what can be concluded from a provider's type.
type providerKind uint8

const (
	anyProvider     providerKind = iota // any request may get a span
	defaultProvider                     // the API's own, to which an SDK can be attached
	noopProvider                        // never creates a span
)

func kindOf(provider trace.TracerProvider) providerKind {
	switch {
	case isNoop(provider):
		return noopProvider
	case identity.PackageOf(provider) == "go.opentelemetry.io/otel/internal/global":
		return defaultProvider
	}
	return anyProvider
}

// isNoop reports whether a provider is one of the API's two no-ops. A type that
// embeds one of them may create spans.
func isNoop(provider trace.TracerProvider) bool {
	_, ok := provider.(noop.TracerProvider)
	return ok || reflect.TypeOf(provider) == typeOfAbsent
}

// typeOfAbsent is the type of an absent span's provider.
var typeOfAbsent = reflect.TypeOf(trace.SpanFromContext(context.Background()).TracerProvider())

// looksEvery is the mean number of requests between two looks at a silent
// default provider.
const looksEvery = 64

// makesNoSpan reports whether a span need not be started, because it would only
// stand for its parent.
//
// An SDK replaces the API's default provider, so it is found at once. In two
// cases the default provider starts to create spans without being replaced: an
// instrumentation attaches to the process from outside, or the program installs
// the default provider again after an SDK. A look now and then finds both: it
// is a request with a span. The choice is random because all requests would
// write to a shared counter.
func (t *providedTracer) makesNoSpan() bool {
	switch t.kind {
	case noopProvider:
		return true
	case defaultProvider:
		return t.silent.Load() && rand.N(looksEvery) != 0
	}
	return false
}

// mayRecord reports whether a span may be recorded, as far as is known.
func (t *providedTracer) mayRecord() bool {
	return t.kind == anyProvider || t.kind == defaultProvider && !t.silent.Load()
}

// observe records whether the API's default provider is silent. Only a span of
// that provider itself shows it. A pass-through span of another provider says
// nothing about the next request.
func (t *providedTracer) observe(span trace.Span, recording bool) {
	if t.kind != defaultProvider {
		return
	}
	if silent := !recording && identity.Same(span.TracerProvider(), t.provider); silent != t.silent.Load() {
		t.silent.Store(silent)
	}
}

// passesThrough reports whether a span only stands for its parent, or for none.
func passesThrough(span trace.Span, parent context.Context) bool {
	return span.SpanContext().SpanID() == trace.SpanContextFromContext(parent).SpanID()
}
