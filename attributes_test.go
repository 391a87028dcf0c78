package otelhttpclient_test

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptrace"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/instrumented"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

// Opt-in attributes and metrics are recorded if they are requested, and only
// then.
func TestOptIn(t *testing.T) {
	keys := []attribute.Key{"url.scheme", "user_agent.original", "network.transport", "http.request.body.size", "http.response.body.size"}
	metrics := []otelhttpclient.Metric{
		otelhttpclient.MetricRequestBodySize, otelhttpclient.MetricResponseBodySize, otelhttpclient.MetricActiveRequests,
		otelhttpclient.MetricOpenConnections,
	}
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		for _, on := range []bool{false, true} {
			t.Run(fmt.Sprint("asked for ", on), func(t *testing.T) {
				server := oteltest.NewServer(t, version, func(w http.ResponseWriter, r *http.Request) {
					_, _ = io.Copy(io.Discard, r.Body)
					_, _ = io.WriteString(w, "fine")
				})
				tel := oteltest.New(t)
				var options []otelhttpclient.Option
				if on {
					for _, key := range keys { // repeated options accumulate
						options = append(options, otelhttpclient.WithOptInAttributes(key))
					}
					for _, m := range metrics {
						options = append(options, otelhttpclient.WithOptInMetrics(m))
					}
				}
				client := &http.Client{Transport: instrumented.Transport(tel, server.Client().Transport, options...)}
				req := oteltest.NewRequest(t, t.Context(), http.MethodPost, server.URL, strings.NewReader("how are you?"))
				req.Header.Set("User-Agent", "test/1")
				resp, err := client.Do(req)
				if err != nil {
					t.Fatalf("Do = %v, want no error", err)
				}
				oteltest.Discard(resp)

				scheme, _, _ := strings.Cut(server.URL, ":")
				want := map[attribute.Key]any{
					"url.scheme": scheme, "user_agent.original": "test/1", "network.transport": "tcp",
					"http.request.body.size": int64(12), "http.response.body.size": int64(4),
				}
				a := oteltest.Attributes(tel.OnlySpan().Attributes)
				for _, key := range keys {
					got, ok := a[key]
					if ok != on || on && got.AsInterface() != want[key] {
						t.Errorf("%s, requested %v: got %v (%v), want %v", key, on, got.AsInterface(), ok, want[key])
					}
				}
				for _, name := range metrics {
					m, ok := tel.Metric(string(name))
					if ok != on {
						t.Errorf("%s, requested %v: recorded %v", name, on, ok)
					}
					if sum, isSum := m.Data.(metricdata.Sum[int64]); isSum && name == otelhttpclient.MetricActiveRequests && sum.DataPoints[0].Value != 0 {
						t.Errorf("%s when all is over: got %d, want 0", name, sum.DataPoints[0].Value)
					}
					if h, isHistogram := m.Data.(metricdata.Histogram[int64]); isHistogram {
						wantSum := map[otelhttpclient.Metric]int64{otelhttpclient.MetricRequestBodySize: 12, otelhttpclient.MetricResponseBodySize: 4}[name]
						if got := h.DataPoints[0].Sum; got != wantSum {
							t.Errorf("%s: got a sum of %d, want %d", name, got, wantSum)
						}
					}
				}
			})
		}
	})
}

func TestUnknownOptIn(t *testing.T) {
	errs := oteltest.HandleErrors(t)
	otelhttpclient.NewTransport(nil, otelhttpclient.WithOptInAttributes("url.path"), otelhttpclient.WithOptInMetrics("http.client.joy"))
	got := strings.Join(errs.Texts(), "\n")
	for _, want := range []string{"WithOptInAttributes", `"url.path"`, "WithOptInMetrics", `"http.client.joy"`} {
		if !strings.Contains(got, want) {
			t.Errorf("handled errors: got %q, want them to have %q", got, want)
		}
	}
}

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
		size, queue := tel.Bytes("http.client.response.body.size"), tel.Seconds(string(otelhttpclient.MetricRequestTimeInQueue))
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

func TestUnknownMethods(t *testing.T) {
	rows := []struct{ method, name, recorded, original, reason string }{
		{"", "GET", "GET", "", "an empty method means GET"},
		{"QUERY", "QUERY", "QUERY", "", "it is one of the conventions'"},
		{"PURGE", "HTTP", "_OTHER", "PURGE", "it is none of the conventions'"},
		{"get", "HTTP", "_OTHER", "get", "methods are case-sensitive"},
	}
	for _, row := range rows {
		t.Run(row.method, func(t *testing.T) {
			tel := oteltest.New(t)
			server := oteltest.NewServer(t, "1.1", func(http.ResponseWriter, *http.Request) {})
			req := oteltest.NewRequest(t, t.Context(), http.MethodGet, server.URL, nil)
			req.Method = row.method
			oteltest.MustSend(t, instrumented.Transport(tel, server.Client().Transport), req)
			span := tel.OnlySpan()
			got := oteltest.Attributes(span.Attributes)
			if span.Name != row.name || got["http.request.method"].String() != row.recorded {
				t.Errorf("name %q, http.request.method %q, want %q and %q: %s", span.Name, got["http.request.method"].String(), row.name, row.recorded, row.reason)
			}
			if original, ok := got["http.request.method_original"]; ok != (row.original != "") || ok && original.String() != row.original {
				t.Errorf("http.request.method_original = %q, want %q: %s", original.String(), row.original, row.reason)
			}
			if req.Method != row.method {
				t.Errorf("the caller's method became %q, want %q", req.Method, row.method)
			}
		})
	}
}

