package otelhttpclient_test

import (
	"context"
	"net/http"
	"sync"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/otelhttpclient/otelhttpclient"
)

func resendCounts(tel *telemetry) (got []int64) {
	for _, s := range tel.spans() {
		got = append(got, attrs(s.Attributes)["http.request.resend_count"].AsInt64())
	}
	return got
}

func TestFailoverThroughAnotherTransportIsAResend(t *testing.T) {
	tel := newTelemetry(t)
	heads := map[string]int{}
	wire := func(status int) http.RoundTripper {
		return roundTripFunc(func(r *http.Request) (*http.Response, error) {
			heads[r.Header.Get("Traceparent")]++
			return replying(status, "x")(r)
		})
	}
	a, b := tel.transport(wire(503)), tel.transport(wire(200))
	rt := tel.transport(roundTripFunc(func(r *http.Request) (*http.Response, error) {
		resp, err := a.RoundTrip(r)
		if err != nil || resp.StatusCode < 500 {
			return resp, err
		}
		discardBody(resp)
		c := r.Clone(r.Context())
		return b.RoundTrip(c)
	}))
	mustExchange(t, rt, newConventionsRequest(t, t.Context(), "GET", "https://example.com/", nil))
	if n := len(tel.spans()); n != 2 || len(heads) != 2 {
		t.Errorf("spans %d, traceparents %d, want 2 and 2", n, len(heads))
	}
}

func TestRetriesAreCountedOnceBelowANoop(t *testing.T) {
	for name, tp := range map[string]trace.TracerProvider{"noop": noop.NewTracerProvider(), "wrapped noop": switchedTracers{noop.NewTracerProvider()}} {
		t.Run(name, func(t *testing.T) {
			tel := newTelemetry(t)
			rt := tel.transport(tel.transport(answerWith(200)), otelhttpclient.WithTracerProvider(tp), otelhttpclient.WithMeterProvider(metricnoop.NewMeterProvider()))
			ctx := otelhttpclient.ContextWithRetries(t.Context())
			for range 3 {
				mustExchange(t, rt, newConventionsRequest(t, ctx, "GET", "https://example.com/", nil))
			}
			if c := resendCounts(tel); len(c) != 3 || c[0] != 0 || c[1] != 1 || c[2] != 2 {
				t.Errorf("got %v, want 0 1 2", c)
			}
		})
	}
}

// 3b same, no global SDK
func TestRetriesAreCountedOnceBelowTheDefault(t *testing.T) {
	if !inOwnProcess(t) {
		return
	}
	tel := newTelemetry(t)
	rt := otelhttpclient.NewTransport(tel.transport(answerWith(200)))
	ctx := otelhttpclient.ContextWithRetries(t.Context())
	for range 3 {
		mustExchange(t, rt, newConventionsRequest(t, ctx, "GET", "https://example.com/", nil))
	}
	if c := resendCounts(tel); len(c) != 3 || c[0] != 0 || c[1] != 1 || c[2] != 2 {
		t.Errorf("got %v, want 0 1 2", c)
	}
}

type dropFirst struct{ n int }

func (c *dropFirst) ShouldSample(p sdktrace.SamplingParameters) sdktrace.SamplingResult {
	c.n++
	if c.n == 1 {
		return sdktrace.NeverSample().ShouldSample(p)
	}
	return sdktrace.AlwaysSample().ShouldSample(p)
}
func (c *dropFirst) Description() string { return "x" }

func TestRefreshAfterADroppedSpan(t *testing.T) {
	for _, measured := range []bool{true, false} {
		tel := newSampledTelemetry(t, &dropFirst{})
		var opts []otelhttpclient.Option
		if !measured {
			opts = append(opts, otelhttpclient.WithMeterProvider(metricnoop.NewMeterProvider()))
		}
		below := tel.transport(answerWith(200), opts...)
		var refresh *http.Request
		rt := tel.transport(roundTripFunc(func(req *http.Request) (*http.Response, error) {
			refresh = req.Clone(context.WithoutCancel(req.Context()))
			return replying(200, "stale")(req)
		}), opts...)
		mustExchange(t, rt, newConventionsRequest(t, t.Context(), "GET", "https://example.com/", nil))
		mustExchange(t, below, refresh)
		if n := len(tel.spans()); n != 1 {
			t.Errorf("measured %v: %d spans, want 1 of the refresh", measured, n)
		}
	}
}

