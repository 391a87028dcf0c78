package otelhttpclient_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/otelhttpclient/otelhttpclient"
)

// nestedCase is what a layer between two Transports does with a request.
type nestedCase struct {
	name  string
	layer func(t *testing.T, below http.RoundTripper, req *http.Request) (*http.Response, error)
	spans int   // in all
	sent  int   // requests that reach the wire
	again []int // http.request.resend_count of the spans that have one
}

func discardBody(resp *http.Response) {
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
}

// another is a request that a layer makes on its own.
func another(t *testing.T, ctx context.Context, method, url, body string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return req
}

func nestedCases() []nestedCase {
	send := func(t *testing.T, below http.RoundTripper, req *http.Request) {
		t.Helper()
		resp, err := below.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		discardBody(resp)
	}
	again := func(req *http.Request) *http.Request {
		c := req.Clone(req.Context())
		if req.GetBody != nil {
			c.Body, _ = req.GetBody()
		}
		c.Header.Set("Authorization", "Digest again")
		return c
	}
	return []nestedCase{
		{"as it is", func(_ *testing.T, below http.RoundTripper, req *http.Request) (*http.Response, error) {
			return below.RoundTrip(req)
		}, 1, 1, nil},
		{"a clone with a header", func(_ *testing.T, below http.RoundTripper, req *http.Request) (*http.Response, error) {
			c := req.Clone(req.Context())
			c.Header.Set("Authorization", "Bearer x")
			return below.RoundTrip(c)
		}, 1, 1, nil},
		{"to another host", func(_ *testing.T, below http.RoundTripper, req *http.Request) (*http.Response, error) {
			c := req.Clone(req.Context())
			c.URL.Host = "replica.example"
			return below.RoundTrip(c)
		}, 1, 1, nil},
		{"a login at the same address first", func(t *testing.T, below http.RoundTripper, req *http.Request) (*http.Response, error) {
			send(t, below, another(t, req.Context(), req.Method, req.URL.String(), `{"method":"login"}`))
			return below.RoundTrip(req)
		}, 2, 2, nil},
		{"a token from elsewhere first", func(t *testing.T, below http.RoundTripper, req *http.Request) (*http.Response, error) {
			send(t, below, another(t, req.Context(), "POST", "https://tokens.example/", "grant"))
			return below.RoundTrip(req)
		}, 2, 2, nil},
		{"once more", func(t *testing.T, below http.RoundTripper, req *http.Request) (*http.Response, error) {
			send(t, below, req)
			return below.RoundTrip(again(req))
		}, 2, 2, []int{1}},
		{"twice more", func(t *testing.T, below http.RoundTripper, req *http.Request) (*http.Response, error) {
			send(t, below, req)
			send(t, below, again(req))
			return below.RoundTrip(again(req))
		}, 3, 3, []int{1, 2}},
		{"once more, made anew", func(t *testing.T, below http.RoundTripper, req *http.Request) (*http.Response, error) {
			send(t, below, req)
			return below.RoundTrip(another(t, req.Context(), req.Method, req.URL.String(), "the same"))
		}, 2, 2, []int{1}},
	}
}

func TestNestedTransportsGiveOneSpanForOneSending(t *testing.T) {
	for _, c := range nestedCases() {
		for _, propagated := range []bool{true, false} {
			t.Run(c.name, func(t *testing.T) {
				if c.name == "to another host" && !propagated {
					t.Skip("nothing tells it from another request")
				}
				tel := newTelemetry(t)
				var opts []otelhttpclient.Option
				if !propagated {
					opts = append(opts, otelhttpclient.WithPropagators(noPropagator{}))
				}
				parents := map[string]bool{}
				sent := 0
				wire := roundTripFunc(func(req *http.Request) (*http.Response, error) {
					sent++
					if h := req.Header.Get("Traceparent"); h != "" {
						parents[h] = true
					}
					return replying(200, "fine")(req)
				})
				below := tel.transport(tel.transport(wire, opts...), opts...)
				rt := tel.transport(roundTripFunc(func(req *http.Request) (*http.Response, error) { return c.layer(t, below, req) }), opts...)
				mustExchange(t, rt, newConventionsRequest(t, t.Context(), "POST", "https://example.com/rpc", strings.NewReader("hello")))
				spans := tel.spans()
				if len(spans) != c.spans || sent != c.sent {
					t.Errorf("got %d spans of %d requests, want %d of %d", len(spans), sent, c.spans, c.sent)
				}
				if propagated && len(parents) != c.sent {
					t.Errorf("traceparents on the wire: got %d, want %d, one for each request", len(parents), c.sent)
				}
				var again []int
				for _, s := range spans {
					for _, a := range s.Attributes {
						if a.Key == "http.request.resend_count" {
							again = append(again, int(a.Value.AsInt64()))
						}
					}
				}
				if len(again) != len(c.again) || len(again) > 0 && again[len(again)-1] != c.again[len(again)-1] {
					t.Errorf("resend counts: got %v, want %v", again, c.again)
				}
				if c.spans == 1 {
					if got := tel.secondsOf("http.client.request.duration").Count; got != 1 {
						t.Errorf("durations: got %d, want 1", got)
					}
				}
			})
		}
	}
}

