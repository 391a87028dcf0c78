package otelhttpclient

import (
	"net/http"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
)

// Transports may be nested: a client's own, a library's, the default one. The
// outermost makes the span of a request, and those below let the request pass.
// But not all that they are sent with the context of that request is that
// request: base may send it again, refresh a cache with it later, or fetch a
// token first. Each of these has a span and headers of its own.

// sending is a request on its way through a Transport, as Transports below see
// it.
type sending struct {
	request   atomic.Pointer[http.Request] // the copy that base gets; nil until it is complete
	tracer    *providedTracer
	recording bool
	measuring bool
	withheld  bool // the propagation targets exclude the host
	caller    *contextState
	resends   int        // its own ordinal
	values    *[3]string // of the headers that the propagator has written
	returned  atomic.Bool

	mu     sync.Mutex
	passed []any // the Transports below that have been sent it
	times  int   // how often it has been sent
	back   bool  // it has come back from one of them
}

func (s *sending) begin(tracer *providedTracer, f *facts, values *[3]string) {
	s.tracer, s.caller, s.resends, s.values = tracer, f.caller, f.resendCount, values
}

// cameBack notes that the request has come back from a Transport below, so that
// what follows is not its first sending.
func (s *sending) cameBack() {
	s.mu.Lock()
	s.back = true
	s.mu.Unlock()
}

// saidBy adds what a layer between two Transports has said in the context to
// what the caller has said.
func (c *contextState) saidBy(layer *contextState) *contextState {
	if len(layer.attributes) == 0 && layer.template == "" {
		return c
	}
	both := *c
	both.attributes = append(slices.Clip(c.attributes), layer.attributes...)
	if layer.template != "" {
		both.template = layer.template
	}
	return &both
}

// relation is what a request is to the one that a Transport above is sending.
type relation int

const (
	unrelated    relation = iota
	firstSending          // the request itself, on its way
	sentAgain             // the request once more
)

// relation returns what req is, and for a resend its ordinal. It counts req as
// passing through passer.
func (s *sending) relation(req *http.Request, passer any) (relation, int) {
	sent := s.request.Load()
	if sent == nil || s.returned.Load() {
		return unrelated, 0
	}
	is := s.is(req, sent)
	s.mu.Lock()
	defer s.mu.Unlock()
	// It is sent again where it has come back, or where it passes through the
	// same Transport once more, as attempts side by side do.
	known := slices.Contains(s.passed, passer)
	switch {
	case !is && !(known && sameTarget(sent, req)):
		// A retry may have been put together anew, and only that.
		return unrelated, 0
	case !known:
		s.passed = append(s.passed, passer)
	}
	if s.times > 0 && !known && !s.back {
		return firstSending, 0
	}
	if s.times++; s.times == 1 {
		return firstSending, 0
	}
	return sentAgain, s.resends + s.times - 1
}

// is reports whether req is the request that is being sent, or a copy of it. A
// copy carries the headers that the propagator has written, which name this
// span, wherever a layer may have rewritten it to. Where the propagator wrote
// none, only URL and body tell a copy from another request, such as a login by
// JSON-RPC at the same address. A redirect is another request.
func (s *sending) is(req, sent *http.Request) bool {
	if req == sent {
		return true
	}
	if req.Response != sent.Response {
		return false
	}
	if copied, written := s.copied(req.Header, sent.Header); written {
		return copied
	}
	return sameTarget(sent, req) && sameBody(sent, req)
}

// copied reports whether a header has all that the propagator has written into
// the header that is being sent, and whether it has written anything. Baggage
// names no span.
func (s *sending) copied(header, sent http.Header) (copied, written bool) {
	for key, v := range sent {
		if key == baggageHeader || !s.wrote(v) {
			continue
		}
		written = true
		if header.Get(key) != v[0] {
			return false, true
		}
	}
	return written, written
}

// unheralded reports whether the request goes on without any header of the
// propagator's, although its host may have them.
func (s *sending) unheralded() bool {
	sent := s.request.Load()
	if s.withheld || sent == nil {
		return false
	}
	_, written := s.copied(nil, sent.Header)
	return !written
}

// wrote reports whether the propagator has written these values of a header.
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
