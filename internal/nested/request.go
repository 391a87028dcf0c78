// Package nested determines which telemetry of a request a Transport records if
// Transports are nested. It is given requests and their contexts, which carry the
// request that an outer Transport is sending and the application's settings. It does
// not know spans, or how telemetry is recorded.
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
// outermost creates the span of a request, and the inner ones pass the request on.
// But base may also send the request again, refresh a cache later with the same
// context, or fetch a token first. Each of these requests has its own span and
// headers.

// Request is the request that a Transport is sending. Inner Transports find it in
// the context.
type Request struct {
	Tracer   *tracers.Tracer
	Observer Observer // nil: no telemetry is recorded
	Returned atomic.Bool
	// ActiveOuter: an outer Transport counts the request as active.
	ActiveOuter bool

	excluded     bool                         // the targets of this or an inner Transport exclude the host
	injected     bool                         // the propagator wrote values that identify the span
	returnedOnce bool                         // an inner Transport has returned it
	request      atomic.Pointer[http.Request] // the copy that base gets; nil until Complete
	settings     *Settings
	values       [3]string // values of injected headers that identify the span
	resend       int32     // number as a resend: 0 for the first attempt
	sentCount    int32     // number of attempts
	mu           sync.Mutex
	innermost    atomic.Pointer[innerTransport] // changed under mu
}

// Observer reports which telemetry of a request a Transport records.
type Observer interface {
	Recording() bool                   // the span is recording
	Instruments() *semconv.Instruments // nil: the request is not measured
}

// Attempt is the first attempt of a request in an inner Transport.
type Attempt interface {
	// SentAgain is called once, before the request is sent for the second time.
	// measured: the attempt must be measured.
	SentAgain(outer *Request, measured bool)
}

// innerTransport is an element of the list of Transports that have passed a request
// on, the innermost first. Request.mu protects it.
type innerTransport struct {
	transportID any
	meter       *semconv.Instruments // instruments that measure the request there, or nil
	outward     *innerTransport

	attempt      Attempt // nil unless it may get its own telemetry
	attemptMeter *semconv.Instruments
}

// find returns the element of a Transport, or nil.
func (p *innerTransport) find(transportID any) *innerTransport {
	for p != nil && p.transportID != transportID {
		p = p.outward
	}
	return p
}

// measuredWith returns the instruments of this provider that measure the request, or
// nil.
func (p *innerTransport) measuredWith(provider metric.MeterProvider) *semconv.Instruments {
	for ; p != nil; p = p.outward {
		if p.meter.IsOf(provider) {
			return p.meter
		}
	}
	return nil
}

// pendingAttempt returns the first attempt, or nil, and whether it must be measured
// because the request is sent again.
func (p *innerTransport) pendingAttempt() (first Attempt, measured bool) {
	if p == nil || p.attempt == nil {
		return nil, false
	}
	if m := p.attemptMeter; m != nil && p.outward.measuredWith(m.Provider()) == nil {
		p.meter, measured = m, true
	}
	return p.attempt, measured
}

// recording reports whether the request's span is recording.
func (r *Request) recording() bool { return r.Observer != nil && r.Observer.Recording() }

// instrumentsOf returns the instruments of this provider that measure the request in
// its own Transport, or nil.
func (r *Request) instrumentsOf(provider metric.MeterProvider) *semconv.Instruments {
	if r.Observer == nil {
		return nil
	}
	if m := r.Observer.Instruments(); m.IsOf(provider) {
		return m
	}
	return nil
}

// MeasuredInside returns the instruments of this provider with which an inner
// Transport measures each attempt, or nil.
func (r *Request) MeasuredInside(provider metric.MeterProvider) *semconv.Instruments {
	if r.innermost.Load() == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.innermost.Load().measuredWith(provider)
}

// relation relates a request to the one that an outer Transport is sending.
type relation int

const (
	unrelated    relation = iota
	firstAttempt          // the request for the first time
	resent                // the request again, or a redirect of it
)

// relate returns the relation of req, its number as a resend, and the list element
// of the Transport that gets it.
func (r *Request) relate(req *http.Request, transportID any) (relation, int, *innerTransport) {
	sent := r.request.Load()
	if sent == nil || r.Returned.Load() {
		return unrelated, 0, nil
	}
	redirect := req.Response != nil && req.Response != sent.Response
	r.mu.Lock()
	same := r.isCopy(req, sent)
	innermost := r.innermost.Load()
	// It is a resend if an inner Transport has returned it, or if the same Transport
	// gets it again, as with concurrent attempts.
	p := innermost.find(transportID)
	known := p != nil
	if !same && (redirect || !known || !sameTarget(sent, req)) { // a retry may be a new request
		r.mu.Unlock()
		return unrelated, 0, nil
	}
	if !known {
		p = &innerTransport{transportID: transportID, outward: innermost}
		r.innermost.Store(p)
	}
	if !redirect && (r.sentCount == 0 || !known && !r.returnedOnce) {
		r.sentCount = max(r.sentCount, 1)
		r.mu.Unlock()
		return firstAttempt, int(r.resend), p
	}
	r.sentCount = max(r.sentCount, 1) + 1
	resend := int(r.resend + r.sentCount - 1)
	var first Attempt
	var measured bool
	if r.sentCount == 2 {
		first, measured = innermost.pendingAttempt()
	}
	r.mu.Unlock()
	if first != nil {
		first.SentAgain(r, measured)
	}
	return resent, resend, p
}

// isCopy reports whether req is the request that is being sent, a copy of it, or a
// redirect of it. They have the injected headers, which identify this span, even if
// the URL was rewritten. Without injected headers, a copy has the same URL and body:
// a request with the same URL alone may be another call, such as a login by
// JSON-RPC. A redirect then leads back to a copy.
func (r *Request) isCopy(req, sent *http.Request) bool {
	if req == sent {
		return true
	}
	if same, injected := r.hasInjected(req.Header, sent.Header); same || injected && !r.excluded {
		return same
	}
	for range MostRedirects {
		if req.Response == nil || req.Response == sent.Response || req.Response.Request == nil {
			break
		}
		req = req.Response.Request
	}
	return req.Response == sent.Response && sameTarget(sent, req) && sameBody(sent, req)
}

// hasInjected reports whether header has all values in sent that identify the span,
// and whether any were injected.
func (r *Request) hasInjected(header, sent http.Header) (same, injected bool) {
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
	return r.request.Load() != nil && !r.injected && !r.isExcluded()
}

func (r *Request) isExcluded() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.excluded
}

// Exclude records that an inner Transport excludes the host: the Transports inside
// it get a request without the headers that identify this span.
func (r *Request) Exclude() {
	r.mu.Lock()
	r.excluded = true
	r.mu.Unlock()
}

// CameBack records that an inner Transport has returned, so that the next request is
// a resend.
func (r *Request) CameBack() {
	r.mu.Lock()
	r.returnedOnce = true
	r.mu.Unlock()
}

// isInjected reports whether the propagator wrote this value of a header: then it is
// an element of r.values.
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
