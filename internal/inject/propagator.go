// Package inject writes a span's context into the headers of requests to target
// hosts, and removes stale fields from them. It is given the propagator, the targets
// and a guard. It does not know how spans are started, or Transports.
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

	latest identity.Latest[*propagatorInfo]
}

// Inject writes ctx to the carrier of the request's header. If the targets exclude
// the request's host, it removes all fields of the propagator instead. If the
// propagator panics, nothing is written.
func (p *Propagator) Inject(ctx context.Context, req *http.Request, carrier *Carrier) (excluded bool) {
	if !p.Targets.Include(req) {
		p.Guard.Call("propagator", func() { p.removeAll(carrier) })
		return true
	}
	if !p.Guard.Call("propagator", func() { p.injectInto(ctx, carrier) }) {
		carrier.copied = nil
	}
	return false
}

// removeAll removes all fields of the propagator.
func (p *Propagator) removeAll(carrier *Carrier) {
	info := p.info(p.currentPropagator())
	carrier.removeFields(info.fields)
	if info.hasBaggage {
		carrier.removeFields([]string{baggageHeader})
	}
}

func (p *Propagator) injectInto(ctx context.Context, carrier *Carrier) {
	propagator := p.currentPropagator()
	info := p.info(propagator)
	if info.mayRetain {
		unpooled := *carrier
		unpooled.written = nil // not in pooled memory
		propagator.Inject(ctx, &unpooled)
		*carrier = unpooled
	} else {
		propagator.Inject(ctx, carrier)
	}
	if len(info.fields) > 0 {
		carrier.removeStale(ctx, info.fields)
	}
}

func (p *Propagator) currentPropagator() propagation.TextMapPropagator {
	if p.Configured != nil {
		return p.Configured
	}
	return otel.GetTextMapPropagator()
}

// propagatorInfo describes a propagator.
type propagatorInfo struct {
	fields     []string // in canonical form, without baggage
	hasBaggage bool     // baggage is one of the fields
	mayRetain  bool     // it may retain the carrier after Inject
	delegates  bool     // it is the API's default: its fields change with its delegate
}

func (p *Propagator) info(propagator propagation.TextMapPropagator) *propagatorInfo {
	info, ok := p.latest.Get(propagator)
	if ok && (!info.delegates || len(info.fields) == 0 && len(p.fieldsOf(propagator)) == 0) {
		return info // a default without a delegate has no fields
	}
	info = p.newInfo(propagator)
	p.latest.Put(propagator, info)
	return info
}

func (p *Propagator) fieldsOf(propagator propagation.TextMapPropagator) (fields []string) {
	p.Guard.Call("propagator", func() { fields = propagator.Fields() })
	return fields
}

func (p *Propagator) newInfo(propagator propagation.TextMapPropagator) *propagatorInfo {
	info := &propagatorInfo{
		mayRetain: !identity.IsOpenTelemetry(propagator),
		delegates: identity.PackageOf(propagator) == "go.opentelemetry.io/otel/internal/global",
	}
	if parts := reflect.ValueOf(propagator); !info.mayRetain && parts.Kind() == reflect.Slice {
		for i := range parts.Len() {
			info.mayRetain = info.mayRetain || !identity.IsOpenTelemetry(parts.Index(i).Interface())
		}
	}
	for _, f := range p.fieldsOf(propagator) {
		if f = textproto.CanonicalMIMEHeaderKey(f); f == baggageHeader {
			info.hasBaggage = true
		} else {
			info.fields = append(info.fields, f)
		}
	}
	// The delegate of the API's default may be of any type.
	info.mayRetain = info.mayRetain || info.delegates && (len(info.fields) > 0 || info.hasBaggage)
	return info
}
