package otelhttpclient

import (
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/otel/metric"

	"github.com/otelhttpclient/otelhttpclient/internal/identity"
	"github.com/otelhttpclient/otelhttpclient/internal/tracers"
)

// Transports may be nested: a client's own, a library's, the default one. The
// outermost creates the span of a request, and the request passes through the inner
// ones. But base may also send the request again, refresh a cache with its context
// later, or fetch a token first. Each of these has a span and headers of its own.

// sending is a request that a Transport is sending. Inner Transports find it in the
// request's context.
type sending struct {
	request  atomic.Pointer[http.Request] // the copy that base gets; nil until it is complete
	tracer   *tracers.Tracer
	caller   *contextState
	exchange *exchange // nil: nothing is recorded
	values   [3]string // values of injected headers that identify the span
	ordinal  int32     // of a resend
	returned atomic.Bool

	activeOuter bool // an outer Transport counts it as active

	excluded bool  // the propagation targets exclude the host, here or below
	back     bool  // an inner Transport has returned it
	times    int32 // how often it was sent
	mu       sync.Mutex
	passed   atomic.Pointer[innerTransport] // changed under mu
}

// innerTransport lists the Transports that a sending has passed through, the
// innermost first. The lock of the sending guards it.
type innerTransport struct {
	transportID any
	meter       *instruments // that measures the sending there; nil: none does
	first       *attempt     // of the first sending, if it may get telemetry of its own
	before      *innerTransport
}

// find returns the entry of a Transport, or nil.
func (p *innerTransport) find(transportID any) *innerTransport {
	for p != nil && p.transportID != transportID {
		p = p.before
	}
	return p
}

// measured returns instruments of this provider that measure the sending, or
// nil.
func (p *innerTransport) measured(provider metric.MeterProvider) *instruments {
	for ; p != nil; p = p.before {
		if p.meter != nil && identity.Same(p.meter.provider, provider) {
			return p.meter
		}
	}
	return nil
}

// recording reports whether the span of the sending is recorded.
func (s *sending) recording() bool { return s.exchange != nil && s.exchange.recording }

// meter returns the instruments that measure the sending in its Transport, if
// they are this provider's, or nil.
func (s *sending) meter(provider metric.MeterProvider) *instruments {
	if s.exchange == nil || s.exchange.meter == nil || !identity.Same(s.exchange.meter.provider, provider) {
		return nil
	}
	return s.exchange.meter
}

// measuredInside returns the instruments of this provider by which an inner Transport
// measures each attempt of the sending, or nil.
func (s *sending) measuredInside(provider metric.MeterProvider) *instruments {
	if s.passed.Load() == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.passed.Load().measured(provider)
}

// returnedOnce records that an inner Transport has returned, so that what follows is
// a resend.
func (s *sending) returnedOnce() {
	s.mu.Lock()
	s.back = true
	s.mu.Unlock()
}

// role says which telemetry of a request this Transport records.
type role struct {
	none    bool            // the outer Transport does everything, unless the request is sent again
	ordinal int             // of a resend, or 0, or unknownOrdinal
	state   *contextState   // from the request's context
	passed  *innerTransport // nil: no outer Transport sends the request
}

// roleOf returns the role of a Transport that gets a request with this state in its
// context, and what an outer Transport is sending with it.
func roleOf(state *contextState, outer *sending, req *http.Request, transportID any, tracer *tracers.Tracer) role {
	s := role{ordinal: unknownOrdinal, state: state}
	if outer == nil {
		return s
	}
	relation, ordinal, passed := outer.relation(req, transportID)
	if relation == unrelated {
		return s
	}
	s.ordinal, s.state, s.passed = ordinal, outer.caller.with(state), passed
	switch {
	case relation == firstSending:
		// If not, the outer span is not recorded, and this one may be.
		s.none = outer.recording() || outer.tracer.Same(tracer)
	case s.state.attempts != nil:
		s.ordinal = unknownOrdinal // ContextWithRetries counts it
	}
	return s
}

