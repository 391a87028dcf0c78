package defaultroute

import (
	"net/http"
	"sync"
	"sync/atomic"
)

// follower sends requests through a clone of the source, with the settings that the
// source has when a request starts. It makes the clone at the first request: net/http
// sets up HTTP/2 with the settings of that time.
type follower struct {
	source    *http.Transport
	protocols map[string]http.RoundTripper // HTTP versions to register with the clone

	mu            sync.Mutex // protects changes of the clone
	clone         *http.Transport
	cloneSettings atomic.Pointer[settings] // nil: there is no clone yet
}

// isHTTPVersion reports whether a scheme stands for an HTTP version. Since Go 1.27,
// settings and dialers of a version are registered under such a scheme. Clone does
// not copy them.
func isHTTPVersion(scheme string) bool { return scheme == "http/2" || scheme == "http/3" }

func (f *follower) RoundTrip(req *http.Request) (*http.Response, error) {
	if s := f.cloneSettings.Load(); s == nil || !s.equal(f.source) {
		f.updateClone()
	}
	return f.clone.RoundTrip(req)
}

func (f *follower) CloseIdleConnections() {
	if f.cloneSettings.Load() != nil {
		f.clone.CloseIdleConnections()
	}
}

// updateClone copies the settings of the source to the clone. A program must not
// change settings while requests are in flight, so none is reading the clone's.
func (f *follower) updateClone() {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch s := f.cloneSettings.Load(); {
	case s == nil:
		f.clone = f.source.Clone()
		for scheme, rt := range registeredProtocols(f.source) { // registered after newRoute
			if isHTTPVersion(scheme) {
				f.protocols[scheme] = rt
			}
		}
		for scheme, rt := range f.protocols {
			f.clone.RegisterProtocol(scheme, rt)
		}
	case s.equal(f.source): // another goroutine has updated the clone
		return
	default:
		s.update(f.clone, f.source)
	}
	f.cloneSettings.Store(settingsOf(f.source))
}
