package defaultroute

import (
	"net/http"
	"sync"
	"sync/atomic"
)

// follower sends requests through a clone of a transport, with the settings that
// the transport has when a request starts. It makes the clone at the first
// request, because net/http sets up HTTP/2 by the settings of that moment.
type follower struct {
	of        *http.Transport
	protocols []protocol // of the clone

	mu       sync.Mutex // guards changes of the clone's settings
	clone    *http.Transport
	followed atomic.Pointer[settings] // those of the clone; nil: there is no clone yet
}

type protocol struct {
	scheme string
	http.RoundTripper
}

func (f *follower) RoundTrip(req *http.Request) (*http.Response, error) {
	if s := f.followed.Load(); s == nil || !s.equal(f.of) {
		f.follow()
	}
	return f.clone.RoundTrip(req)
}

func (f *follower) CloseIdleConnections() {
	if f.followed.Load() != nil {
		f.clone.CloseIdleConnections()
	}
}

// follow gives the clone the settings of the followed transport. A program must
// not change those while requests are in flight, so nothing reads the clone's.
func (f *follower) follow() {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch s := f.followed.Load(); {
	case s == nil:
		f.clone = f.of.Clone()
		for _, p := range f.protocols {
			f.clone.RegisterProtocol(p.scheme, p.RoundTripper)
		}
	case s.equal(f.of): // another request's goroutine was faster
		return
	default:
		s.update(f.clone, f.of)
	}
	f.followed.Store(settingsOf(f.of))
}