// measure records that the Transport measures the sending with these instruments. It
// reports whether an outer Transport counts it as active with instruments of the
// same provider.
func (s role) measure(outer *sending, meter *instruments) (active bool) {
	if s.passed == nil || meter == nil {
		return false
	}
	outer.mu.Lock()
	s.passed.meter = meter
	outer.mu.Unlock()
	m := outer.meter(meter.provider)
	return m != nil && m.active != nil
}

// uncountAttempt uncounts an attempt whose span is not used, so that an inner
// Transport can count it.
func (s role) uncountAttempt() {
	if s.state.attempts != nil && s.ordinal == unknownOrdinal {
		s.state.attempts.Add(-1)
	}
}

// relation relates a request to the one that an outer Transport is sending.
type relation int

const (
	unrelated    relation = iota
	firstSending          // the request itself
	sentAgain             // the request once more, or a redirect of it
)

// relation returns the relation of req, its ordinal as a resend, and its entry
// among the Transports that it passes through.
func (s *sending) relation(req *http.Request, transportID any) (relation, int, *innerTransport) {
	sent := s.request.Load()
	if sent == nil || s.returned.Load() {
		return unrelated, 0, nil
	}
	redirect := req.Response != nil && req.Response != sent.Response
	s.mu.Lock()
	is := s.is(req, sent)
	lowest := s.passed.Load()
	// It is a resend if it has come back, or if it passes through the same
	// Transport once more, as concurrent attempts do.
	p := lowest.find(transportID)
	known := p != nil
	if !is && (redirect || !known || !sameTarget(sent, req)) { // a retry may be built anew
		s.mu.Unlock()
		return unrelated, 0, nil
	}
	if !known {
		p = &innerTransport{transportID: transportID, before: lowest}
		s.passed.Store(p)
	}
	if !redirect && (s.times == 0 || !known && !s.back) {
		s.times = max(s.times, 1)
		s.mu.Unlock()
		return firstSending, int(s.ordinal), p
	}
	s.times = max(s.times, 1) + 1
	ordinal := int(s.ordinal + s.times - 1)
	var first *attempt
	if s.times == 2 {
		first = lowest.reveal()
	}
	s.mu.Unlock()
	if first != nil {
		first.sentAgain(s)
	}
	return sentAgain, ordinal, p
}

// is reports whether req is the request that is being sent, a copy of it, or a
// redirect of it. These carry the injected headers, which identify this span, even if
// the URL was rewritten. If nothing was injected, a copy has the same URL and body:
// the same URL alone may be another call, such as a login by JSON-RPC. A redirect
// leads back to a copy then.
func (s *sending) is(req, sent *http.Request) bool {
	if req == sent {
		return true
	}
	if copied, written := s.copied(req.Header, sent.Header); copied || written && !s.excluded {
		return copied
	}
	for range mostRedirects {
		if req.Response == nil || req.Response == sent.Response || req.Response.Request == nil {
			break
		}
		req = req.Response.Request
	}
	return req.Response == sent.Response && sameTarget(sent, req) && sameBody(sent, req)
}

// copied reports whether header has all that the propagator wrote into the
// header sent, and whether it wrote anything that names the span.
func (s *sending) copied(header, sent http.Header) (copied, written bool) {
	for key, v := range sent {
		if !s.wrote(v) {
			continue
		}
		written = true
		if header.Get(key) != v[0] {
			return false, true
		}
	}
	return written, written
}

// lacksHeaders reports whether nothing was injected although the host is a target.
func (s *sending) lacksHeaders() bool {
	sent := s.request.Load()
	if sent == nil || s.isExcluded() {
		return false
	}
	_, written := s.copied(nil, sent.Header)
	return !written
}

func (s *sending) isExcluded() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.excluded
}

// exclude records that an inner Transport excludes the host: those inside it get a
// request without the headers that identify this span.
func (s *sending) exclude() {
	s.mu.Lock()
	s.excluded = true
	s.mu.Unlock()
}

// wrote reports whether the propagator wrote these values of a header.
func (s *sending) wrote(v []string) bool {
	if len(v) != 1 {
		return false
	}
	for i := range s.values {
		if &v[0] == &s.values[i] {
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
