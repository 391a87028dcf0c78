//go:build !otelhttp_options

package otelhttp

import (
	nethttp "net/http" // renamed as in options.go

	"github.com/otelhttpclient/otelhttpclient"
)

// NewTransport returns a Transport that sends requests through base. A nil base
// means [nethttp.DefaultTransport].
//
// The default transport, the global MeterProvider and the global propagator are
// looked up for each request. The original looks them up once, here.
//
//go:fix inline
func NewTransport(base nethttp.RoundTripper, opts ...Option) *Transport {
	return otelhttpclient.NewTransport(base, opts...)
}
