package otelhttpclient

import "net/http"

// InstrumentClient wraps the transport of a client. A client that has a
// [Transport] already, and a nil client, is left as it is. It must not be
// called while the client is in use.
func InstrumentClient(c *http.Client, opts ...Option) {
	if c == nil {
		return
	}
	if _, done := c.Transport.(*Transport); done {
		return
	}
	t := NewTransport(c.Transport, opts...)
	t.ofClient = true
	c.Transport = t
}

// UninstrumentClient gives a client back the transport that it had before
// [InstrumentClient]. Any other client is left as it is. Requests that are
// under way keep their spans.
func UninstrumentClient(c *http.Client) {
	if c == nil {
		return
	}
	if t, ok := c.Transport.(*Transport); ok && t.ofClient {
		c.Transport = t.wrapped
	}
}
