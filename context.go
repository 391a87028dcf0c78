package otelhttpclient

import (
	"context"
	"net/http"
	"slices"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
)

// contextKey is where a context keeps its contextState.
type contextKey struct{}

// contextState is all that this package keeps in a context, so that a round
// trip has to search it only once.
type contextState struct {
	untraced   bool
	template   string
	attributes []attribute.KeyValue
	attempts   *atomic.Int64 // round trips made so far, under ContextWithRetries

	// above is what a Transport is sending with this context: base sees the
	// context of a request that is traced already. What the caller has said
	// is about the caller's request, and not in there.
	above *sending
}

var noState contextState

func stateFrom(ctx context.Context) *contextState {
	if s, ok := ctx.Value(contextKey{}).(*contextState); ok {
		return s
	}
	return &noState
}

func withState(ctx context.Context, change func(*contextState)) context.Context {
	s := *stateFrom(ctx)
	change(&s)
	return context.WithValue(ctx, contextKey{}, &s)
}

// ContextWithoutTracing returns a context for requests that go to base
// untouched: without span, metrics, propagation and hooks.
func ContextWithoutTracing(ctx context.Context) context.Context {
	return withState(ctx, func(s *contextState) { s.untraced = true })
}

// ContextWithURLTemplate returns a context whose requests have this
// url.template, a path with placeholders such as "/items/{sku}", and by it the
// span name "{method} {template}". It wins over [WithURLTemplate]. The
// template says nothing about a redirect to another path, which has none. ""
// removes the template.
func ContextWithURLTemplate(ctx context.Context, template string) context.Context {
	return withState(ctx, func(s *contextState) { s.template = template })
}

// ContextWithAttributes returns a context whose requests have these attributes
// on their spans and on their metrics, beside those that an outer context has
// given. They win over the library's own. As they are on metrics, their values
// must be few.
func ContextWithAttributes(ctx context.Context, attrs ...attribute.KeyValue) context.Context {
	return withState(ctx, func(s *contextState) {
		s.attributes = append(slices.Clip(s.attributes), attrs...)
	})
}

// ContextWithRetries returns a context whose round trips are attempts of one
// operation: from the second on, their spans tell by http.request.resend_count
// how many went before, redirects included. Make one context for each
// operation that is retried, outside of the loop.
//
// It needs the attempts to be made with this context, as retrying clients do
// that wrap an [http.Client] or an [http.RoundTripper].
func ContextWithRetries(ctx context.Context) context.Context {
	return withState(ctx, func(s *contextState) { s.attempts = new(atomic.Int64) })
}

// resendCount is the ordinal of a resend: 0 for the first attempt, 1 for the
// one after it.
func (s *contextState) resendCount(req *http.Request) int {
	if s.attempts != nil {
		return int(s.attempts.Add(1)) - 1
	}
	// net/http links a redirected request to the response that caused it.
	const enough = 1000
	n := 0
	for req != nil && req.Response != nil && n < enough {
		n++
		req = req.Response.Request
	}
	return n
}
