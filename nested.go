package otelhttpclient

import (
	"net/http"
	"net/url"
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
	request   *http.Request // the copy that base gets
	tracer    *providedTracer
	recording bool
	measuring bool
	caller    *contextState
	resends   int        // its own ordinal
	values    *[3]string // of the headers that the propagator has written
	returned  atomic.Bool

	mu     sync.Mutex
	passed []passed
}

// passed says how often one Transport below has been sent the request.
type passed struct {
	by    any
	times int
}

func (s *sending) begin(tracer *providedTracer, f *facts, values *[3]string) {
	s.tracer, s.caller, s.resends, s.values = tracer, f.caller, f.resendCount, values
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
	if s.returned.Load() || s.request == nil {
		return unrelated, 0
	}
	is := s.is(req)
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.passed {
		if p := &s.passed[i]; p.by == passer {
			// A retry may have been put together anew.
			if !is && !sameTarget(s.request, req) {
				return unrelated, 0
			}
			p.times++
			return sentAgain, s.resends + p.times - 1
		}
	}
	if !is {
		return unrelated, 0
	}
	s.passed = append(s.passed, passed{by: passer, times: 1})
	return firstSending, 0
}

// is reports whether req is the request that is being sent, or a copy of it. A
// copy carries the headers that the propagator has written, which name this
// span; where it wrote none, only the body tells a copy from another request to
// the same URL, such as a login by JSON-RPC. A copy may go to another host:
// gateways and load balancers work that way.
func (s *sending) is(req *http.Request) bool {
	if req == s.request {
		return true
	}
	if req.Method != s.request.Method {
		return false
	}
	copied, written := s.copied(req.Header)
	if written {
		return copied && (sameURL(s.request.URL, req.URL) || samePath(s.request.URL, req.URL) && sameBody(s.request, req))
	}
	return sameURL(s.request.URL, req.URL) && sameBody(s.request, req)
}

// copied reports whether a header has all that the propagator has written into
// the header of the request, and whether it has written anything.
func (s *sending) copied(header http.Header) (copied, written bool) {
	for key, v := range s.request.Header {
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

func samePath(a, b *url.URL) bool {
	return a != nil && b != nil && a.EscapedPath() == b.EscapedPath() && a.RawQuery == b.RawQuery
}

func sameBody(a, b *http.Request) bool {
	return hasBody(a) == hasBody(b) && (!hasBody(a) || same(a.Body, b.Body))
}

func hasBody(r *http.Request) bool { return r.Body != nil && r.Body != http.NoBody }