func TestLayersAddAttributes(t *testing.T) {
	tel := newTelemetry(t)
	below := tel.transport(answerWith(200))
	rt := tel.transport(roundTripFunc(func(req *http.Request) (*http.Response, error) {
		resp, err := below.RoundTrip(req)
		if err != nil {
			return nil, err
		}
		discardBody(resp)
		ctx := otelhttpclient.ContextWithURLTemplate(otelhttpclient.ContextWithAttributes(req.Context(), attribute.String("retry.reason", "x")), "/{id}")
		return below.RoundTrip(req.Clone(ctx))
	}))
	mustExchange(t, rt, newConventionsRequest(t, t.Context(), "GET", "https://example.com/1", nil))
	found, tmpl := false, false
	for _, s := range tel.spans() {
		_, ok := attrs(s.Attributes)["retry.reason"]
		found = found || ok
		tmpl = tmpl || s.Name == "GET /{id}"
	}
	if !found || !tmpl {
		t.Errorf("retry.reason on a span: %v, template: %v", found, tmpl)
	}
}

func TestInnerPropagatorWritesWhereTheOuterDoesNot(t *testing.T) {
	tel := newTelemetry(t)
	head := ""
	wire := roundTripFunc(func(r *http.Request) (*http.Response, error) {
		head = r.Header.Get("Traceparent")
		return replying(200, "x")(r)
	})
	rt := tel.transport(tel.transport(wire), otelhttpclient.WithPropagators(noPropagator{}))
	mustExchange(t, rt, newConventionsRequest(t, t.Context(), "GET", "https://example.com/", nil))
	if head == "" {
		t.Error("no traceparent on the wire although the inner Transport has a propagator")
	}
}

type panickySpan struct{ trace.Span }

func (panickySpan) TracerProvider() trace.TracerProvider { panic("no provider") }

func TestPanickingParentProvider(t *testing.T) {
	tel := newTelemetry(t)
	ctx, span := tel.tracers.Tracer("x").Start(t.Context(), "p")
	ctx = trace.ContextWithSpan(ctx, panickySpan{span})
	head := ""
	wire := roundTripFunc(func(r *http.Request) (*http.Response, error) {
		head = r.Header.Get("Traceparent")
		return replying(200, "x")(r)
	})
	rt := otelhttpclient.NewTransport(wire, otelhttpclient.WithPropagators(propagation.TraceContext{}))
	mustExchange(t, rt, newConventionsRequest(t, ctx, "GET", "https://example.com/", nil))
	if head == "" {
		t.Error("no traceparent")
	}
}

type panickyMeters struct{ metric.MeterProvider }

func TestPanickingMeterProviderLeavesTheSpan(t *testing.T) {
	tel := newTelemetry(t)
	head := ""
	wire := roundTripFunc(func(r *http.Request) (*http.Response, error) {
		head = r.Header.Get("Traceparent")
		return replying(200, "x")(r)
	})
	rt := tel.transport(wire, otelhttpclient.WithMeterProvider(panickyMeters{}))
	mustExchange(t, rt, newConventionsRequest(t, t.Context(), "GET", "https://example.com/", nil))
	if head == "" || len(tel.spans()) != 1 {
		t.Errorf("head %q spans %d: a broken MeterProvider takes tracing with it", head, len(tel.spans()))
	}
}

func TestTwoRetryLayers(t *testing.T) {
	tel := newTelemetry(t)
	twice := func(below http.RoundTripper) http.RoundTripper {
		return roundTripFunc(func(r *http.Request) (*http.Response, error) {
			resp, err := below.RoundTrip(r)
			if err != nil {
				return resp, err
			}
			discardBody(resp)
			return below.RoundTrip(r.Clone(r.Context()))
		})
	}
	rt := tel.transport(twice(tel.transport(twice(tel.transport(answerWith(200))))))
	mustExchange(t, rt, newConventionsRequest(t, t.Context(), "GET", "https://example.com/", nil))
	m := map[int64]int{}
	for _, c := range resendCounts(tel) {
		m[c]++
	}
	if m[0] != 1 || m[1] != 1 || m[2] != 1 || m[3] != 1 {
		t.Errorf("resend counts %v, want 0 1 2 3", resendCounts(tel))
	}
}

func TestHedgedAttempts(t *testing.T) {
	tel := newTelemetry(t)
	var mu sync.Mutex
	heads := map[string]int{}
	below := tel.transport(roundTripFunc(func(r *http.Request) (*http.Response, error) {
		mu.Lock()
		heads[r.Header.Get("Traceparent")]++
		mu.Unlock()
		return replying(200, "x")(r)
	}))
	rt := tel.transport(roundTripFunc(func(r *http.Request) (*http.Response, error) {
		ch := make(chan *http.Response, 3)
		for range 3 {
			go func() { resp, _ := below.RoundTrip(r); ch <- resp }()
		}
		discardBody(<-ch)
		discardBody(<-ch)
		return <-ch, nil
	}))
	for range 50 {
		mustExchange(t, rt, newConventionsRequest(t, t.Context(), "GET", "https://example.com/", nil))
	}
	if n := len(tel.spans()); n != 150 || len(heads) != 150 {
		t.Errorf("%d %d", n, len(heads))
	}
}
