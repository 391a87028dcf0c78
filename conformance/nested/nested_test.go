package nested

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/baggage"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/instrumented"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

// nestedCase is a layer between two Transports, by what it does with a request.
type nestedCase struct {
	name  string
	layer func(t *testing.T, below http.RoundTripper, req *http.Request) (*http.Response, error)
	spans int   // in all: one for what the caller sent, and those below
	sent  int   // requests that reach base
	again []int // http.request.resend_count of the spans that have one
}

func nestedCases() []nestedCase {
	send := func(t *testing.T, below http.RoundTripper, req *http.Request) {
		t.Helper()
		resp := oteltest.Open(t, below, req)
		oteltest.Discard(resp)
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
			send(t, below, oteltest.NewRequest(t, req.Context(), req.Method, req.URL.String(), strings.NewReader(`{"method":"login"}`)))
			return below.RoundTrip(req)
		}, 2, 2, nil},
		{"a token from elsewhere first", func(t *testing.T, below http.RoundTripper, req *http.Request) (*http.Response, error) {
			send(t, below, oteltest.NewRequest(t, req.Context(), "POST", "https://tokens.example/", strings.NewReader("grant")))
			return below.RoundTrip(req)
		}, 2, 2, nil},
		{"once more", func(t *testing.T, below http.RoundTripper, req *http.Request) (*http.Response, error) {
			send(t, below, req)
			return below.RoundTrip(again(req))
		}, 3, 2, []int{1}},
		{"twice more", func(t *testing.T, below http.RoundTripper, req *http.Request) (*http.Response, error) {
			send(t, below, req)
			send(t, below, again(req))
			return below.RoundTrip(again(req))
		}, 4, 3, []int{1, 2}},
		{"once more, made anew", func(t *testing.T, below http.RoundTripper, req *http.Request) (*http.Response, error) {
			send(t, below, req)
			return below.RoundTrip(oteltest.NewRequest(t, req.Context(), req.Method, req.URL.String(), strings.NewReader("the same")))
		}, 3, 2, []int{1}},
	}
}

func TestNestedTransports(t *testing.T) {
	for _, c := range nestedCases() {
		for _, propagated := range []bool{true, false} {
			t.Run(c.name, func(t *testing.T) {
				if c.name == "to another host" && !propagated {
					t.Skip("it cannot be distinguished from another request")
				}
				tel := oteltest.New(t)
				var opts []otelhttpclient.Option
				if !propagated {
					opts = append(opts, otelhttpclient.WithPropagators(oteltest.NoPropagator{}))
				}
				parents := map[string]bool{}
				sent := 0
				wire := oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
					sent++
					if h := req.Header.Get("Traceparent"); h != "" {
						parents[h] = true
					}
					return oteltest.AnswerText(200, "fine")(req)
				})
				below := instrumented.Transport(tel, instrumented.Transport(tel, wire, opts...), opts...)
				rt := instrumented.Transport(tel, oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) { return c.layer(t, below, req) }), opts...)
				oteltest.MustSend(t, rt, oteltest.NewRequest(t, t.Context(), "POST", "https://example.com/rpc", strings.NewReader("hello")))
				spans := tel.Spans()
				if len(spans) != c.spans || sent != c.sent {
					t.Errorf("got %d spans of %d requests, want %d of %d", len(spans), sent, c.spans, c.sent)
				}
				if got := int(durations(tel)); got != c.sent {
					t.Errorf("durations: got %d, want %d, one for each request", got, c.sent)
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
			})
		}
	}
}

func TestRequestAfterRoundTrip(t *testing.T) {
	tel := oteltest.New(t)
	below := instrumented.Transport(tel, oteltest.Answer(200))
	var refresh *http.Request
	rt := instrumented.Transport(tel, oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		refresh = req.Clone(context.WithoutCancel(req.Context()))
		return oteltest.AnswerText(200, "stale")(req)
	}))
	oteltest.MustSend(t, rt, oteltest.NewRequest(t, t.Context(), "GET", "https://example.com/", nil))
	oteltest.MustSend(t, below, refresh)
	if got := len(tel.Spans()); got != 2 {
		t.Errorf("spans: got %d, want one of the answer from the cache and one of the refresh", got)
	}
}

