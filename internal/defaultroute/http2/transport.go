// Package http2 has the type that net/http's client recognizes as a RoundTripper that
// ends requests with their context. It is given such a RoundTripper.
package http2

import "net/http"

// Transport is a RoundTripper that ends a request when its context ends. Its name
// matters: for Client.Timeout, http.Client gives requests a context with a deadline.
// For unrecognized RoundTrippers it also sets the deprecated Request.Cancel, which it
// closes at the same time; the text of the error depends on which takes effect first.
// It recognizes its own RoundTrippers, and every type that reflect prints as
// *http2.Transport.
type Transport struct{ http.RoundTripper }

// CloseIdleConnections calls the RoundTripper's method of that name.
func (t *Transport) CloseIdleConnections() {
	if c, ok := t.RoundTripper.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}
