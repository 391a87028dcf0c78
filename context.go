package otelhttpclient

import (
	"context"
	"slices"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"

	"github.com/otelhttpclient/otelhttpclient/internal/foreign"
	"github.com/otelhttpclient/otelhttpclient/internal/nested"
)

// ContextWithoutTracing returns a context whose requests go to base unchanged:
// without span, metrics, propagation and hooks.
func ContextWithoutTracing(ctx context.Context) context.Context {
	return nested.With(ctx, func(s *nested.Settings) { s.Untraced = true })
}

// ContextWithPropagationOnly returns a context whose requests have neither span
// nor metrics, but carry the headers of the propagator. The called services
// join the caller's trace. Hooks do not run. Use it for requests that need no
// span, such as health checks and token refreshes.
func ContextWithPropagationOnly(ctx context.Context) context.Context {
	return nested.With(ctx, func(s *nested.Settings) { s.PropagateOnly = true })
}

// ContextWithURLTemplate returns a context whose requests have this
// url.template, a path with placeholders such as "/items/{sku}", and the span
// name "{method} {template}". It takes precedence over [WithURLTemplate]. A
// redirect to another path does not get the template. An empty template removes
// an outer one.
func ContextWithURLTemplate(ctx context.Context, template string) context.Context {
	template = foreign.Text(template)
	return nested.With(ctx, func(s *nested.Settings) { s.Template = template })
}

// ContextWithAttributes returns a context whose requests have these attributes
// on their spans and metrics, in addition to those of an outer context. They
// override those of the library and of [WithAttributes]. Use values of low
// cardinality, as for all metrics.
func ContextWithAttributes(ctx context.Context, attrs ...attribute.KeyValue) context.Context {
	return nested.With(ctx, func(s *nested.Settings) {
		n := len(s.Attributes)
		s.Attributes = append(slices.Clip(s.Attributes), attrs...)
		foreign.Attributes(s.Attributes[n:])
	})
}

// ContextWithRetries returns a context whose round trips are attempts of one
// operation. From the second attempt on, spans have http.request.resend_count,
// the number of earlier attempts, including redirects. Create one context for
// each operation, outside the retry loop.
//
// All attempts must use this context, as they do in retrying clients that wrap
// an [http.Client] or an [http.RoundTripper].
func ContextWithRetries(ctx context.Context) context.Context {
	return nested.With(ctx, func(s *nested.Settings) { s.RoundTrips = new(atomic.Int64) })
}
