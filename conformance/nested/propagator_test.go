package nested

import (
	"context"
	"net/http"
	"testing"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

// headersOfTenant is a propagator that writes the same value into headers of the
// application.
type headersOfTenant []string

func (names headersOfTenant) Inject(_ context.Context, carrier propagation.TextMapCarrier) {
	for _, name := range names {
		carrier.Set(name, "acme")
	}
}

func (headersOfTenant) Extract(ctx context.Context, _ propagation.TextMapCarrier) context.Context {
	return ctx
}

func (names headersOfTenant) Fields() []string { return names }

// withTraceState returns a context with a remote parent that has a tracestate.
func withTraceState(t *testing.T) context.Context {
	state, err := trace.ParseTraceState("vendor=1")
	if err != nil {
		t.Fatal(err)
	}
	return trace.ContextWithRemoteSpanContext(t.Context(), trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled, TraceState: state, Remote: true,
	}))
}

// TestRequestWithIncomingHeaders: a proxy asks an authorization server, with the
// headers of its incoming request, before it sends its own. The traceparent of
// those is another span's.
func TestRequestWithIncomingHeaders(t *testing.T) {
	tel := oteltest.New(t)
	options := []otelhttpclient.Option{
		otelhttpclient.WithTracerProvider(tel.Tracers),
		otelhttpclient.WithPropagators(propagation.NewCompositeTextMapPropagator(headersOfTenant{"X-Tenant", "X-Region"}, propagation.TraceContext{})),
	}
	var sent []string
	below := otelhttpclient.NewTransport(oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		sent = append(sent, req.Header.Get("Traceparent"))
		return oteltest.Reply(req, http.StatusOK, http.NoBody), nil
	}), options...)
	incoming := http.Header{
		"Traceparent": {"00-01000000000000000000000000000000-0200000000000000-01"}, "Tracestate": {"vendor=1"},
		"X-Tenant": {"acme"}, "X-Region": {"acme"},
	}
	above := otelhttpclient.NewTransport(oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		auth := oteltest.NewRequest(t, req.Context(), http.MethodGet, "http://auth.test/verify", nil)
		auth.Header = incoming.Clone()
		oteltest.MustSend(t, below, auth)
		return below.RoundTrip(req)
	}), options...)

	req := oteltest.NewRequest(t, withTraceState(t), http.MethodGet, "http://api.test/", nil)
	req.Header = incoming.Clone()
	oteltest.MustSend(t, above, req)
	if got := len(tel.Spans()); got != 2 {
		t.Errorf("spans: %d, want 2", got)
	}
	if sent[0] == sent[1] || sent[0] == incoming.Get("Traceparent") {
		t.Errorf("traceparents: %q, want one for each request", sent)
	}
}

// TestPropagatorThatWritesTwice: the copy below is still recognized.
func TestPropagatorThatWritesTwice(t *testing.T) {
	tel := oteltest.New(t)
	w3c := propagation.TraceContext{}
	options := []otelhttpclient.Option{
		otelhttpclient.WithTracerProvider(tel.Tracers),
		otelhttpclient.WithPropagators(propagation.NewCompositeTextMapPropagator(w3c, propagation.Baggage{}, w3c, w3c, w3c, w3c)),
	}
	below := otelhttpclient.NewTransport(oteltest.Answer(http.StatusOK), options...)
	above := otelhttpclient.NewTransport(oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		moved := req.Clone(req.Context())
		moved.URL.Host = "10.0.0.1"
		return below.RoundTrip(moved)
	}), options...)
	oteltest.Get(t, withTraceState(t), above, "http://api.test/")
	tel.OnlySpan()
}
