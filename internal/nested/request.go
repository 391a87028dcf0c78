// Package nested finds out which telemetry of a request a Transport records where
// Transports are nested. It is given requests and their contexts, in which outer
// Transports leave what they send and applications their settings. It does not know
// spans or how anything is recorded.
package nested

import (
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/otel/metric"

	"github.com/otelhttpclient/otelhttpclient/internal/identity"
	"github.com/otelhttpclient/otelhttpclient/internal/semconv"
	"github.com/otelhttpclient/otelhttpclient/internal/tracers"
)

// Transports may be nested: a client's own, a library's, the default one. The
// outermost creates the span of a request, and the request passes through the inner
// ones. But base may also send the request again, refresh a cache with its context
// later, or fetch a token first. Each of these has a span and headers of its own.

// Request is a request that a Transport sends. Inner Transports find it in the
// context.
type Request struct {
	Tracer   *tracers.Tracer
	Observer Observer // nil: nothing is recorded
	Returned atomic.Bool
	// ActiveOuter: an outer Transport counts the request as active.
	ActiveOuter bool

	excluded  bool                         // the propagation targets exclude the host, here or below
	cameBack  bool                         // an inner Transport has returned it
	request   atomic.Pointer[http.Request] // the copy that base gets; nil until it is complete
	caller    *Settings
	values    [3]string // values of injected headers that identify the span
	resend    int32     // its number: 0 for the first attempt
	sendings  int32     // how often it was sent
	mu        sync.Mutex
	innermost atomic.Pointer[passage] // changed under mu
}

// Observer is what a Transport records of a request.
type Observer interface {
	Recording() bool                   // of the span
	Instruments() *semconv.Instruments // nil: it is not measured
}

// Attempt is the first sending of a request through an inner Transport.
type Attempt interface {
	// SentAgain is called once, when the request is sent again, before anything is
	// sent. measured: the attempt is to be measured.
	SentAgain(outer *Request, measured bool)
}

// passage lists the Transports that a request has passed through, the innermost
// first. The lock of the request protects it.
type passage struct {
	transportID any
	meter       *semconv.Instruments // that measures the request there; nil: none does
	before      *passage

	first      Attempt // if it may get telemetry of its own
	firstMeter *semconv.Instruments
}

// find returns the entry of a Transport, or nil.
func (p *passage) find(transportID any) *passage {
	for p != nil && p.transportID != transportID {
		p = p.before
	}
	return p
}

// measured returns instruments of this provider that measure the request, or nil.
func (p *passage) measured(provider metric.MeterProvider) *semconv.Instruments {
	for ; p != nil; p = p.before {
		if p.meter.IsOf(provider) {
			return p.meter
		}
	}
	return nil
}

// reveal returns the first attempt, as the request is sent again, and whether it
// is to be measured now.
func (p *passage) reveal() (first Attempt, measured bool) {
	if p == nil || p.first == nil {
		return nil, false
	}
	if m := p.firstMeter; m != nil && p.before.measured(m.Provider()) == nil {
		p.meter, measured = m, true
	}
	return p.first, measured
}

// recording reports whether the span of the request is recorded.
func (r *Request) recording() bool { return r.Observer != nil && r.Observer.Recording() }

// meter returns the instruments that measure the request in its Transport, if
// they are this provider's, or nil.
func (r *Request) meter(provider metric.MeterProvider) *semconv.Instruments {
	if r.Observer == nil {
		return nil
	}
	if m := r.Observer.Instruments(); m.IsOf(provider) {
		return m
	}
	return nil
}

// MeasuredInside returns the instruments of this provider by which an inner
// Transport measures each attempt, or nil.
func (r *Request) MeasuredInside(provider metric.MeterProvider) *semconv.Instruments {
	if r.innermost.Load() == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.innermost.Load().measured(provider)
}

// relation relates a request to the one that an outer Transport sends.
type relation int

const (
	unrelated    relation = iota
	firstSending          // the request itself
	sentAgain             // the request once more, or a redirect of it
)

