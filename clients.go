package otelhttpclient

import (
	"errors"
	"net/http"

	"go.opentelemetry.io/otel"
)

// InstrumentClient wraps the client's transport in a [Transport]. A nil client
// is ignored. It must not be called while the client is in use.
//
// A client whose transport is a Transport already keeps it, with its options.
// Options given for such a client have no effect, which is reported to
// [otel.Handle]: call [UninstrumentClient] first to change them.
func InstrumentClient(c *http.Client, opts ...Option) {
	if c == nil {
		return
	}
	if _, instrumented := c.Transport.(*Transport); instrumented {
		if len(opts) > 0 {
			otel.Handle(errors.New("otelhttpclient: InstrumentClient: the client is instrumented already, and keeps its options: call UninstrumentClient first"))
		}
		return
	}
	t := NewTransport(c.Transport, opts...)
	t.ofClient = true
	c.Transport = t
}

// UninstrumentClient restores the transport that a client had before
// [InstrumentClient]. Other clients are left as they are. Requests in flight
// keep their spans.
func UninstrumentClient(c *http.Client) {
	if c == nil {
		return
	}
	if t, ok := c.Transport.(*Transport); ok && t.ofClient {
		c.Transport = t.wrapped
	}
}
