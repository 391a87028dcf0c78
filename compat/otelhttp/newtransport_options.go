//go:build otelhttp_options

package otelhttp

import (
	"net/http"

	"github.com/otelhttpclient/otelhttpclient"
)

// NewTransport is not inlined here, so that go fix can inline the calls in its
// arguments. See the package documentation.
func NewTransport(base http.RoundTripper, opts ...Option) *Transport {
	return otelhttpclient.NewTransport(base, opts...)
}
