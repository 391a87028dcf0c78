package otelhttpclient

import (
	"context"
	"net/http"

	"go.opentelemetry.io/otel/propagation"

	"github.com/otelhttpclient/otelhttpclient/internal/inject"
)

// WithPropagators sets the propagator that writes the span's context, and what
// else it carries, into the request's headers. The default, also for nil, is the
// global propagator that is installed when a request starts.
//
// A header of the same name is replaced. A header among the propagator's fields
// that it does not write this time is removed: a tracestate belongs to its
// traceparent. Baggage and all other headers are kept. If there is no span
// context to propagate, the fields are kept, too. [WithPropagationTargets] excepts
// hosts.
func WithPropagators(p propagation.TextMapPropagator) Option {
	return optionFunc(func(c *config) {
		if p != nil {
			c.propagator = p
		}
	})
}

// WithPropagationTargets restricts propagation to the given hosts: exact names,
// or "*.example.com" for every name below example.com, but not example.com
// itself. Requests to other hosts, including redirects, get a span but no
// headers from the propagator. Without hosts, nothing is propagated.
//
// From requests to other hosts, all fields of the propagator are removed, baggage
// included: a reverse proxy would forward those of its incoming request. Only
// the copy that is sent is changed. Requests that are not traced
// ([ContextWithoutTracing], [WithFilter]) are sent as they are. Inner Transports do
// not add the fields again.
//
// By default, context is propagated to every host. Use this option if requests
// leave your own systems: trace identifiers and baggage disclose internals.
//
// The host is that of the request's URL, where the request is sent, without the
// port. Names are not case-sensitive. Repeated options accumulate. An invalid
// host is reported to [otel.Handle] and ignored.
func WithPropagationTargets(hosts ...string) Option {
	return optionFunc(func(c *config) {
		if c.targets == nil {
			c.targets = new(inject.Targets)
		}
		for _, h := range hosts {
			if !c.targets.Add(h) {
				badOption("WithPropagationTargets", "%q is not a host name or *.suffix: write it without scheme, port and path", h)
			}
		}
	})
}

// propagate returns the request with the headers that the propagator writes, or
// without its fields if the host is no target. It returns the request itself if
// there is nothing to change.
func (in *instrumentation) propagate(ctx context.Context, req *http.Request, carrier *inject.Carrier) *http.Request {
	carrier.Reset(req.Header, nil)
	in.injector.Inject(ctx, req, carrier)
	if carrier.Header() == nil {
		return req
	}
	sent := req.WithContext(ctx)
	sent.Header = carrier.Header()
	return sent
}
