package nested

import (
	"context"
	"net/http"
	"slices"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
)

// contextKey is the key of all that this library keeps in a context, so that one
// lookup finds it: *Settings, or the *Request of an outer Transport.
type contextKey struct{}

// Settings are what applications set for the requests of a context.
type Settings struct {
	Untraced      bool
	PropagateOnly bool
	Template      string
	Attributes    []attribute.KeyValue
	RoundTrips    *atomic.Int64 // so far, under ContextWithRetries

	// outer is what an outer Transport sends with this context. The rest of that
	// Transport's settings belong to the caller's request, and are not in these.
	outer *Request
}

// merge returns the settings with what code between two Transports added to the
// context.
func (s *Settings) merge(layer *Settings) *Settings {
	if len(layer.Attributes) == 0 && layer.Template == "" {
		return s
	}
	both := *s
	both.Attributes = append(slices.Clip(s.Attributes), layer.Attributes...)
	if layer.Template != "" {
		both.Template = layer.Template
	}
	return &both
}

// NoSettings are those of a context without any.
var NoSettings Settings

// From returns the settings of a context, and what an outer Transport sends with
// it, or nil.
func From(ctx context.Context) (settings *Settings, outer *Request) {
	switch s := ctx.Value(contextKey{}).(type) {
	case *Settings:
		return s, s.outer
	case *Request:
		return &NoSettings, s
	}
	return &NoSettings, nil
}

// With returns a context with changed settings.
func With(ctx context.Context, change func(*Settings)) context.Context {
	settings, outer := From(ctx)
	s := *settings
	s.outer = outer
	change(&s)
	return context.WithValue(ctx, contextKey{}, &s)
}

// ResendCount counts a request that no outer Transport sends, and returns how many
// were sent before it: 0 for the first attempt.
func (s *Settings) ResendCount(req *http.Request) int {
	if s.RoundTrips != nil {
		return int(s.RoundTrips.Add(1)) - 1
	}
	if req.Response == nil {
		return 0
	}
	return redirects(req)
}
