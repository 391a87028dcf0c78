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
	protocols map[string]http.RoundTripper // of the clone: see isVersion

	mu       sync.Mutex // guards changes of the clone's settings
	clone    *http.Transport
	followed atomic.Pointer[settings] // those of the clone; nil: there is no clone yet
}

// isVersion reports whether what is registered for a scheme is, since Go 1.27, the
// settings or the dialer of a version of HTTP, which Clone does not copy.
func isVersion(scheme string) bool { return scheme == "http/2" || scheme == "http/3" }

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
		for scheme, rt := range registeredProtocols(f.of) { // later than the clone's
			if isVersion(scheme) {
				f.protocols[scheme] = rt
			}
		}
		for scheme, rt := range f.protocols {
			f.clone.RegisterProtocol(scheme, rt)
		}
	case s.equal(f.of): // another request's goroutine was faster
		return
	default:
		s.update(f.clone, f.of)
	}
	f.followed.Store(settingsOf(f.of))
}
