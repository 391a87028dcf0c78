package otelhttpclient

import (
	"context"
	"net/http"
	"slices"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"

	"github.com/otelhttpclient/otelhttpclient/internal/foreign"
)

// contextKey is the key of all that this package keeps in a context, so that one
// lookup finds it: a *contextState, or the *sending of an outer Transport.
type contextKey struct{}

// contextState is what applications set for the requests of a context.
type contextState struct {
	untraced   bool
	unobserved bool // but propagated
	template   string
	attributes []attribute.KeyValue
	attempts   *atomic.Int64 // round trips so far, under ContextWithRetries

	// outer is what an outer Transport is sending with this context. The rest of
	// that Transport's state belongs to the caller's request, and is not in this
	// one.
	outer *sending
}

// with merges what code between two Transports added to the context.
func (s *contextState) with(layer *contextState) *contextState {
	if len(layer.attributes) == 0 && layer.template == "" {
		return s
	}
	both := *s
	both.attributes = append(slices.Clip(s.attributes), layer.attributes...)
	if layer.template != "" {
		both.template = layer.template
	}
	return &both
}

var noState contextState

// stateFrom returns the state of a context, and what an outer Transport is sending
// with it.
func stateFrom(ctx context.Context) (state *contextState, outer *sending) {
	switch s := ctx.Value(contextKey{}).(type) {
	case *contextState:
		return s, s.outer
	case *sending:
		return &noState, s
	}
	return &noState, nil
}

func withState(ctx context.Context, change func(*contextState)) context.Context {
	state, outer := stateFrom(ctx)
	s := *state
	s.outer = outer
	change(&s)
	return context.WithValue(ctx, contextKey{}, &s)
}

// ContextWithoutTracing returns a context whose requests go to base unchanged:
// without span, metrics, propagation and hooks.
func ContextWithoutTracing(ctx context.Context) context.Context {
	return withState(ctx, func(s *contextState) { s.untraced = true })
}

// ContextWithPropagationOnly returns a context whose requests have neither span
// nor metrics, but carry the headers of the propagator. The services that they
// reach join the caller's trace. Hooks do not run. Use it for traffic that is not
// worth a span, such as health checks and token refreshes.
func ContextWithPropagationOnly(ctx context.Context) context.Context {
	return withState(ctx, func(s *contextState) { s.unobserved = true })
}

// ContextWithURLTemplate returns a context whose requests have this
// url.template, a path with placeholders such as "/items/{sku}", and the span
// name "{method} {template}". It takes precedence over [WithURLTemplate]. A
// redirect to another path does not get the template. An empty template removes
// an outer one.
func ContextWithURLTemplate(ctx context.Context, template string) context.Context {
	template = foreign.Text(template)
	return withState(ctx, func(s *contextState) { s.template = template })
}

// ContextWithAttributes returns a context whose requests have these attributes
// on their spans and metrics, in addition to those of an outer context. They
// override those of the library and of [WithAttributes]. Use values of low
// cardinality, as for any metric.
func ContextWithAttributes(ctx context.Context, attrs ...attribute.KeyValue) context.Context {
	return withState(ctx, func(s *contextState) {
		n := len(s.attributes)
		s.attributes = append(slices.Clip(s.attributes), attrs...)
		foreign.Attributes(s.attributes[n:])
	})
}

// ContextWithRetries returns a context whose round trips are attempts of one
// operation. From the second on, their spans have http.request.resend_count, the
// number of earlier attempts, including redirects. Create one context for each
// operation, outside of the retry loop.
//
// All attempts must use this context, as they do in retrying clients that wrap
// an [http.Client] or an [http.RoundTripper].
func ContextWithRetries(ctx context.Context) context.Context {
	return withState(ctx, func(s *contextState) { s.attempts = new(atomic.Int64) })
}

// resendCount returns the ordinal of a resend: 0 for the first attempt, 1 for the
// next.
func (s *contextState) resendCount(req *http.Request) int {
	if s.attempts != nil {
		return int(s.attempts.Add(1)) - 1
	}
	return redirects(req)
}
