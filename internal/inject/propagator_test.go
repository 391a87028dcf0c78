package inject

import (
	"testing"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"

	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

// The default propagator of OpenTelemetry's API is recognized.
func TestDefaultPropagator(t *testing.T) {
	if !oteltest.OwnProcess(t) {
		return
	}
	var p Propagator
	if k := p.newKnown(otel.GetTextMapPropagator()); !k.delegates {
		t.Errorf("%T: got one that does not delegate, want one that does", otel.GetTextMapPropagator())
	}
	otel.SetTextMapPropagator(propagation.TraceContext{})
	if k := p.newKnown(otel.GetTextMapPropagator()); k.delegates {
		t.Errorf("%T: got one that delegates, want the one that was set", otel.GetTextMapPropagator())
	}
}

// OpenTelemetry's propagators are recognized, and others are not taken for them.
func TestTypesOfPropagators(t *testing.T) {
	own := struct{ propagation.TextMapPropagator }{propagation.TraceContext{}}
	for _, row := range []struct {
		propagator propagation.TextMapPropagator
		want       bool
	}{
		{propagation.TraceContext{}, true},
		{propagation.Baggage{}, true},
		{propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{}), true},
		{propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, own), false},
		{own, false},
	} {
		var p Propagator
		if k := p.newKnown(row.propagator); k.keepsNothing != row.want {
			t.Errorf("%T %v: got a propagator that keeps nothing %v, want %v", row.propagator, row.propagator, k.keepsNothing, row.want)
		}
	}
}
