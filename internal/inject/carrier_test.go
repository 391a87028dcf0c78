package inject

import (
	"context"
	"net/http"
	"testing"

	"go.opentelemetry.io/otel/propagation"
)

func TestForeignPropagatorGetsItsOwnCarrier(t *testing.T) {
	k := &keepingPropagator{}
	p := Propagator{Configured: k}
	var c Carrier
	c.Reset(http.Header{}, nil)
	p.Inject(context.Background(), &http.Request{}, &c)
	if k.carrier == &c || c.Header().Get("X-Kept") != "1" {
		t.Errorf("the propagator got the reused carrier: %v, header %v, want one of its own", k.carrier == &c, c.Header())
	}
}

// keepingPropagator keeps the carrier after Inject has returned.
type keepingPropagator struct{ carrier propagation.TextMapCarrier }

func (k *keepingPropagator) Inject(_ context.Context, c propagation.TextMapCarrier) {
	k.carrier = c
	c.Set("x-kept", "1")
}

func (k *keepingPropagator) Extract(ctx context.Context, _ propagation.TextMapCarrier) context.Context {
	return ctx
}

func (k *keepingPropagator) Fields() []string { return nil }

func TestCarrierHoldsManyValues(t *testing.T) {
	c := Carrier{original: http.Header{"Accept": {"*/*"}}}
	names := []string{"a", "b", "c", "d", "e"}
	for _, name := range names {
		c.Set(name, name)
	}
	for _, name := range names {
		if got := c.Get(name); got != name {
			t.Errorf("%s: got %q, want %q", name, got, name)
		}
	}
}

func BenchmarkInjectedHeader(b *testing.B) {
	caller := http.Header{"Accept": {"application/json"}, "User-Agent": {"bench/1"}, "X-Request-Id": {"1"}}
	b.ReportAllocs()
	for b.Loop() {
		c := Carrier{original: caller}
		c.Set("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	}
}
