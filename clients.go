package otelhttpclient

import (
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
)

// InstrumentClient wraps the transport of a client. A client that has a
// [Transport] already, and a nil client, is left as it is. It must not be
// called while the client is in use.
func InstrumentClient(c *http.Client, opts ...Option) {
	if c == nil {
		return
	}
	if _, done := c.Transport.(*Transport); done {
		return
	}
	t := NewTransport(c.Transport, opts...)
	t.ofClient = true
	c.Transport = t
}

// UninstrumentClient gives a client back the transport that it had before
// [InstrumentClient]. Any other client is left as it is. Requests that are
// under way keep their spans.
func UninstrumentClient(c *http.Client) {
	if c == nil {
		return
	}
	if t, ok := c.Transport.(*Transport); ok && t.ofClient {
		c.Transport = t.wrapped
	}
}

// InstrumentDefault traces what goes through [http.DefaultTransport]: http.Get
// and the like, and every client whose Transport is nil. It has to be called
// before the first request, at the beginning of main.
//
// http.DefaultTransport stays the same *http.Transport, for the sake of the
// code that asserts that type, and what its Clone method returns is not
// instrumented and speaks HTTP/2 as ever. Its settings count as they are at
// the first request.
//
// uninstrument stops the tracing of new requests; calling it again does
// nothing. Where the default transport has been used or replaced, or is
// instrumented, InstrumentDefault changes nothing and says in its error what to
// do instead.
//
// Requests that net/http keeps from HTTP/2, those that upgrade an https
// connection to a WebSocket, are not traced; use [NewTransport] for them.
func InstrumentDefault(opts ...Option) (uninstrument func(), err error) {
	defaults.Lock()
	defer defaults.Unlock()

	t, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return nil, fmt.Errorf("otelhttpclient: http.DefaultTransport is a %T, not the *http.Transport of net/http: wrap it with NewTransport instead", http.DefaultTransport)
	}
	route := defaults.routes[t]
	if route == nil {
		route = &defaultRoute{original: t}
		if err := route.register(); err != nil {
			return nil, err
		}
		if defaults.routes == nil {
			defaults.routes = map[*http.Transport]*defaultRoute{}
		}
		defaults.routes[t] = route
	}
	traced := NewTransport(untraced{route}, opts...)
	if !route.traced.CompareAndSwap(nil, traced) {
		return nil, errors.New("otelhttpclient: http.DefaultTransport is instrumented already: call the function that InstrumentDefault returned, first")
	}
	return func() { route.traced.CompareAndSwap(traced, nil) }, nil
}

// defaults are the default transports that have been instrumented. There is
// more than one only where a program replaces its default.
var defaults struct {
	sync.Mutex
	routes map[*http.Transport]*defaultRoute
}

// defaultRoute takes over the schemes http and https of a default transport,
// and sends their requests through a clone of it: traced while there is a
// Transport to trace with.
type defaultRoute struct {
	original *http.Transport
	refused  atomic.Bool // the original could not be taken over
	traced   atomic.Pointer[Transport]

	once  sync.Once
	clone *http.Transport
}

// httpsRoute is registered for https. That it is a struct of one exported field
// with a method CloseIdleConnections tells net/http that HTTP/2 is taken care
// of, and where to pass that call on to; so it leaves the original's TLS
// configuration alone.
type httpsRoute struct{ Route *defaultRoute }

func (r httpsRoute) RoundTrip(req *http.Request) (*http.Response, error) {
	return r.Route.RoundTrip(req)
}

// register takes over both schemes. RegisterProtocol panics where a scheme is
// taken, as https is once the transport has been used. So http, which never is,
// comes first: refused, its route stands aside.
func (r *defaultRoute) register() (err error) {
	defer func() {
		if recover() != nil {
			r.refused.Store(true)
			err = errors.New("otelhttpclient: http.DefaultTransport has been used, and cannot be instrumented any more: call InstrumentDefault before the first request, or wrap clients with InstrumentClient")
		}
	}()
	r.original.RegisterProtocol("http", r)
	r.original.RegisterProtocol("https", httpsRoute{r})
	return nil
}

func (r *defaultRoute) RoundTrip(req *http.Request) (*http.Response, error) {
	if r.refused.Load() {
		return nil, http.ErrSkipAltProtocol
	}
	if t := r.traced.Load(); t != nil {
		return t.RoundTrip(req)
	}
	return r.base().RoundTrip(req)
}

func (r *defaultRoute) base() *http.Transport {
	r.once.Do(func() { r.clone = r.original.Clone() })
	return r.clone
}

// CloseIdleConnections is called by the original's method of that name.
func (r *defaultRoute) CloseIdleConnections() {
	if !r.refused.Load() {
		r.base().CloseIdleConnections()
	}
}

// untraced is the way through the clone.
type untraced struct{ route *defaultRoute }

func (u untraced) RoundTrip(req *http.Request) (*http.Response, error) {
	return u.route.base().RoundTrip(req)
}
