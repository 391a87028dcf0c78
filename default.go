package otelhttpclient

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"sync"
	"sync/atomic"
)

// InstrumentDefault traces requests through [http.DefaultTransport]: http.Get
// and the like, and every client with a nil Transport. It works whether or not
// the default transport was used or cloned before. Options are those of
// [NewTransport].
//
// It sets http.DefaultTransport to a new *http.Transport with the settings and
// registered protocols of the present one, and keeps that one for uninstrument.
// Traced requests use the new transport's settings as they are at its first
// request. Its Clone method returns a transport that is not traced. Both speak
// HTTP/2 where the original does.
//
// uninstrument stops tracing new requests. It also restores the original,
// unless http.DefaultTransport was replaced in the meantime. Settings and
// protocols added to the new transport are not copied back. Further calls do
// nothing.
//
// InstrumentDefault and uninstrument may be called from several goroutines.
// They assign to the variable http.DefaultTransport, which has no lock, so no
// other goroutine may start a request through it at that moment. Requests in
// flight are unaffected and keep their spans.
//
// InstrumentDefault returns an error, and changes nothing, where
// http.DefaultTransport is
//   - nil, or not a *http.Transport: use [NewTransport] with it;
//   - already instrumented: call uninstrument first;
//   - a transport with an application's own RoundTripper for http or https, set
//     with RegisterProtocol: net/http has no API to copy it, so requests would
//     bypass it. Use [InstrumentClient]. HTTP/2 as set up by net/http or by
//     golang.org/x/net/http2 is no obstacle.
//
// Limits, compared with a default transport that is not instrumented:
//   - https requests that upgrade to WebSocket are sent but not traced. Use
//     [NewTransport] for them.
//   - Requests that net/http rejects at once, such as those with an invalid
//     header, are not traced.
//   - Response.Request is the caller's *http.Request only for requests without
//     a body. For requests with a body it is a shallow copy.
//   - NewClientConn returns untraced connections, which speak HTTP/1.1 only.
//     Call it on a clone for HTTP/2.
//   - The deprecated CancelRequest has no effect.
//   - RegisterProtocol panics for http and https, as for any scheme that is
//     taken. So call golang.org/x/net/http2's ConfigureTransport before
//     InstrumentDefault; after it, it returns an error.
//   - Under GODEBUG=http2client=0, CloseIdleConnections has no effect.
func InstrumentDefault(opts ...Option) (uninstrument func(), err error) {
	defaults.Lock()
	defer defaults.Unlock()

	original, ok := http.DefaultTransport.(*http.Transport)
	switch {
	case !ok:
		return nil, fmt.Errorf("otelhttpclient: http.DefaultTransport is a %T, want a *http.Transport: set it to one first, or use NewTransport with it", http.DefaultTransport)
	case original == nil:
		return nil, errors.New("otelhttpclient: http.DefaultTransport is a nil *http.Transport: set it to one that is not nil first, or use NewTransport with another")
	case defaults.traced[original]:
		return nil, errors.New("otelhttpclient: http.DefaultTransport is instrumented already: call the function that InstrumentDefault returned, first")
	}
	registered := registeredProtocols(original)
	for _, scheme := range []string{"http", "https"} {
		if rt := registered[scheme]; rt != nil && !replaceable(rt) {
			return nil, fmt.Errorf("otelhttpclient: http.DefaultTransport has a %v registered for %s, which an instrumented one would not use: instrument clients with InstrumentClient instead", rt, scheme)
		}
	}

	route := newDefaultRoute(original, registered)
	route.traced.Store(NewTransport(&route.inner, opts...))
	http.DefaultTransport = route.front
	if defaults.traced == nil {
		defaults.traced = map[*http.Transport]bool{}
	}
	defaults.traced[route.front] = true
	return route.uninstrument, nil
}

// defaults.traced holds the instrumented default transports. There is more than
// one only where a program replaces an instrumented default and instruments
// again.
var defaults struct {
	sync.Mutex
	traced map[*http.Transport]bool
}

// defaultRoute handles the http and https requests of front, which replaces the
// default transport. It sends them through inner, traced until uninstrument.
type defaultRoute struct {
	original, front *http.Transport

	inner  lateClone // of front
	traced atomic.Pointer[Transport]
}

func newDefaultRoute(original *http.Transport, registered map[string]reflect.Type) *defaultRoute {
	r := &defaultRoute{original: original, front: original.Clone()}
	r.inner.of = r.front

	if r.front.TLSNextProto == nil && original.TLSNextProto["h2"] != nil {
		enableHTTP2(r.front)
	}
	for scheme := range registered {
		if scheme != "http" && scheme != "https" {
			r.front.RegisterProtocol(scheme, original)
		}
	}
	r.front.RegisterProtocol("http", r)
	r.front.RegisterProtocol("https", httpsRoute{r})
	return r
}

func (r *defaultRoute) RoundTrip(req *http.Request) (*http.Response, error) {
	req = withCallersBody(req)
	if t := r.traced.Load(); t != nil {
		return t.RoundTrip(req)
	}
	return r.inner.RoundTrip(req)
}

// CloseIdleConnections is called by the front's method of that name. The
// original may have connections from before it was instrumented.
func (r *defaultRoute) CloseIdleConnections() {
	r.inner.CloseIdleConnections()
	r.original.CloseIdleConnections()
}

func (r *defaultRoute) uninstrument() {
	defaults.Lock()
	defer defaults.Unlock()
	if r.traced.Swap(nil) == nil {
		return
	}
	delete(defaults.traced, r.front)
	if http.DefaultTransport == r.front {
		http.DefaultTransport = r.original
		// Closing the default's idle connections would not reach these now.
		r.inner.CloseIdleConnections()
	}
}

// lateClone sends requests through a clone of a transport. It makes the clone
// at the first request, so that settings changed until then count.
type lateClone struct {
	of    *http.Transport
	once  sync.Once
	clone atomic.Pointer[http.Transport]
}

func (c *lateClone) RoundTrip(req *http.Request) (*http.Response, error) {
	c.once.Do(func() { c.clone.Store(c.of.Clone()) })
	return c.clone.Load().RoundTrip(req)
}

func (c *lateClone) CloseIdleConnections() {
	if t := c.clone.Load(); t != nil {
		t.CloseIdleConnections()
	}
}

// withCallersBody returns a request with the body of the caller's request.
// net/http passes a copy of the request to registered protocols, with the body in
// a readTrackingBody. The inner transport would wrap it again, and for sendfile it
// finds a file in one wrapper only.
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

// registeredProtocols returns the schemes registered on a transport with
// RegisterProtocol, and the types of their RoundTrippers. net/http has no API
// for it. Where its unexported field is not as expected, the result is empty.
func registeredProtocols(t *http.Transport) map[string]reflect.Type {
	v := reflect.ValueOf(t).Elem().FieldByName("altProto")
	if v.Kind() != reflect.Struct {
		return nil
	}
	if v = v.FieldByName("v"); v.Kind() != reflect.Interface {
		return nil
	}
	if v = v.Elem(); v.Kind() != reflect.Map || v.Type().Key().Kind() != reflect.String || v.Type().Elem().Kind() != reflect.Interface {
		return nil
	}
	types := map[string]reflect.Type{}
	for entry := v.MapRange(); entry.Next(); {
		if rt := entry.Value().Elem(); rt.IsValid() {
			types[entry.Key().String()] = rt.Type()
		}
	}
	return types
}
