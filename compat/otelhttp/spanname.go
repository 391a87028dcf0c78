package otelhttp

import (
	"net/http"

	"github.com/otelhttpclient/otelhttpclient"
)

// WithSpanNameFormatter sets the function that names spans. The operation is
// always empty, as it is for clients in the original. The default name applies if
// f is nil, panics or returns an empty name. A nil f is reported to otel.Handle
// for each request.
//
//go:fix inline
func WithSpanNameFormatter(f func(operation string, r *http.Request) string) Option {
	return otelhttpclient.WithSpanNameFormatter(func(r *http.Request) string { return f("", r) })
}