// WithResponseAttributes adds what the application takes from the answer to span and
// metrics, whether that is a response or an error.
func TestWithResponseAttributes(t *testing.T) {
	cache := func(_ *http.Request, resp *http.Response, err error) []attribute.KeyValue {
		if err != nil {
			return []attribute.KeyValue{attribute.String("cache", "unreachable")}
		}
		return []attribute.KeyValue{attribute.String("cache", resp.Header.Get("X-Cache")), attribute.String("network.protocol.version", "mine")}
	}
	panics := func(*http.Request, *http.Response, error) []attribute.KeyValue { panic("no attributes") }
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		server := oteltest.NewServer(t, version, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/broken" {
				panic(http.ErrAbortHandler)
			}
			w.Header().Set("X-Cache", "hit")
			_, _ = w.Write([]byte("fine"))
		})
		for _, row := range []struct{ path, want string }{{"/", "hit"}, {"/broken", "unreachable"}} {
			tel := oteltest.New(t)
			reports := oteltest.HandleErrors(t)
			rt := instrumented.Transport(tel, server.Base, with(attribute.String("cache", "of the request"), attribute.String("own", "kept")),
				otelhttpclient.WithResponseAttributes(nil), otelhttpclient.WithResponseAttributes(panics), otelhttpclient.WithResponseAttributes(cache), instrumented.AllMetrics())
			if resp, err := rt.RoundTrip(oteltest.NewRequest(t, t.Context(), "GET", server.URL+row.path, nil)); err == nil {
				oteltest.Discard(resp)
			}
			found := map[string][]attribute.KeyValue{"span": tel.OnlySpan().Attributes, "duration": tel.DurationAttributes()}
			if row.want == "hit" {
				size := tel.Bytes("http.client.response.body.size")
				found["response size"] = size.Attributes.ToSlice()
				oteltest.WantAttribute(t, found["span"], "network.protocol.version", "mine")
			}
			for what, a := range found {
				t.Run(row.path+" "+what, func(t *testing.T) {
					oteltest.WantAttribute(t, a, "cache", row.want)
					oteltest.WantAttribute(t, a, "own", "kept")
				})
			}
			if got := tel.Count("http.client.active_requests", attribute.String("cache", "of the request")); got != 0 {
				t.Errorf("%s: active requests at the end: got %d, want 0 with the attributes that the start had", row.path, got)
			}
			if got := reports.Take(); len(got) != 1 {
				t.Errorf("%s: got reports %v, want one of the panic", row.path, got)
			}
		}
	})
}

// Attributes from the response override those from the request, and hooks override
// both.
func TestResponseAttributesAndHooks(t *testing.T) {
	rt := func(tel *oteltest.SDK, opts ...otelhttpclient.Option) http.RoundTripper {
		return instrumented.Transport(tel, oteltest.AnswerText(200, "fine"), append(opts, with(attribute.String("a", "request"), attribute.String("b", "request")),
			otelhttpclient.WithResponseAttributes(func(*http.Request, *http.Response, error) []attribute.KeyValue {
				return []attribute.KeyValue{attribute.String("a", "response"), attribute.String("b", "response"), attribute.String("c", "response"), attribute.String("server.address", "response")}
			}))...)
	}
	for _, row := range []struct {
		opts []otelhttpclient.Option
		b, c string
	}{
		{nil, "response", "response"},
		{[]otelhttpclient.Option{otelhttpclient.WithRequestHook(func(span trace.Span, _ *http.Request) { span.SetAttributes(attribute.String("b", "hook")) })}, "hook", "response"},
		{[]otelhttpclient.Option{otelhttpclient.WithResponseHook(func(span trace.Span, _ *http.Request, _ *http.Response, _ error) {
			span.SetAttributes(attribute.String("c", "hook"))
		})}, "response", "hook"},
	} {
		tel := oteltest.New(t)
		oteltest.MustSend(t, rt(tel, row.opts...), oteltest.NewRequest(t, t.Context(), "GET", "https://example.com/", nil))
		a := tel.OnlySpan().Attributes
		for key, want := range map[attribute.Key]string{"a": "response", "b": row.b, "c": row.c, "server.address": "response"} {
			oteltest.WantAttribute(t, a, key, want)
		}
	}
}

