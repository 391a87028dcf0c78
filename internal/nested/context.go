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

// Context is the context of the request that base gets. It carries the span, and the
// [Request] for inner Transports. The copy of the request and the values of injected
// headers are in the same allocation.
type Context struct {
	context.Context
	Sending Request
	Copy    http.Request // unused if there are hooks
}

// Init prepares the context, with ctx as its parent, for inner Transports. resend is
// the request's number as a resend.
func (c *Context) Init(ctx context.Context, tracer *tracers.Tracer, caller *Settings, resend int) {
	c.Context = ctx
	c.Sending.Tracer, c.Sending.settings, c.Sending.resend = tracer, caller, int32(resend)
}

// Complete injects the propagator's headers into sent, the request that base
// gets, or removes them if the host is no target.
func (c *Context) Complete(p *inject.Propagator, sent *http.Request, carrier *inject.Carrier) {
	carrier.Reset(sent.Header, &c.Sending.values)
	c.Sending.excluded = p.Inject(sent.Context(), sent, carrier)
	c.Sending.injected = carrier.IdentifiesSpan()
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

// String formats the context as the standard library formats its own. It contains no
// part of the request, which may hold credentials.
func (c *Context) String() string {
	parent := "context"
	if s, ok := c.Context.(fmt.Stringer); ok {
		parent = s.String()
	} else if c.Context != nil {
		parent = reflect.TypeOf(c.Context).String()
	}
	return parent + ".otelhttpclient"
}

// Format writes String for every verb: %#v would print the request.
func (c *Context) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, c.String()) }
