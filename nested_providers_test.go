package otelhttpclient_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/oteltest"
	"github.com/otelhttpclient/otelhttpclient/internal/oteltest/instrumented"
)

func TestRewrittenRequestsAreTheSameSending(t *testing.T) {
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

type manyKeys struct{ propagation.TraceContext }

func (manyKeys) Fields() []string { panic("fields") }
func (m manyKeys) Inject(ctx context.Context, c propagation.TextMapCarrier) {
	for i := range 9 {
		c.Set(fmt.Sprint("x-", i), "v")
	}
	m.TraceContext.Inject(ctx, c)
	c.Set("x-0", "again")
}

type uncomparablePropagator struct {
	_ func()
	manyKeys
}

func TestPropagatorOfManyKeys(t *testing.T) {
	for _, p := range []propagation.TextMapPropagator{manyKeys{}, &manyKeys{}, uncomparablePropagator{}, propagation.NewCompositeTextMapPropagator(manyKeys{}, propagation.Baggage{})} {
		tel := oteltest.New(t)
		var got http.Header
		rt := instrumented.Transport(tel, instrumented.Transport(tel, oteltest.RoundTripFunc(func(r *http.Request) (*http.Response, error) {
			got = r.Header
			return oteltest.AnswerText(200, "x")(r)
		}), otelhttpclient.WithPropagators(p)), otelhttpclient.WithPropagators(p))
		req := oteltest.NewRequest(t, t.Context(), "GET", "http://example.com/x", nil)
		req.Header.Set("x-3", "old")
		oteltest.MustSend(t, rt, req)
		if len(tel.Spans()) != 1 || got.Get("Traceparent") != oteltest.Traceparent(tel.Spans()[0].SpanContext) || got.Get("x-0") != "again" || got.Get("x-3") != "v" || req.Header.Get("x-3") != "old" {
			t.Errorf("%T: %v", p, got)
		}
	}
}

type typedNilSpan struct{ trace.Span }

func (typedNilSpan) TracerProvider() trace.TracerProvider { return (*sdktrace.TracerProvider)(nil) }

type nilSpan struct{ trace.Span }

func (nilSpan) TracerProvider() trace.TracerProvider { return nil }

func TestNilProvidersOfParents(t *testing.T) {
	for i, wrap := range []func(trace.Span) trace.Span{
		func(s trace.Span) trace.Span { return typedNilSpan{s} },
		func(s trace.Span) trace.Span { return nilSpan{s} },
	} {
		tel := oteltest.New(t)
		ctx, span := tel.Tracers.Tracer("x").Start(t.Context(), "p")
		ctx = trace.ContextWithSpan(ctx, wrap(span))
		head := ""
		rt := otelhttpclient.NewTransport(oteltest.RoundTripFunc(func(r *http.Request) (*http.Response, error) {
			head = r.Header.Get("Traceparent")
			return oteltest.AnswerText(200, "x")(r)
		}), otelhttpclient.WithPropagators(propagation.TraceContext{}))
		oteltest.MustSend(t, rt, oteltest.NewRequest(t, ctx, "GET", "http://example.com/x", nil))
		if head == "" {
			t.Errorf("%d: no traceparent", i)
		}
	}
}

// span started by hook's client, with the retry counts shared
func TestUnrelatedRequestsAreNoAttempts(t *testing.T) {
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
