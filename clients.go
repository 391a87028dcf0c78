package otelhttpclient

import (
	"errors"
	"net/http"

	"go.opentelemetry.io/otel"

	"github.com/otelhttpclient/otelhttpclient/internal/defaultroute"
)

// InstrumentClient wraps the client's transport in a [Transport]. A nil client
// is ignored. It must not be called while the client is in use.
//
// A client that already has a Transport keeps it, with its options. Options
// given for such a client are ignored and reported to [otel.Handle]. To change
// them, call [UninstrumentClient] first.
func InstrumentClient(c *http.Client, opts ...Option) {
	if c == nil {
		return
	}
	if _, instrumented := c.Transport.(*Transport); instrumented {
		if len(opts) > 0 {
			otel.Handle(errors.New("otelhttpclient: InstrumentClient: the client is already instrumented and keeps its options: call UninstrumentClient first"))
		}
		return
	}
	t := NewTransport(c.Transport, opts...)
	t.ofClient = true
	c.Transport = t
}

// UninstrumentClient restores the transport that a client had before
// [InstrumentClient]. Other clients are not changed. Requests in flight keep
// their spans.
func UninstrumentClient(c *http.Client) {
	if c == nil {
		return
	}
	if t, ok := c.Transport.(*Transport); ok && t.ofClient {
		c.Transport = t.wrapped
	}
}

// InstrumentDefault traces requests through [http.DefaultTransport]: http.Get
// and the like, and every client with a nil Transport. It works even if the
// default transport was used or cloned before. Options are those of
// [NewTransport].
//
// It sets http.DefaultTransport to a new *http.Transport with the settings and
// registered protocols of the current one, which uninstrument restores. Later
// changes to the new transport's settings take effect for traced requests. Its
// Clone method returns an untraced transport. Both support HTTP/2 if the
// original does.
//
// uninstrument stops tracing new requests. It also restores the original,
// unless http.DefaultTransport was replaced in the meantime. Settings and
// protocols of the new transport are not copied back. Further calls are no-ops.
//
// InstrumentDefault and uninstrument may be called concurrently. But they
// assign to the variable http.DefaultTransport, which has no lock, so no other
// goroutine may start a request through it meanwhile. Requests in flight are
// unaffected and keep their spans.
//
// InstrumentDefault returns an error, and changes nothing, if
// http.DefaultTransport is
//   - nil, or not a *http.Transport: use [NewTransport] with it;
//   - already instrumented: call uninstrument first;
//   - a transport with an application's own RoundTripper for http or https, set
//     with RegisterProtocol: net/http has no API to copy it, so requests would
//     bypass it. Use [InstrumentClient]. HTTP/2 set up by net/http or by
//     golang.org/x/net/http2 is supported.
//
// Clients with their own transport are not traced. That includes clones of
// http.DefaultTransport: libraries that clone it are not traced. Those that use
// http.DefaultTransport itself unless it is a *http.Transport are traced after
//
//	http.DefaultTransport = otelhttpclient.NewTransport(http.DefaultTransport)
//
// But some libraries then create an untraced transport, and unchecked type
// assertions to *http.Transport panic.
//
// OpenTelemetry exporters that use the default transport are not traced (see
// [NewTransport]) unless they send from a goroutine of their own. Such an
// exporter would export the spans of its own exports endlessly, and with a
// simple processor a span's End may never return. Give it an untraced client:
//
//	&http.Client{Transport: http.DefaultTransport.(*http.Transport).Clone()}
//
// or exclude its URL with [ExcludeURLs] or OTEL_GO_EXCLUDED_URLS. Requests of
// resource detectors are traced like those of the application.
//
// Limits, compared with an uninstrumented default transport:
//   - https requests that upgrade to WebSocket are sent but not traced. Use
//     [NewTransport] for them.
//   - Requests that net/http rejects immediately, such as those with an invalid
//     header, are not traced.
//   - Response.Request is the caller's *http.Request only for requests without
//     a body. For requests with a body it is a shallow copy.
//   - NewClientConn returns untraced connections, which speak HTTP/1.1 only.
//     Call it on a clone for HTTP/2.
//   - The deprecated CancelRequest has no effect.
//   - A clone's TLSClientConfig has no NextProtos (h2, http/1.1) until the
//     clone is used: with them, a clone with HTTP/2 disabled fails.
//   - RegisterProtocol panics for http and https, as for any registered scheme.
//     So call golang.org/x/net/http2's ConfigureTransport before
//     InstrumentDefault. Afterwards, it returns an error with Go 1.26, and has
//     no effect after the first request with Go 1.27.
//   - Under GODEBUG=http2client=0, CloseIdleConnections has no effect.
func InstrumentDefault(opts ...Option) (uninstrument func(), err error) {
	return defaultroute.Install(func(inner http.RoundTripper) http.RoundTripper {
		return NewTransport(inner, opts...)
	})
}
