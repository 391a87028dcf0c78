// Package defaultroute replaces http.DefaultTransport by a *http.Transport that sends
// its requests through another RoundTripper. It is given a function that returns that
// RoundTripper. It does not know what the RoundTripper does.
package defaultroute

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"sync"
	"sync/atomic"

	"github.com/otelhttpclient/otelhttpclient/internal/defaultroute/http2"
)

// Install sets http.DefaultTransport to a *http.Transport that sends http and
// https requests through the RoundTripper that wrap returns. wrap gets the
// RoundTripper to send requests with. It is not called if Install returns an error.
// See otelhttpclient.InstrumentDefault for the other properties.
func Install(wrap func(http.RoundTripper) http.RoundTripper) (uninstall func(), err error) {
	defaults.Lock()
	defer defaults.Unlock()

	original, ok := http.DefaultTransport.(*http.Transport)
	switch {
	case !ok:
		return nil, fmt.Errorf("otelhttpclient: http.DefaultTransport is a %T, want a *http.Transport: set it to one first, or pass it to NewTransport", http.DefaultTransport)
	case original == nil:
		return nil, errors.New("otelhttpclient: http.DefaultTransport is a nil *http.Transport: set it first, or pass another transport to NewTransport")
	case defaults.wrapped[original]:
		return nil, errors.New("otelhttpclient: http.DefaultTransport is already instrumented: call the function returned by InstrumentDefault first")
	}
	registered := registeredProtocols(original)
	for _, scheme := range []string{"http", "https"} {
		if rt := registered[scheme]; rt != nil && !replaceable(rt) {
			return nil, fmt.Errorf("otelhttpclient: http.DefaultTransport has a %T registered for %s, which would be bypassed: use InstrumentClient instead", rt, scheme)
		}
	}

	r := newRoute(original, registered)
	wrapped := wrap(&r.inner)
	r.wrapped.Store(&wrapped)
	http.DefaultTransport = r.front
	if defaults.wrapped == nil {
		defaults.wrapped = map[*http.Transport]bool{}
	}
	defaults.wrapped[r.front] = true
	return r.uninstall, nil
}

// defaults.wrapped holds the instrumented default transports. There is more than one
// only if a program replaces an instrumented default and instruments again.
var defaults struct {
	sync.Mutex
	wrapped map[*http.Transport]bool
}

// route handles the http and https requests of front, which replaces the default
// transport. It sends them through inner, wrapped until uninstall.
type route struct {
	original, front *http.Transport

	knownOnce sync.Once
	inner     follower                          // its source is front
	wrapped   atomic.Pointer[http.RoundTripper] // nil after uninstall
}

func newRoute(original *http.Transport, registered map[string]http.RoundTripper) *route {
	r := &route{original: original, front: original.Clone()}
	r.inner.source, r.inner.protocols = r.front, map[string]http.RoundTripper{}

	if r.front.TLSNextProto == nil && original.TLSNextProto["h2"] != nil {
		enableHTTP2(r.front)
	}
	for scheme, rt := range registered {
		switch {
		case scheme == "http" || scheme == "https":
		case isHTTPVersion(scheme):
			r.inner.protocols[scheme] = rt
		default:
			r.front.RegisterProtocol(scheme, original)
		}
	}
	r.front.RegisterProtocol("http", &http2.Transport{RoundTripper: r})
	r.front.RegisterProtocol("https", httpsRoute{r})
	return r
}

func (r *route) RoundTrip(req *http.Request) (*http.Response, error) {
	r.knownOnce.Do(r.replaceHTTPSRoute)
	req = withCallersBody(req)
	if rt := r.wrapped.Load(); rt != nil {
		return (*rt).RoundTrip(req)
	}
	return r.inner.RoundTrip(req)
}

// CloseIdleConnections is called by the front's method of that name. The original
// may have connections that it opened before Install.
func (r *route) CloseIdleConnections() {
	r.inner.CloseIdleConnections()
	r.original.CloseIdleConnections()
}

func (r *route) uninstall() {
	defaults.Lock()
	defer defaults.Unlock()
	if r.wrapped.Swap(nil) == nil {
		return
	}
	delete(defaults.wrapped, r.front)
	if http.DefaultTransport == r.front {
		http.DefaultTransport = r.original
		// The restored default does not close these connections.
		r.inner.CloseIdleConnections()
	}
}

// withCallersBody returns a request with the body of the caller's request.
// net/http passes a copy of the request to registered protocols, with the body in a
// readTrackingBody. The inner transport would wrap it again, and sendfile is used
// only for a file in a single wrapper.
func withCallersBody(req *http.Request) *http.Request {
	v := reflect.ValueOf(req.Body)
	if v.Kind() != reflect.Pointer || v.IsNil() {
		return req
	}
	v = v.Elem()
	if t := v.Type(); t.Kind() != reflect.Struct || t.PkgPath() != "net/http" || t.Name() != "readTrackingBody" || t.NumField() == 0 {
		return req
	}
	field := v.Field(0)
	if !field.CanInterface() {
		return req
	}
	body, ok := field.Interface().(io.ReadCloser)
	if !ok {
		return req
	}
	c := *req
	c.Body = body
	return &c
}
