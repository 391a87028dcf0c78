package otelhttpclient

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"reflect"
)

// outgoing is the context of the request that base gets. It carries the span
// and what Transports below need. The request and the values of its new headers
// are in the same allocation.
type outgoing struct {
	context.Context
	sending sending
	request http.Request // unused if there are hooks
}

// init prepares the sending for Transports below.
func (o *outgoing) init(ctx context.Context, tracer *providedTracer, caller *contextState, ordinal int) {
	o.Context = ctx
	o.sending.tracer, o.sending.caller, o.sending.ordinal = tracer, caller, int32(ordinal)
}

// complete injects the propagator's headers into sent, the request that base
// gets, or removes them if the host is no target.
func (o *outgoing) complete(in *instrumentation, sent *http.Request, carrier *headerCarrier) {
	*carrier = headerCarrier{original: sent.Header, values: &o.sending.values}
	if in.targets.include(sent) {
		in.inject(sent.Context(), carrier)
	} else {
		in.withhold(carrier)
		o.sending.withheld = true
	}
	if carrier.copied != nil {
		sent.Header = carrier.copied
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

// restoreRequest makes the response name the caller's request instead of the
// copy that was sent.
func restoreRequest(resp *http.Response, sent, caller *http.Request) *http.Response {
	if resp != nil && sent != caller && (resp.Request == sent || isCopy(resp.Request, sent)) {
		resp.Request = caller
	}
	return resp
}

// isCopy reports whether a request is sent with another body. After an upload
// on a reused connection, net/http's HTTP/2 client names such a copy in the
// response. A request that base itself derived from sent is no copy, and stays.
func isCopy(r, sent *http.Request) bool {
	return r != nil && r.URL == sent.URL && r.Method == sent.Method && r.Host == sent.Host &&
		reflect.ValueOf(r.Header).Pointer() == reflect.ValueOf(sent.Header).Pointer() &&
		same(r.Context(), sent.Context())
}