// nonRecording returns a provider whose spans have IDs and record nothing.
func nonRecording(t *testing.T) trace.TracerProvider {
	tp := sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.NeverSample()))
	t.Cleanup(func() { _ = tp.Shutdown(context.Background()) })
	return tp
}

func TestNestedUnderNonRecordingProvider(t *testing.T) {
	for name, above := range map[string]trace.TracerProvider{
		"no-op":             noop.NewTracerProvider(),
		"pass-through":      oteltest.SwitchedTracers{TracerProvider: noop.NewTracerProvider()},
		"records nothing":   nonRecording(t),
		"wrapped, disabled": oteltest.SwitchedTracers{TracerProvider: nonRecording(t)},
	} {
		for _, parent := range []bool{false, true} {
			for _, measured := range []bool{false, true} {
				tel := oteltest.New(t)
				opts := []otelhttpclient.Option{otelhttpclient.WithTracerProvider(above)}
				if !measured {
					opts = append(opts, otelhttpclient.WithMeterProvider(metricnoop.NewMeterProvider()))
				}
				ctx, want := t.Context(), 1
				if parent {
					var span trace.Span
					ctx, span = tel.Tracers.Tracer("test").Start(ctx, "parent")
					defer span.End()
				}
				rt := instrumented.Transport(tel, instrumented.Transport(tel, oteltest.Answer(200)), opts...)
				oteltest.MustSend(t, rt, oteltest.NewRequest(t, ctx, "GET", "https://example.com/", nil))
				if got := len(tel.Spans()); got != want {
					t.Errorf("%s, parent %v, measured %v: got %d spans, want %d", name, parent, measured, got, want)
				}
				if got := tel.Seconds("http.client.request.duration").Count; got != 1 {
					t.Errorf("%s, parent %v, measured %v: got %d durations, want 1", name, parent, measured, got)
				}
			}
		}
	}
}

