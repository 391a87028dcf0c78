package otelhttpclient

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"reflect"

	"github.com/otelhttpclient/otelhttpclient/internal/identity"
	"github.com/otelhttpclient/otelhttpclient/internal/inject"
	"github.com/otelhttpclient/otelhttpclient/internal/tracers"
)

// outgoing is the context of the request that base gets. It carries the span and
// what inner Transports need. The request and the values of its new headers are in
// the same allocation.
type outgoing struct {
	context.Context
	sending sending
	request http.Request // unused if there are hooks
}

// init prepares the sending for inner Transports.
func (o *outgoing) init(ctx context.Context, tracer *tracers.Tracer, caller *contextState, ordinal int) {
	o.Context = ctx
	o.sending.tracer, o.sending.caller, o.sending.ordinal = tracer, caller, int32(ordinal)
}

// complete injects the propagator's headers into sent, the request that base
// gets, or removes them if the host is no target.
func (o *outgoing) complete(in *instrumentation, sent *http.Request, carrier *inject.Carrier) {
	carrier.Reset(sent.Header, &o.sending.values)
	o.sending.excluded = in.injector.Inject(sent.Context(), sent, carrier)
	if h := carrier.Header(); h != nil {
		sent.Header = h
	}
	o.sending.request.Store(sent)
}

func (o *outgoing) Value(key any) any {
	if key == (contextKey{}) {
		return &o.sending
	}
	return o.Context.Value(key)
}

// String names the context like those of the standard library do. It contains
// nothing of the request, which may hold credentials.
func (o *outgoing) String() string {
	parent := "context"
	if s, ok := o.Context.(fmt.Stringer); ok {
		parent = s.String()
	} else if o.Context != nil {
		parent = reflect.TypeOf(o.Context).String()
	}
	return parent + ".otelhttpclient"
}

// Format prints String for every verb: %#v would print the request.
func (o *outgoing) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, o.String()) }

// sentRequest is what a request was when base got it. base may change the request
// that it got, even after it has returned.
type sentRequest struct {
	request *http.Request
	context context.Context
	url     *url.URL
	method  string
	host    string
	header  http.Header
}

func sentRequestOf(r *http.Request) sentRequest {
	return sentRequest{r, r.Context(), r.URL, r.Method, r.Host, r.Header}
}

// matches reports whether a response is one to this request, or to the request
// with another body: after an upload on a reused connection, net/http's HTTP/2
// client names such a copy in the response. A request that base itself derived
// from this one does not match.
func (i *sentRequest) matches(r *http.Request) bool {
	return r != nil && (r == i.request ||
		r.URL == i.url && r.Method == i.method && r.Host == i.host && sameHeader(r.Header, i.header) &&
			identity.Same(r.Context(), i.context))
}

// sameHeader reports whether two headers are one map.
func sameHeader(a, b http.Header) bool {
	return reflect.ValueOf(a).Pointer() == reflect.ValueOf(b).Pointer()
}
