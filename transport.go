package otelhttpclient

import (
	"context"
	"errors"
	"net/http"
)

// Transport is an [http.RoundTripper] that traces and measures requests. For
// each request that it sends through base it starts an OpenTelemetry CLIENT
// span, records the duration metric, and injects the span's context into the
// request's headers.
//
// The zero Transport is ready to use and works like NewTransport(nil). A
// Transport is safe for concurrent use. It must not be copied.
type Transport struct {
	wrapped http.RoundTripper
	tracing *instrumentation // nil in a zero Transport

	ofClient bool // created by InstrumentClient
}

// NewTransport returns a Transport that sends requests through base. A nil base
// means [http.DefaultTransport], looked up for each request. Nil options are
// ignored.
//
// Unless an option says otherwise, the Transport uses the global MeterProvider
// and propagator that are installed when a request starts. See
// [WithTracerProvider] for the tracer.
//
// The span is a child of the span in the request's context. It starts before
// base obtains a connection and ends once:
//   - with the error that base returns;
//   - at the headers of a response without a body;
//   - else at the body's EOF, its read error or its Close, whichever is first
//     (see [WithSpanEnd]).
//
// If the body is neither read to its end nor closed, the span ends when the
// garbage collector finds the body.
//
// Nested Transports create one span for a request that is sent once. The
// outermost creates it. If base sends the request again, or follows a redirect,
// the Transport below creates a child span for each attempt; resends have
// http.request.resend_count. The span of the first attempt is created when the
// resend starts, with the attempt's own times. Request and response hooks do
// not run for it. With one MeterProvider, each attempt is measured once. Other
// requests that base sends with the same context have their own spans. A copy
// of the request is recognized by the headers that the propagator wrote, and
// without a propagator by its URL and body.
//
// Requests of the OpenTelemetry SDK itself are sent unchanged and are neither
// traced nor measured: those of exporters, of processors of spans and logs, and
// of samplers. Each traced export would cause another export. Such a request is
// recognized by the SDK's functions on its goroutine's stack, if its context
// has no span. An exporter that sends from a goroutine of its own is not
// recognized: give it an untraced client, or exclude its URL with
// [ExcludeURLs].
//
// base gets a copy of the request. The deprecated method CancelRequest of base
// compares request pointers, and so has no effect; cancel the context instead.
func NewTransport(base http.RoundTripper, opts ...Option) *Transport {
	return &Transport{wrapped: base, tracing: newInstrumentation(opts)}
}

// RoundTrip sends req through base and returns base's error unchanged. The
// response is a copy of base's, with a body that ends the span. RoundTrip never
// modifies req or base's response. Requests rejected by a [Filter], and
// requests whose context comes from [ContextWithoutTracing], go to base
// unchanged.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	p := call{caller: req, sent: req, transportID: t}
	t.route(&p)
	defer p.endUnlessReturned()
	p.start()
	resp, err := p.base.RoundTrip(p.sent)
	return p.finish(resp, err)
}

// route sets p.base and p.in. If p.in stays nil, the request is not observed.
func (t *Transport) route(p *call) {
	p.base = t.wrapped
	if p.base == nil {
		p.base = t.Unwrap()
	}
	switch {
	case p.base == nil:
		p.base = absentBase{}
		return
	case p.caller == nil:
		return // for base to reject
	}
	p.in = t.tracing
	if p.in == nil {
		p.in = defaultInstrumentation()
	}
	if t.wrapped == nil {
		if _, known := p.base.(*http.Transport); !known {
			t.routeThroughDefault(p)
		}
	}
}

// routeThroughDefault handles a default transport that is not net/http's. It may
// be a wrapper around this very Transport, which would recurse forever through its
// nil base. So the request's context is marked, and a marked request goes
// through net/http's own transport.
func (t *Transport) routeThroughDefault(p *call) {
	type key struct{ t *Transport }
	type mark struct{ _ byte }
	ctx := p.caller.Context()
	if m, ok := ctx.Value(key{t}).(*mark); ok {
		p.base, p.transportID = initialDefault, m
		return
	}
	p.sent = p.caller.WithContext(context.WithValue(ctx, key{t}, new(mark)))
}

// Unwrap returns the RoundTripper that requests go through: the base given to
// [NewTransport], or for a nil base the current [http.DefaultTransport].
func (t *Transport) Unwrap() http.RoundTripper {
	if t.wrapped != nil {
		return t.wrapped
	}
	// A Transport with a nil base may itself be the default transport. It must
	// not call itself.
	if d, ok := http.DefaultTransport.(*Transport); ok && d.wrapped == nil {
		return initialDefault
	}
	return http.DefaultTransport
}

// WrappedRoundTripper returns the same as Unwrap. Kubernetes' client-go finds
// the wrapped transport by this name.
func (t *Transport) WrappedRoundTripper() http.RoundTripper { return t.Unwrap() }

// CloseIdleConnections calls base's method of that name, if it has one, so that
// [http.Client.CloseIdleConnections] works.
func (t *Transport) CloseIdleConnections() {
	if c, ok := t.Unwrap().(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// initialDefault is net/http's own default transport.
var initialDefault = http.DefaultTransport

// absentBase takes the place of a missing base. It closes the request's body, as
// every RoundTripper must.
type absentBase struct{}

var errNoBase = errors.New("otelhttpclient: no base RoundTripper: NewTransport was given nil and http.DefaultTransport is nil")

func (absentBase) RoundTrip(req *http.Request) (*http.Response, error) {
	if req != nil && req.Body != nil {
		_ = req.Body.Close()
	}
	return nil, errNoBase
}

var _ http.RoundTripper = (*Transport)(nil)
