package otelhttpclient

import (
	"context"
	"errors"
	"io"
	"net/http"
)

// Transport is an [http.RoundTripper] that records one OpenTelemetry CLIENT
// span, and the duration metric, for every request that it sends through the
// RoundTripper it wraps, and hands the span's context on in the request's
// headers.
//
// The zero Transport is ready to use and works like NewTransport(nil). A
// Transport is safe for concurrent use and has to be used by pointer.
type Transport struct {
	wrapped http.RoundTripper
	tracing *instrumentation // nil in a zero Transport

	ofClient bool // made by InstrumentClient
}

// NewTransport returns a Transport that sends requests through base.
//
// base gets a copy of the request. So the deprecated CancelRequest method of
// base, which goes by the request's identity, has no effect: use the context.
//
// A nil base means [http.DefaultTransport], looked up anew for each request. A
// nil option is ignored. Meter provider and propagator are the global ones,
// whichever are installed when a request is made, unless an option says
// otherwise; for the tracer provider see [WithTracerProvider].
//
// Nested Transports make one span for one sending of one request: the outermost
// makes it. A request that is sent again below has a span of its own, with
// http.request.resend_count, and so has any other request that base makes with
// the same context. A copy of the request is recognized by the headers that the
// propagator wrote; without a propagator, by its URL and body.
//
// The span is a child of the span in the request's context, starts before a
// connection is asked for, and ends once: with the error that base returns; at
// the headers of a response without a body; else at the body's EOF, its read
// error or its Close, whichever is first (see [WithSpanEnd]). A body that is
// neither read to its end nor closed ends its span when the garbage collector
// finds it.
func NewTransport(base http.RoundTripper, opts ...Option) *Transport {
	return &Transport{wrapped: base, tracing: newInstrumentation(opts)}
}

// RoundTrip sends req through base and returns what base returns: the same
// error value, and the response with its body wrapped so that the span ends
// when the body does. It never modifies req. Requests that a [Filter] rejects,
// or whose context comes from [ContextWithoutTracing], go to base untouched.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	base := t.Unwrap()
	if base == nil {
		closeRequestBody(req)
		return nil, errNoBase
	}
	if req == nil {
		return base.RoundTrip(req)
	}
	if _, known := base.(*http.Transport); t.wrapped == nil && !known {
		return t.throughDefault(base, req)
	}
	return t.roundTrip(base, req, t)
}

func (t *Transport) roundTrip(base http.RoundTripper, req *http.Request, passer any) (*http.Response, error) {
	rt, passing, sent := t.instrumentation().begin(req, passer)
	if rt == nil {
		resp, err := base.RoundTrip(sent)
		if passing != nil {
			passing.cameBack()
		} else if above := stateFrom(sent.Context()).above; above != nil && above.request.Load() == sent {
			above.returned.Store(true) // of a span that the sampler has dropped
		}
		return restoreRequest(resp, sent, req), err
	}
	return rt.send(base, req, sent)
}

// throughDefault sends a request through a default transport that is not
// net/http's. That may be a wrapper around this very Transport, whose nil base
// would lead back to it without end: a request that comes here again goes
// through net/http's own.
func (t *Transport) throughDefault(base http.RoundTripper, req *http.Request) (*http.Response, error) {
	type key struct{ t *Transport }
	type passage struct{ _ byte }
	ctx := req.Context()
	if p, ok := ctx.Value(key{t}).(*passage); ok {
		return t.roundTrip(initialDefault, req, p)
	}
	marked := req.WithContext(context.WithValue(ctx, key{t}, new(passage)))
	resp, err := t.roundTrip(base, marked, t)
	return restoreRequest(resp, marked, req), err
}

// CloseIdleConnections calls the method of that name on base, where base has
// it, so that [http.Client.CloseIdleConnections] reaches the connections.
func (t *Transport) CloseIdleConnections() {
	if c, ok := t.Unwrap().(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// Unwrap returns the RoundTripper that requests go through: the base given to
// [NewTransport], or for a nil base what [http.DefaultTransport] is now.
func (t *Transport) Unwrap() http.RoundTripper {
	if t.wrapped != nil {
		return t.wrapped
	}
	// A program may make a Transport with a nil base its default transport.
	// The default must not call itself then.
	if d, ok := http.DefaultTransport.(*Transport); ok && d.wrapped == nil {
		return initialDefault
	}
	return http.DefaultTransport
}

// initialDefault is net/http's own default transport.
var initialDefault = http.DefaultTransport

var errNoBase = errors.New("otelhttpclient: no base RoundTripper: NewTransport was given nil and http.DefaultTransport is nil")

func (t *Transport) instrumentation() *instrumentation {
	if t.tracing != nil {
		return t.tracing
	}
	return defaultInstrumentation()
}

// closeRequestBody keeps the RoundTripper's promise that the body is closed,
// for the paths that never reach base.
func closeRequestBody(req *http.Request) {
	if req != nil && req.Body != nil {
		_ = req.Body.Close()
	}
}

var (
	_ http.RoundTripper = (*Transport)(nil)
	_ io.Closer         = (*responseBody)(nil)
)
