// Package inject writes the context of a span into a request's headers, for the hosts
// that are targets, and removes what is stale there. It is given the propagator, the
// targets and a guard. It knows nothing of spans and Transports.
package inject

import (
	"context"
	"net/http"
	"net/textproto"
	"reflect"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"

	"github.com/otelhttpclient/otelhttpclient/internal/callback"
	"github.com/otelhttpclient/otelhttpclient/internal/identity"
)

// Propagator injects with the configured propagator, or with the global one.
type Propagator struct {
	Configured propagation.TextMapPropagator // nil: the global one
	Targets    *Targets                      // nil: every host
	Guard      callback.Guard

	latest identity.Latest[*known]
}

// Inject writes ctx into the carrier of a request's header, or, if the request's
// host is excluded, removes all fields of the propagator from it. If the propagator
// panics, nothing is written.
func (p *Propagator) Inject(ctx context.Context, req *http.Request, carrier *Carrier) (excluded bool) {
	if !p.Targets.Include(req) {
		p.Guard.Call("propagator", func() { p.withhold(carrier) })
		return true
	}
	if !p.Guard.Call("propagator", func() { p.write(ctx, carrier) }) {
		carrier.copied = nil
	}
	return false
}

// withhold removes all fields of the propagator.
func (p *Propagator) withhold(carrier *Carrier) {
	known := p.known(p.current())
	carrier.remove(known.fields)
	if known.baggage {
		carrier.remove([]string{baggageHeader})
	}
}

func (p *Propagator) write(ctx context.Context, carrier *Carrier) {
	propagator := p.current()
	known := p.known(propagator)
	if known.keepsNothing {
		propagator.Inject(ctx, carrier)
	} else {
		own := *carrier
		own.written = nil // in memory of its own
		propagator.Inject(ctx, &own)
		*carrier = own
	}
	carrier.removeStale(ctx, known.fields)
}

func (p *Propagator) current() propagation.TextMapPropagator {
	if p.Configured != nil {
		return p.Configured
	}
	return otel.GetTextMapPropagator()
}

// known is what is known about a propagator.
type known struct {
	fields       []string // in canonical form, without baggage
	baggage      bool     // is among its fields
	keepsNothing bool     // does not retain the carrier after Inject
	delegates    bool     // is the API's default, whose fields change with the delegate
}

func (p *Propagator) known(propagator propagation.TextMapPropagator) *known {
	k, ok := p.latest.Get(propagator)
	if ok && (!k.delegates || len(k.fields) == 0 && len(p.fieldsOf(propagator)) == 0) {
		return k // or still without a delegate
	}
	k = p.newKnown(propagator)
	p.latest.Put(propagator, k)
	return k
}

func (p *Propagator) fieldsOf(propagator propagation.TextMapPropagator) (fields []string) {
	p.Guard.Call("propagator", func() { fields = propagator.Fields() })
	return fields
}

func (p *Propagator) newKnown(propagator propagation.TextMapPropagator) *known {
	k := &known{
		keepsNothing: identity.IsOpenTelemetry(propagator),
		delegates:    identity.PackageOf(propagator) == "go.opentelemetry.io/otel/internal/global",
	}
	if parts := reflect.ValueOf(propagator); k.keepsNothing && parts.Kind() == reflect.Slice {
		for i := range parts.Len() {
			k.keepsNothing = k.keepsNothing && identity.IsOpenTelemetry(parts.Index(i).Interface())
		}
	}
	for _, f := range p.fieldsOf(propagator) {
		if f = textproto.CanonicalMIMEHeaderKey(f); f == baggageHeader {
			k.baggage = true
		} else {
			k.fields = append(k.fields, f)
		}
	}
	return k
}
