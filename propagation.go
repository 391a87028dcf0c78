package otelhttpclient

import (
	"context"
	"net/http"
	"net/textproto"
	"reflect"
	"sync/atomic"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"

	"github.com/otelhttpclient/otelhttpclient/internal/callback"
	"github.com/otelhttpclient/otelhttpclient/internal/identity"
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

// propagate returns the request with the headers that the propagator writes, or
// without its fields if the host is no target. It returns the request itself if
// there is nothing to change.
func (in *instrumentation) propagate(ctx context.Context, req *http.Request, carrier *headerCarrier) *http.Request {
	*carrier = headerCarrier{original: req.Header}
	if in.targets.include(req) {
		in.inject(ctx, carrier)
	} else {
		in.withhold(carrier)
	}
	if carrier.copied == nil {
		return req
	}
	sent := req.WithContext(ctx)
	sent.Header = carrier.copied
	return sent
}

// inject makes the propagator write ctx into the carrier. If it panics, what it
// wrote is discarded.
func (in *instrumentation) inject(ctx context.Context, carrier *headerCarrier) {
	if !in.guard.Call("propagator", func() { in.write(ctx, carrier) }) {
		carrier.copied = nil
	}
}

// withhold removes all fields of the propagator from the carrier.
func (in *instrumentation) withhold(carrier *headerCarrier) {
	in.guard.Call("propagator", func() {
		known := in.propagators.of(in.currentPropagator(), in.guard)
		carrier.remove(known.fields)
		if known.baggage {
			carrier.remove([]string{baggageHeader})
		}
	})
}

func (in *instrumentation) currentPropagator() propagation.TextMapPropagator {
	if in.propagator != nil {
		return in.propagator
	}
	return otel.GetTextMapPropagator()
}

func (in *instrumentation) write(ctx context.Context, carrier *headerCarrier) {
	p := in.currentPropagator()
	known := in.propagators.of(p, in.guard)
	if known.keepsNothing {
		p.Inject(ctx, carrier)
	} else {
		own := *carrier
		p.Inject(ctx, &own)
		*carrier = own
	}
	carrier.removeStale(ctx, known.fields)
}

// propagatorSource keeps what is known about the latest propagator.
type propagatorSource struct {
	atomic.Pointer[knownPropagator]
}

type knownPropagator struct {
	propagator   propagation.TextMapPropagator
	fields       []string // in canonical form, without baggage
	baggage      bool     // is among its fields
	keepsNothing bool     // it does not use the carrier after Inject has returned
	delegates    bool     // it is the API's default, whose fields change with the delegate
}

func (s *propagatorSource) of(p propagation.TextMapPropagator, guard callback.Guard) *knownPropagator {
	k := s.Load()
	if k != nil && identity.Same(k.propagator, p) && (!k.delegates || len(k.fields) == 0 && len(fieldsOf(p, guard)) == 0) {
		return k // if it delegates, to none yet
	}
	k = newKnownPropagator(p, guard)
	s.Store(k)
	return k
}

func fieldsOf(p propagation.TextMapPropagator, guard callback.Guard) (fields []string) {
	guard.Call("propagator", func() { fields = p.Fields() })
	return fields
}

func newKnownPropagator(p propagation.TextMapPropagator, guard callback.Guard) *knownPropagator {
	k := &knownPropagator{
		propagator:   p,
		keepsNothing: identity.IsOpenTelemetry(p),
		delegates:    identity.PackageOf(p) == "go.opentelemetry.io/otel/internal/global",
	}
	if parts := reflect.ValueOf(p); k.keepsNothing && parts.Kind() == reflect.Slice {
		for i := range parts.Len() {
			k.keepsNothing = k.keepsNothing && identity.IsOpenTelemetry(parts.Index(i).Interface())
		}
	}
	for _, f := range fieldsOf(p, guard) {
		if f = textproto.CanonicalMIMEHeaderKey(f); f == baggageHeader {
			k.baggage = true
		} else {
			k.fields = append(k.fields, f)
		}
	}
	return k
}
