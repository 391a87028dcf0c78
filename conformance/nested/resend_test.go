package nested

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	metricnoop "go.opentelemetry.io/otel/metric/noop"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/instrumented"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

func resendCounts(tel *oteltest.SDK) (got []int64) {
	for _, s := range tel.Spans() {
		got = append(got, oteltest.Attributes(s.Attributes)["http.request.resend_count"].AsInt64())
	}
	return got
}

func TestFailoverIsAResend(t *testing.T) {
	tel := oteltest.New(t)
	heads := map[string]int{}
	wire := func(status int) http.RoundTripper {
		return oteltest.RoundTripFunc(func(r *http.Request) (*http.Response, error) {
			heads[r.Header.Get("Traceparent")]++
			return oteltest.AnswerText(status, "x")(r)
		})
	}
	a, b := instrumented.Transport(tel, wire(503)), instrumented.Transport(tel, wire(200))
	rt := instrumented.Transport(tel, oteltest.RoundTripFunc(func(r *http.Request) (*http.Response, error) {
		resp, err := a.RoundTrip(r)
		if err != nil || resp.StatusCode < 500 {
			return resp, err
		}
		oteltest.Discard(resp)
		c := r.Clone(r.Context())
		return b.RoundTrip(c)
	}))
	oteltest.MustSend(t, rt, oteltest.NewRequest(t, t.Context(), "GET", "https://example.com/", nil))
	if n := len(tel.Spans()); n != 3 || len(heads) != 2 {
		t.Errorf("spans %d, traceparents %d, want 3 and 2", n, len(heads))
	}
}

func TestRetriesBelowNoop(t *testing.T) {
	for name, tp := range map[string]trace.TracerProvider{"noop": noop.NewTracerProvider(), "wrapped noop": oteltest.SwitchedTracers{TracerProvider: noop.NewTracerProvider()}} {
		t.Run(name, func(t *testing.T) {
			tel := oteltest.New(t)
			rt := instrumented.Transport(tel, instrumented.Transport(tel, oteltest.Answer(200)), otelhttpclient.WithTracerProvider(tp), otelhttpclient.WithMeterProvider(metricnoop.NewMeterProvider()))
			ctx := otelhttpclient.ContextWithRetries(t.Context())
			for range 3 {
				oteltest.MustSend(t, rt, oteltest.NewRequest(t, ctx, "GET", "https://example.com/", nil))
			}
			if c := resendCounts(tel); len(c) != 3 || c[0] != 0 || c[1] != 1 || c[2] != 2 {
				t.Errorf("got %v, want 0 1 2", c)
			}
		})
	}
}

// The same with the default provider, before an SDK is installed.
func TestRetriesBelowDefaultProvider(t *testing.T) {
	if !oteltest.OwnProcess(t) {
		return
	}
	tel := oteltest.New(t)
	rt := otelhttpclient.NewTransport(instrumented.Transport(tel, oteltest.Answer(200)))
	ctx := otelhttpclient.ContextWithRetries(t.Context())
	for range 3 {
		oteltest.MustSend(t, rt, oteltest.NewRequest(t, ctx, "GET", "https://example.com/", nil))
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

func TestRefreshAfterDroppedSpan(t *testing.T) {
	for _, measured := range []bool{true, false} {
		tel := oteltest.NewSampled(t, &dropFirst{})
		var opts []otelhttpclient.Option
		if !measured {
			opts = append(opts, otelhttpclient.WithMeterProvider(metricnoop.NewMeterProvider()))
		}
		below := instrumented.Transport(tel, oteltest.Answer(200), opts...)
		var refresh *http.Request
		rt := instrumented.Transport(tel, oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
			refresh = req.Clone(context.WithoutCancel(req.Context()))
			return oteltest.AnswerText(200, "stale")(req)
		}), opts...)
		oteltest.MustSend(t, rt, oteltest.NewRequest(t, t.Context(), "GET", "https://example.com/", nil))
		oteltest.MustSend(t, below, refresh)
		if n := len(tel.Spans()); n != 1 {
			t.Errorf("measured %v: %d spans, want 1 of the refresh", measured, n)
		}
	}
}

