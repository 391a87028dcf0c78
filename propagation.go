package otelhttpclient

import (
	"context"
	"net/http"

	"go.opentelemetry.io/otel/propagation"

	"github.com/otelhttpclient/otelhttpclient/internal/inject"
)

// WithPropagators sets the propagator that injects the span's context into the
// request's headers. The default, also for nil, is the global propagator that
// is installed when a request starts.
//
// A header of the same name is replaced. A field of the propagator that it does
// not write is removed, because a tracestate belongs to its traceparent.
// Baggage and all other headers are kept. If there is no span context to
// propagate, the fields are kept, too. See [WithPropagationTargets] to exclude
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
// All fields of the propagator, including baggage, are removed from requests to
// other hosts: a reverse proxy would forward those of its incoming request.
// Only the copy that is sent is changed. Untraced requests
// ([ContextWithoutTracing], [WithFilter]) are sent unchanged. Inner Transports
// do not add the fields again.
//
// By default, context is propagated to every host. Use this option if requests
// leave your own systems: trace IDs and baggage disclose internals. Tests that
// replay recorded traffic, with a recording for each set of headers, need it
// without hosts: traceparent differs each time.
//
// The host is that of the request's URL, without the port. Names are
// case-insensitive. Repeated options accumulate. An invalid host is reported to
// [otel.Handle] and ignored.
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

// propagate returns a copy of the request with the propagator's headers, or without
// its fields if the host is not a target. It returns the request itself if nothing
// changes.
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
