package nested

import (
	"context"
	"net/http"
	"slices"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
)

// contextKey is the only context key of this library, so that one lookup finds its
// value: *Settings, or the *Request of an outer Transport.
type contextKey struct{}

// Settings are the application's settings for the requests of a context.
type Settings struct {
	Untraced      bool
	PropagateOnly bool
	Template      string
	Attributes    []attribute.KeyValue
	RoundTrips    *atomic.Int64 // counter of ContextWithRetries, or nil

	// outer is the request that an outer Transport is sending with this context. Its
	// own settings are not included in these.
	outer *Request
}

// merge returns the settings with the attributes and the template that code between
// two Transports added to the context.
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

// NoSettings are the settings of a context without any.
var NoSettings Settings

// From returns the settings of a context, and the request that an outer Transport is
// sending with it, or nil.
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

// ResendCount counts a request that no outer Transport is sending, and returns its
// number as a resend: 0 for the first attempt.
func (s *Settings) ResendCount(req *http.Request) int {
	if s.RoundTrips != nil {
		return int(s.RoundTrips.Add(1)) - 1
	}
	if req.Response == nil {
		return 0
	}
	return countRedirects(req)
}
