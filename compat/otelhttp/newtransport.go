//go:build !otelhttp_options

package otelhttp

import (
	// The name lets go fix remove the import where it is not needed.
	http "net/http"

	"github.com/otelhttpclient/otelhttpclient"
)

// NewTransport returns a Transport that sends requests through base. A nil base
// means [http.DefaultTransport].
//
// The default transport, the global MeterProvider and the global propagator are
// looked up for each request. The original looks them up once, here.
//
//go:fix inline
func NewTransport(base http.RoundTripper, opts ...Option) *Transport {
	return otelhttpclient.NewTransport(base, opts...)
}