// Two Transports with one provider ask its sampler once.
func TestOneSamplingDecision(t *testing.T) {
	asked := &countingSampler{}
	tel := oteltest.NewSampled(t, asked)
	for _, opts := range [][]otelhttpclient.Option{nil, {otelhttpclient.WithMeterProvider(metricnoop.NewMeterProvider())}} {
		asked.n = 0
		rt := instrumented.Transport(tel, instrumented.Transport(tel, oteltest.Answer(200), opts...), opts...)
		oteltest.MustSend(t, rt, oteltest.NewRequest(t, t.Context(), "GET", "https://example.com/", nil))
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

func TestRewrittenRequestsShareASpan(t *testing.T) {
	for name, change := range map[string]func(*http.Request){
		"api key in the query": func(r *http.Request) { q := r.URL.Query(); q.Set("api_key", "x"); r.URL.RawQuery = q.Encode() },
		"path prefix":          func(r *http.Request) { r.URL.Path = "/v1" + r.URL.Path },
		"method override":      func(r *http.Request) { r.Method = "POST"; r.Header.Set("X-HTTP-Method-Override", "PUT") },
		"baggage stripped":     func(r *http.Request) { r.Header.Del("Baggage") },
		"tls":                  func(r *http.Request) { r.URL.Scheme = "https" },
	} {
		t.Run(name, func(t *testing.T) {
			tel := oteltest.New(t)
			below := instrumented.Transport(tel, oteltest.Answer(200))
			rt := instrumented.Transport(tel, oteltest.RoundTripFunc(func(r *http.Request) (*http.Response, error) {
				c := r.Clone(r.Context())
				change(c)
				return below.RoundTrip(c)
			}))
			m, _ := baggage.NewMember("k", "v")
			b, _ := baggage.New(m)
			oteltest.MustSend(t, rt, oteltest.NewRequest(t, baggage.ContextWithBaggage(t.Context(), b), "PUT", "http://example.com/x", nil))
			if n, d := len(tel.Spans()), tel.Seconds("http.client.request.duration").Count; n != 1 || d != 1 {
				t.Errorf("%d spans, %d durations of one sending, want 1, 1", n, d)
			}
		})
	}
}

func TestRequestsFromHooks(t *testing.T) {
	tel := oteltest.New(t)
	other := instrumented.Transport(tel, oteltest.Answer(200))
	var wg sync.WaitGroup
	rt := instrumented.Transport(tel, oteltest.Answer(200), otelhttpclient.WithRequestHook(func(_ trace.Span, req *http.Request) {
		ctx := req.Context()
		wg.Go(func() {
			r, _ := http.NewRequestWithContext(context.WithoutCancel(ctx), "POST", "https://audit.example/", nil)
			if resp, err := other.RoundTrip(r); err == nil {
				oteltest.Discard(resp)
			}
		})
		time.Sleep(time.Millisecond)
	}))
	for range 20 {
		oteltest.MustSend(t, rt, oteltest.NewRequest(t, t.Context(), "GET", "https://example.com/", nil))
	}
	wg.Wait()
}

// Request builders make a Transport for each attempt.
func TestTransportPerAttempt(t *testing.T) {
	tel := oteltest.New(t)
	rt := instrumented.Transport(tel, oteltest.RoundTripFunc(func(r *http.Request) (*http.Response, error) {
		resp, err := instrumented.Transport(tel, oteltest.Answer(503)).RoundTrip(r)
		if err != nil {
			return resp, err
		}
		oteltest.Discard(resp)
		return instrumented.Transport(tel, oteltest.Answer(200)).RoundTrip(r.Clone(r.Context()))
	}))
	oteltest.MustSend(t, rt, oteltest.NewRequest(t, t.Context(), "GET", "https://example.com/", nil))
	if n := len(tel.Spans()); n != 3 {
		t.Errorf("%d spans, want 3", n)
	}
}

func TestLayersAddAttributes(t *testing.T) {
	tel := oteltest.New(t)
	below := instrumented.Transport(tel, oteltest.Answer(200))
	rt := instrumented.Transport(tel, oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		resp, err := below.RoundTrip(req)
		if err != nil {
			return nil, err
		}
		oteltest.Discard(resp)
		ctx := otelhttpclient.ContextWithURLTemplate(otelhttpclient.ContextWithAttributes(req.Context(), attribute.String("retry.reason", "x")), "/{id}")
		return below.RoundTrip(req.Clone(ctx))
	}))
	oteltest.MustSend(t, rt, oteltest.NewRequest(t, t.Context(), "GET", "https://example.com/1", nil))
	found, tmpl := false, false
	for _, s := range tel.Spans() {
		_, ok := oteltest.Attributes(s.Attributes)["retry.reason"]
		found = found || ok
		tmpl = tmpl || s.Name == "GET /{id}"
	}
	if !found || !tmpl {
		t.Errorf("retry.reason on a span: %v, template: %v", found, tmpl)
	}
}

// TestLayersKeepTheSending: what a layer adds to the context does not make
// another request of it.
func TestLayersKeepTheSending(t *testing.T) {
	tel := oteltest.New(t)
	below := instrumented.Transport(tel, oteltest.Answer(200))
	rt := instrumented.Transport(tel, oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		ctx := otelhttpclient.ContextWithURLTemplate(req.Context(), "/{id}")
		return below.RoundTrip(req.WithContext(ctx))
	}))
	oteltest.MustSend(t, rt, oteltest.NewRequest(t, t.Context(), "GET", "https://example.com/1", nil))
	tel.OnlySpan()
}

func TestInnerPropagatorWrites(t *testing.T) {
	tel := oteltest.New(t)
	head := ""
	wire := oteltest.RoundTripFunc(func(r *http.Request) (*http.Response, error) {
		head = r.Header.Get("Traceparent")
		return oteltest.AnswerText(200, "x")(r)
	})
	rt := instrumented.Transport(tel, instrumented.Transport(tel, wire), otelhttpclient.WithPropagators(oteltest.NoPropagator{}))
	oteltest.MustSend(t, rt, oteltest.NewRequest(t, t.Context(), "GET", "https://example.com/", nil))
	if head == "" {
		t.Error("traceparent = \"\", want the inner Transport's propagator to write it")
	}
}
