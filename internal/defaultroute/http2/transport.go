// Package http2 has the type by which net/http's client knows a RoundTripper that
// ends requests with their context.
package http2

import "net/http"

// Transport is a RoundTripper that ends a request when its context ends. Its name
// matters: http.Client gives requests with a Client.Timeout a context with a
// deadline. To RoundTrippers that it does not know, it also gives the deprecated
// Request.Cancel, which it closes at the same time. The error's text depends on
// which of the two is first. It knows its own RoundTrippers, and every type that
// reflect prints as *http2.Transport.
type Transport struct{ http.RoundTripper }

// CloseIdleConnections calls the RoundTripper's method of that name.
func (t *Transport) CloseIdleConnections() {
	if c, ok := t.RoundTripper.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}