type noPropagator struct{}

func (noPropagator) Inject(context.Context, propagation.TextMapCarrier) {}
func (noPropagator) Extract(ctx context.Context, _ propagation.TextMapCarrier) context.Context {
	return ctx
}
func (noPropagator) Fields() []string { return nil }

func TestRequestsAfterTheRoundTripHaveSpansOfTheirOwn(t *testing.T) {
	tel := newTelemetry(t)
	below := tel.transport(answerWith(200))
	var refresh *http.Request
	rt := tel.transport(roundTripFunc(func(req *http.Request) (*http.Response, error) {
		refresh = req.Clone(context.WithoutCancel(req.Context()))
		return replying(200, "stale")(req)
	}))
	mustExchange(t, rt, newConventionsRequest(t, t.Context(), "GET", "https://example.com/", nil))
	mustExchange(t, below, refresh)
	if got := len(tel.spans()); got != 2 {
		t.Errorf("spans: got %d, want one of the answer from the cache and one of the refresh", got)
	}
}

// nonRecording is a provider whose spans have ids and record nothing.
func nonRecording(t *testing.T) trace.TracerProvider {
	tp := sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.NeverSample()))
	t.Cleanup(func() { _ = tp.Shutdown(context.Background()) })
	return tp
}

func TestProvidersWithoutSpansSilenceNobodyBelow(t *testing.T) {
	for name, above := range map[string]trace.TracerProvider{
		"no-op":             noop.NewTracerProvider(),
		"pass-through":      switchedTracers{noop.NewTracerProvider()},
		"records nothing":   nonRecording(t),
		"wrapped, disabled": switchedTracers{nonRecording(t)},
	} {
		for _, parent := range []bool{false, true} {
			for _, measured := range []bool{false, true} {
				tel := newTelemetry(t)
				opts := []otelhttpclient.Option{otelhttpclient.WithTracerProvider(above)}
				if !measured {
					opts = append(opts, otelhttpclient.WithMeterProvider(metricnoop.NewMeterProvider()))
				}
				ctx, want := t.Context(), 1
				if parent {
					var span trace.Span
					ctx, span = tel.tracers.Tracer("test").Start(ctx, "parent")
					defer span.End()
				}
				rt := tel.transport(tel.transport(answerWith(200)), opts...)
				mustExchange(t, rt, newConventionsRequest(t, ctx, "GET", "https://example.com/", nil))
				if got := len(tel.spans()); got != want {
					t.Errorf("%s, parent %v, measured %v: got %d spans, want %d", name, parent, measured, got, want)
				}
				if got := tel.secondsOf("http.client.request.duration").Count; got != 1 {
					t.Errorf("%s, parent %v, measured %v: got %d durations, want 1", name, parent, measured, got)
				}
			}
		}
	}
}

// TestOneSamplingDecision: two Transports of one provider ask its sampler once.
func TestOneSamplingDecision(t *testing.T) {
	asked := &countingSampler{}
	tel := newSampledTelemetry(t, asked)
	for _, opts := range [][]otelhttpclient.Option{nil, {otelhttpclient.WithMeterProvider(metricnoop.NewMeterProvider())}} {
		asked.n = 0
		rt := tel.transport(tel.transport(answerWith(200), opts...), opts...)
		mustExchange(t, rt, newConventionsRequest(t, t.Context(), "GET", "https://example.com/", nil))
		if asked.n != 1 {
			t.Errorf("decisions: got %d, want 1", asked.n)
		}
	}
}

type countingSampler struct{ n int }

func (c *countingSampler) ShouldSample(p sdktrace.SamplingParameters) sdktrace.SamplingResult {
	c.n++
	return sdktrace.NeverSample().ShouldSample(p)
}

func (c *countingSampler) Description() string { return "counting" }
