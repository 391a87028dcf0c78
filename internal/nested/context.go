package nested

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"reflect"

	"github.com/otelhttpclient/otelhttpclient/internal/inject"
	"github.com/otelhttpclient/otelhttpclient/internal/tracers"
)

// Context is the context of the request that base gets. It carries the span and
// what inner Transports need. The request and the values of its new headers are in
// the same allocation.
type Context struct {
	context.Context
	Sending Request
	Copy    http.Request // unused if there are hooks
}

// Init prepares the context for inner Transports. It is derived from ctx. The
// resend is that of the request.
func (c *Context) Init(ctx context.Context, tracer *tracers.Tracer, caller *Settings, resend int) {
	c.Context = ctx
	c.Sending.Tracer, c.Sending.caller, c.Sending.resend = tracer, caller, int32(resend)
}

// Complete injects the propagator's headers into sent, the request that base
// gets, or removes them if the host is no target.
func (c *Context) Complete(p *inject.Propagator, sent *http.Request, carrier *inject.Carrier) {
	carrier.Reset(sent.Header, &c.Sending.values)
	c.Sending.excluded = p.Inject(sent.Context(), sent, carrier)
	if h := carrier.Header(); h != nil {
		sent.Header = h
	}
	c.Sending.request.Store(sent)
}

// Value is for [context.Context].
func (c *Context) Value(key any) any {
	if key == (contextKey{}) {
		return &c.Sending
	}
	return c.Context.Value(key)
}

// String names the context like those of the standard library do. It contains
// nothing of the request, which may hold credentials.
func (c *Context) String() string {
	parent := "context"
	if s, ok := c.Context.(fmt.Stringer); ok {
		parent = s.String()
	} else if c.Context != nil {
		parent = reflect.TypeOf(c.Context).String()
	}
	return parent + ".otelhttpclient"
}

// Format prints String for every verb: %#v would print the request.
func (c *Context) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, c.String()) }
