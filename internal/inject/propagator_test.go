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
	initial := otel.GetTextMapPropagator()
	if k := p.newInfo(initial); !k.delegates || k.mayRetain {
		t.Errorf("%T: got %+v, want one that delegates, without a delegate", initial, k)
	}
	otel.SetTextMapPropagator(propagation.TraceContext{})
	if k := p.newInfo(initial); !k.delegates || !k.mayRetain {
		t.Errorf("%T: got %+v, want one whose delegate may retain the carrier", initial, k)
	}
	if k := p.newInfo(otel.GetTextMapPropagator()); k.delegates {
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
		{propagation.TraceContext{}, false},
		{propagation.Baggage{}, false},
		{propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{}), false},
		{propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, own), true},
		{own, true},
	} {
		var p Propagator
		if info := p.newInfo(row.propagator); info.mayRetain != row.want {
			t.Errorf("%T %v: got mayRetain %v, want %v", row.propagator, row.propagator, info.mayRetain, row.want)
		}
	}
}
