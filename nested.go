package otelhttpclient

import (
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
)

// Transports may be nested: a client's own, a library's, the default one. The
// outermost creates the span of a request, and the request passes through those
// below. But base may also send the request again, refresh a cache with its
// context later, or fetch a token first. Each of these has a span and headers
// of its own.

// sending is a request on its way through a Transport. Transports below find it
// in the request's context.
type sending struct {
	request  atomic.Pointer[http.Request] // the copy that base gets; nil until it is complete
	tracer   *providedTracer
	caller   *contextState
	values   [3]string // of the headers that the propagator wrote and that may name the span
	ordinal  int32     // of a resend
	returned atomic.Bool

	recording bool
	measuring bool

	withheld bool  // the propagation targets exclude the host, here or below
	back     bool  // a Transport below has returned it
	times    int32 // how often it was sent
	mu       sync.Mutex
	passed   *passedThrough
}

// passedThrough lists the Transports that a sending has passed through.
type passedThrough struct {
	through any
	before  *passedThrough
}

func (p *passedThrough) includes(through any) bool {
	for ; p != nil; p = p.before {
		if p.through == through {
			return true
		}
	}
	return false
}

// cameBack records that a Transport below has returned, so that what follows is
// a resend.
func (s *sending) cameBack() {
	s.mu.Lock()
	s.back = true
	s.mu.Unlock()
}

// share is the share that a Transport has in the telemetry of a request.
type share struct {
	none     bool          // the Transport above does everything
	measured bool          // the Transport above measures the request
	ordinal  int           // of a resend, or 0, or unknownOrdinal
	state    *contextState // from the request's context
}

// shareOf returns the share of a Transport that gets a request with this state
// in its context, and what a Transport above is sending with it. The request
// passes through the Transport as through.
func shareOf(state *contextState, above *sending, req *http.Request, through any, tracer *providedTracer) share {
	s := share{ordinal: unknownOrdinal, state: state}
	if above == nil {
		return s
	}
	switch relation, ordinal := above.relation(req, through); relation {
	case firstSending:
		if above.recording || same(above.tracer.provider, tracer.provider) {
			s.none = true
			return s
		}
		// The span above is not recorded, and this one may be.
		s.measured = above.measuring
		s.ordinal, s.state = int(above.ordinal), above.caller.with(state)
	case sentAgain:
		s.ordinal, s.state = ordinal, above.caller.with(state)
		if s.state.attempts != nil {
			s.ordinal = unknownOrdinal // ContextWithRetries counts it
		}
	}
	return s
}

// discount takes back the attempt that was counted for a span of no consequence:
// a Transport below may count it.
func (s share) discount() {
	if s.state.attempts != nil && s.ordinal == unknownOrdinal {
		s.state.attempts.Add(-1)
	}
}

// relation is what a request is to the one that a Transport above is sending.
type relation int

const (
	unrelated    relation = iota
	firstSending          // the request itself
	sentAgain             // the request once more
)

// relation returns the relation of req, and for a resend its ordinal. It counts
// req as passing through the Transport.
func (s *sending) relation(req *http.Request, through any) (relation, int) {
	sent := s.request.Load()
	if sent == nil || s.returned.Load() {
		return unrelated, 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	is := s.is(req, sent)
	// It is a resend if it has come back, or if it passes through the same
	// Transport once more, as concurrent attempts do.
	known := s.passed.includes(through)
	switch {
	case !is && !(known && sameTarget(sent, req)): // a retry may be built anew
		return unrelated, 0
	case !known:
		s.passed = &passedThrough{through, s.passed}
	}
	if s.times > 0 && !known && !s.back {
		return firstSending, 0
	}
	if s.times++; s.times == 1 {
		return firstSending, 0
	}
	return sentAgain, int(s.ordinal + s.times - 1)
}

// is reports whether req is the request that is being sent, or a copy of it. A
// copy carries the headers that the propagator wrote, which name this span,
// even if its URL was rewritten. If the propagator wrote none, a copy has the
// same URL and body: the same URL alone may be another call, such as a login by
// JSON-RPC. A redirect is another request.
func (s *sending) is(req, sent *http.Request) bool {
	if req == sent {
		return true
	}
	if req.Response != sent.Response {
		return false
	}
	if copied, written := s.copied(req.Header, sent.Header); written && !s.withheld {
		return copied
	}
	return sameTarget(sent, req) && sameBody(sent, req)
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

// unheralded reports whether the request has no header of the propagator,
// although its host may have them.
func (s *sending) unheralded() bool {
	sent := s.request.Load()
	if sent == nil || s.isWithheld() {
		return false
	}
	_, written := s.copied(nil, sent.Header)
	return !written
}

func (s *sending) isWithheld() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.withheld
}

// withhold records that a Transport below excludes the host: those below it get a
// request without the headers that name this span.
func (s *sending) withhold() {
	s.mu.Lock()
	s.withheld = true
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
	return hasBody(a) == hasBody(b) && (!hasBody(a) || same(a.Body, b.Body))
}

func hasBody(r *http.Request) bool { return r.Body != nil && r.Body != http.NoBody }
