package otelhttpclient_test

import (
	"net/http"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/instrumented"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

func with(kv ...attribute.KeyValue) otelhttpclient.Option {
	return otelhttpclient.WithAttributes(func(*http.Request) []attribute.KeyValue { return kv })
}

// WithAttributes adds to span and metrics, and samplers see the attributes.
func TestWithAttributes(t *testing.T) {
	peer := attribute.String("peer.service", "inventory")
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		server := oteltest.NewServer(t, version, oteltest.Handler(http.StatusOK, "fine"))
		sampler := &oteltest.RecordingSampler{Sampler: sdktrace.AlwaysSample()}
		tel := oteltest.NewSampled(t, sampler)
		rt := instrumented.Transport(tel, server.Base, with(peer), otelhttpclient.WithAttributes(nil),
			otelhttpclient.WithAttributes(func(r *http.Request) []attribute.KeyValue {
				return []attribute.KeyValue{attribute.String("path", r.URL.Path)}
			}), instrumented.AllMetrics())
		resp := oteltest.Open(t, rt, oteltest.NewRequest(t, t.Context(), "GET", server.URL+"/items", nil))
		if got := tel.Count("http.client.active_requests", peer); got != 1 {
			t.Errorf("active requests with %v: got %d, want 1", peer, got)
		}
		oteltest.Discard(resp)
		if got := tel.Count("http.client.active_requests", peer); got != 0 {
			t.Errorf("active requests with %v at the end: got %d, want 0", peer, got)
		}

		seen := sampler.Seen()
		size, queue := tel.Bytes("http.client.response.body.size"), tel.Seconds(timeInQueue)
		for what, a := range map[string][]attribute.KeyValue{
			"sampler":       seen[len(seen)-1].Attributes,
			"span":          tel.OnlySpan().Attributes,
			"duration":      tel.DurationAttributes(),
			"response size": size.Attributes.ToSlice(),
			"time in queue": queue.Attributes.ToSlice(),
		} {
			t.Run(what, func(t *testing.T) {
				oteltest.WantAttribute(t, a, peer.Key, "inventory")
				oteltest.WantAttribute(t, a, "path", "/items")
			})
		}
	})
}

// The library's attributes have the lowest precedence, then WithAttributes, then
// the context's, then those of hooks.
func TestAttributePrecedence(t *testing.T) {
	server := oteltest.NewServer(t, "1.1", oteltest.Handler(http.StatusOK, "fine"))
	tel := oteltest.New(t)
	const a, b, c, d = "http.response.status_code", "server.address", "b", "c"
	rt := instrumented.Transport(tel, server.Base,
		with(attribute.String(a, "with"), attribute.String(b, "with"), attribute.String(c, "with"), attribute.String(d, "with")),
		otelhttpclient.WithResponseHook(func(span trace.Span, _ *http.Request, _ *http.Response, _ error) {
			span.SetAttributes(attribute.String(d, "hook"))
		}))
	ctx := otelhttpclient.ContextWithAttributes(t.Context(), attribute.String(c, "context"), attribute.String(d, "context"))
	oteltest.Get(t, ctx, rt, server.URL)

	span, duration := tel.OnlySpan().Attributes, tel.DurationAttributes()
	for key, want := range map[attribute.Key][2]string{a: {"with", "with"}, b: {"with", "with"}, c: {"context", "context"}, d: {"hook", "context"}} {
		oteltest.WantAttribute(t, span, key, want[0])
		oteltest.WantAttribute(t, duration, key, want[1])
	}
}

func TestPanickingAttributes(t *testing.T) {
	server := oteltest.NewServer(t, "1.1", oteltest.Handler(http.StatusOK, "fine"))
	tel, handled := oteltest.New(t), oteltest.HandleErrors(t)
	rt := instrumented.Transport(tel, server.Base, with(attribute.Int("a", 1)),
		otelhttpclient.WithAttributes(func(*http.Request) []attribute.KeyValue { panic("broken") }), with(attribute.Int("b", 2)))
	oteltest.Get(t, t.Context(), rt, server.URL)
	span := tel.OnlySpan().Attributes
	oteltest.WantAttribute(t, span, "a", int64(1))
	oteltest.WantAttribute(t, span, "b", int64(2))
	if got := handled.Texts(); len(got) != 1 {
		t.Errorf("handled errors: got %q, want one", got)
	}
}

// A reverse proxy that forwards any Host header makes a series for each host
// that its clients think of, unless server.address is overridden.
func TestWithAttributesBoundsHostCardinality(t *testing.T) {
	server := oteltest.NewServer(t, "1.1", oteltest.Handler(http.StatusOK, "fine"))
	tel := oteltest.New(t)
	rt := instrumented.Transport(tel, server.Base, with(attribute.String("server.address", "upstream")))
	for _, host := range []string{"a.example", "b.example", "c.example"} {
		req := oteltest.NewRequest(t, t.Context(), "GET", server.URL, nil)
		req.Host = host
		oteltest.MustSend(t, rt, req)
	}
	point := tel.Seconds("http.client.request.duration") // one point
	if point.Count != 3 {
		t.Errorf("requests: got %d, want 3", point.Count)
	}
}