// relation returns the relation of req, its number as a resend, and its entry
// among the Transports that it passes through.
func (r *Request) relation(req *http.Request, transportID any) (relation, int, *passage) {
	sent := r.request.Load()
	if sent == nil || r.Returned.Load() {
		return unrelated, 0, nil
	}
	redirect := req.Response != nil && req.Response != sent.Response
	r.mu.Lock()
	same := r.isCopy(req, sent)
	innermost := r.innermost.Load()
	// It is a resend if it has come back, or if it passes through the same
	// Transport once more, as concurrent attempts do.
	p := innermost.find(transportID)
	known := p != nil
	if !same && (redirect || !known || !sameTarget(sent, req)) { // a retry may be built anew
		r.mu.Unlock()
		return unrelated, 0, nil
	}
	if !known {
		p = &passage{transportID: transportID, before: innermost}
		r.innermost.Store(p)
	}
	if !redirect && (r.sendings == 0 || !known && !r.cameBack) {
		r.sendings = max(r.sendings, 1)
		r.mu.Unlock()
		return firstSending, int(r.resend), p
	}
	r.sendings = max(r.sendings, 1) + 1
	resend := int(r.resend + r.sendings - 1)
	var first Attempt
	var measured bool
	if r.sendings == 2 {
		first, measured = innermost.reveal()
	}
	r.mu.Unlock()
	if first != nil {
		first.SentAgain(r, measured)
	}
	return sentAgain, resend, p
}

// isCopy reports whether req is the request that is being sent, a copy of it, or a
// redirect of it. These carry the injected headers, which identify this span, even if
// the URL was rewritten. If nothing was injected, a copy has the same URL and body:
// the same URL alone may be another call, such as a login by JSON-RPC. A redirect
// leads back to a copy then.
func (r *Request) isCopy(req, sent *http.Request) bool {
	if req == sent {
		return true
	}
	if copied, injected := r.copied(req.Header, sent.Header); copied || injected && !r.excluded {
		return copied
	}
	for range MostRedirects {
		if req.Response == nil || req.Response == sent.Response || req.Response.Request == nil {
			break
		}
		req = req.Response.Request
	}
	return req.Response == sent.Response && sameTarget(sent, req) && sameBody(sent, req)
}

// copied reports whether header has all that the propagator wrote into the
// header sent, and whether it wrote anything that identifies the span.
func (r *Request) copied(header, sent http.Header) (copied, injected bool) {
	for key, v := range sent {
		if !r.isInjected(v) {
			continue
		}
		injected = true
		if header.Get(key) != v[0] {
			return false, true
		}
	}
	return injected, injected
}

// LacksHeaders reports whether nothing was injected although the host is a target.
func (r *Request) LacksHeaders() bool {
	sent := r.request.Load()
	if sent == nil || r.isExcluded() {
		return false
	}
	_, injected := r.copied(nil, sent.Header)
	return !injected
}

func (r *Request) isExcluded() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.excluded
}

// Exclude records that an inner Transport excludes the host: those inside it get a
// request without the headers that identify this span.
func (r *Request) Exclude() {
	r.mu.Lock()
	r.excluded = true
	r.mu.Unlock()
}

// CameBack records that an inner Transport has returned, so that what follows is a
// resend.
func (r *Request) CameBack() {
	r.mu.Lock()
	r.cameBack = true
	r.mu.Unlock()
}

// isInjected reports whether the propagator wrote these values of a header: their
// memory is here.
func (r *Request) isInjected(v []string) bool {
	if len(v) != 1 {
		return false
	}
	for i := range r.values {
		if &v[0] == &r.values[i] {
			return true
		}
	}
	return false
}

func sameTarget(a, b *http.Request) bool {
	return a.Method == b.Method && sameURL(a.URL, b.URL)
}

func sameURL(a, b *url.URL) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a == b || *a == *b || a.String() == b.String()
}

func sameBody(a, b *http.Request) bool {
	return hasBody(a) == hasBody(b) && (!hasBody(a) || identity.Same(a.Body, b.Body))
}

func hasBody(r *http.Request) bool { return r.Body != nil && r.Body != http.NoBody }