// They override all attributes that no hook has set, whatever else looks at the
// request.
func TestResponseAttributesOverride(t *testing.T) {
	response := []attribute.KeyValue{
		attribute.String("url.template", "/from/response"),
		attribute.Int("http.request.resend_count", 41),
		attribute.String("url.full", "http://from.example/response"),
		attribute.StringSlice("http.request.header.x-a", []string{"response"}),
		attribute.String("user_agent.original", "response"),
		attribute.String("tenant", "response"),
		attribute.String("server.address", "response.example"),
	}
	for _, row := range []struct {
		name   string
		opt    otelhttpclient.Option
		reason string
	}{
		{"alone", nil, "hooks alone override them"},
		{"request hook", otelhttpclient.WithRequestHook(func(trace.Span, *http.Request) {}), "it sets nothing"},
		{"response hook", otelhttpclient.WithResponseHook(func(trace.Span, *http.Request, *http.Response, error) {}), "it sets nothing"},
		{"client trace", otelhttpclient.WithClientTrace(func(context.Context) *httptrace.ClientTrace { return nil }), "it sets nothing"},
		{"span options", otelhttpclient.WithSpanOptions(trace.WithAttributes(attribute.String("tenant", "default"))), "they are not hooks"},
	} {
		t.Run(row.name, func(t *testing.T) {
			tel := oteltest.New(t)
			rt := instrumented.Transport(tel, oteltest.AnswerText(200, "fine"), row.opt, with(attribute.String("tenant", "request")),
				otelhttpclient.WithResponseAttributes(func(*http.Request, *http.Response, error) []attribute.KeyValue { return response }),
				otelhttpclient.WithRequestHeaders("x-a"), otelhttpclient.WithOptInAttributes("user_agent.original", "url.template"))
			ctx := otelhttpclient.ContextWithRetries(otelhttpclient.ContextWithURLTemplate(t.Context(), "/items/{sku}"))
			for range 2 { // the second has a resend count of the library's own
				req := oteltest.NewRequest(t, ctx, "GET", "http://example.com/items/1", nil)
				req.Header.Set("X-A", "request")
				req.Header.Set("User-Agent", "request")
				oteltest.MustSend(t, rt, req)
			}
			spans := tel.Spans()
			if len(spans) != 2 {
				t.Fatalf("%d spans, want 2", len(spans))
			}
			got := oteltest.Attributes(spans[1].Attributes)
			for _, want := range response {
				if got := got[want.Key]; got != want.Value {
					t.Errorf("%s = %v, want %v: %s", want.Key, got.AsInterface(), want.Value.AsInterface(), row.reason)
				}
			}
		})
	}
}

// A value that a hook has set stays, also if an attribute of lower precedence has the
// same value.
func TestResponseAttributesKeepValueOfHook(t *testing.T) {
	for _, row := range []struct {
		key    attribute.Key
		hook   string
		reason string
	}{
		{"tenant", "request", "the hook sets the value of WithAttributes, which ContextWithAttributes has overridden"},
		{"server.address", "example.com", "the hook sets the library's value, which ContextWithAttributes has overridden"},
	} {
		t.Run(string(row.key), func(t *testing.T) {
			tel := oteltest.New(t)
			rt := instrumented.Transport(tel, oteltest.AnswerText(200, "fine"), with(attribute.String("tenant", "request")),
				otelhttpclient.WithRequestHook(func(span trace.Span, _ *http.Request) { span.SetAttributes(row.key.String(row.hook)) }),
				otelhttpclient.WithResponseAttributes(func(*http.Request, *http.Response, error) []attribute.KeyValue {
					return []attribute.KeyValue{row.key.String("response")}
				}))
			ctx := otelhttpclient.ContextWithAttributes(t.Context(), row.key.String("context"))
			oteltest.MustSend(t, rt, oteltest.NewRequest(t, ctx, "GET", "http://example.com/", nil))
			if got := oteltest.Attributes(tel.OnlySpan().Attributes)[row.key].AsString(); got != row.hook {
				t.Errorf("%s = %q, want %q: %s", row.key, got, row.hook, row.reason)
			}
		})
	}
}

// Each attempt between two Transports has the attributes of its own response.
func TestResponseAttributesOfAttempts(t *testing.T) {
	tel := oteltest.New(t)
	number := 0
	base := oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		number++
		return &http.Response{StatusCode: 503, Body: http.NoBody, Header: http.Header{"N": {fmt.Sprint(number)}}, Request: req}, nil
	})
	inner := instrumented.Transport(tel, base, otelhttpclient.WithResponseAttributes(func(_ *http.Request, resp *http.Response, _ error) []attribute.KeyValue {
		return []attribute.KeyValue{attribute.String("n", resp.Header.Get("N"))}
	}))
	retry := oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		if resp, err := inner.RoundTrip(req); err == nil {
			resp.Body.Close()
		}
		return inner.RoundTrip(req)
	})
	oteltest.MustSend(t, instrumented.Transport(tel, retry), oteltest.NewRequest(t, t.Context(), "GET", "https://example.com/", nil))
	got := map[string]int{}
	for _, span := range tel.Spans() {
		for _, a := range span.Attributes {
			if a.Key == "n" {
				got[a.Value.AsString()]++
			}
		}
	}
	if want := map[string]int{"1": 1, "2": 1}; !maps.Equal(got, want) {
		t.Errorf("spans by n: got %v, want %v", got, want)
	}
}