func TestTwoRetryLayers(t *testing.T) {
	tel := oteltest.New(t)
	twice := func(below http.RoundTripper) http.RoundTripper {
		return oteltest.RoundTripFunc(func(r *http.Request) (*http.Response, error) {
			resp, err := below.RoundTrip(r)
			if err != nil {
				return resp, err
			}
			oteltest.Discard(resp)
			return below.RoundTrip(r.Clone(r.Context()))
		})
	}
	rt := instrumented.Transport(tel, twice(instrumented.Transport(tel, twice(instrumented.Transport(tel, oteltest.Answer(200))))))
	oteltest.MustSend(t, rt, oteltest.NewRequest(t, t.Context(), "GET", "https://example.com/", nil))
	m := map[int64]int{}
	for _, c := range resendCounts(tel) {
		m[c]++
	}
	// Two are of operations, whose first attempts have spans of their own.
	if m[0] != 2 || m[1] != 1 || m[2] != 2 || m[3] != 1 || durations(tel) != 4 {
		t.Errorf("resend counts %v, want 0 0 1 2 2 3; durations %d, want 4", resendCounts(tel), durations(tel))
	}
}

func TestHedgedAttempts(t *testing.T) {
	tel := oteltest.New(t)
	var mu sync.Mutex
	heads := map[string]int{}
	below := instrumented.Transport(tel, oteltest.RoundTripFunc(func(r *http.Request) (*http.Response, error) {
		mu.Lock()
		heads[r.Header.Get("Traceparent")]++
		mu.Unlock()
		return oteltest.AnswerText(200, "x")(r)
	}))
	rt := instrumented.Transport(tel, oteltest.RoundTripFunc(func(r *http.Request) (*http.Response, error) {
		ch := make(chan *http.Response, 3)
		for range 3 {
			go func() { resp, _ := below.RoundTrip(r); ch <- resp }()
		}
		oteltest.Discard(<-ch)
		oteltest.Discard(<-ch)
		return <-ch, nil
	}))
	for range 50 {
		oteltest.MustSend(t, rt, oteltest.NewRequest(t, t.Context(), "GET", "https://example.com/", nil))
	}
	if n := len(tel.Spans()); n != 200 || len(heads) != 150 {
		t.Errorf("%d spans, %d traceparents, want 200, 150: one for each attempt, and a span for each operation", n, len(heads))
	}
}

// A layer's token request does not count as an attempt of the caller's
// operation.
func TestUnrelatedRequestsAreNotResends(t *testing.T) {
	tel := oteltest.New(t)
	below := instrumented.Transport(tel, oteltest.Answer(200))
	rt := instrumented.Transport(tel, oteltest.RoundTripFunc(func(r *http.Request) (*http.Response, error) {
		tok := oteltest.NewRequest(t, r.Context(), "POST", "https://tokens.example/", strings.NewReader("x"))
		resp, err := below.RoundTrip(tok)
		if err == nil {
			oteltest.Discard(resp)
		}
		return below.RoundTrip(r)
	}))
	ctx := otelhttpclient.ContextWithRetries(t.Context())
	for range 2 {
		oteltest.MustSend(t, rt, oteltest.NewRequest(t, ctx, "GET", "https://example.com/", nil))
	}
	if c := resendCounts(tel); fmt.Sprint(c) != "[0 0 0 1]" {
		t.Errorf("%v", c)
	}
}

// A client between two Transports follows a redirect to the same path of
// another host.
func TestRedirectToSamePath(t *testing.T) {
	tel := oteltest.New(t)
	second := oteltest.NewServer(t, "1.1", func(w http.ResponseWriter, r *http.Request) {})
	first := oteltest.NewServer(t, "1.1", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, second.URL+r.URL.Path, http.StatusPermanentRedirect)
	})
	client := &http.Client{Transport: instrumented.Transport(tel, first.Client().Transport)}
	rt := instrumented.Transport(tel, oteltest.RoundTripFunc(func(r *http.Request) (*http.Response, error) { return client.Do(r) }))
	oteltest.MustSend(t, rt, oteltest.NewRequest(t, t.Context(), "GET", first.URL+"/a", nil))
	m := map[int64]int{}
	for _, c := range resendCounts(tel) {
		m[c]++
	}
	if m[0] != 2 || m[1] != 1 || durations(tel) != 2 {
		t.Errorf("resend counts %v, want 0 0 1; durations %d, want 2", resendCounts(tel), durations(tel))
	}
	for _, s := range tel.Spans() {
		t.Log(oteltest.Attributes(s.Attributes)["url.full"].AsString(), s.Parent.SpanID(), s.SpanContext.SpanID())
	}
}
