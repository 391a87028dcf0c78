package otelhttpclient_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/oteltest"
	"github.com/otelhttpclient/otelhttpclient/internal/oteltest/instrumented"
)

func TestContextWithoutTracing(t *testing.T) {
	var got []string
	server := oteltest.NewServer(t, "1.1", func(_ http.ResponseWriter, r *http.Request) {
		got = append(got, r.Header.Get("Traceparent"), r.Header.Get("X-Hook"))
	})
	tel := oteltest.New(t)
	client := server.Client()
	base := client.Transport
	var sent *http.Request
	client.Transport = instrumented.Transport(tel, oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		sent = req
		return base.RoundTrip(req)
	}), otelhttpclient.WithRequestHook(func(_ trace.Span, req *http.Request) { req.Header.Set("X-Hook", "ran") }))

	ctx := otelhttpclient.ContextWithoutTracing(t.Context())
	ctx = otelhttpclient.ContextWithAttributes(otelhttpclient.ContextWithURLTemplate(ctx, "/"), attribute.Bool("a", true))
	req := oteltest.NewRequest(t, ctx, http.MethodGet, server.URL, nil)
	resp := oteltest.Open(t, client.Transport, req)
	resp.Body.Close()
	if sent != req {
		t.Errorf("the request that base got: got %p, want the caller's, %p", sent, req)
	}
	if want := []string{"", ""}; !slices.Equal(got, want) {
		t.Errorf("traceparent and the hook's header: got %q, want %q", got, want)
	}
	if spans := tel.Spans(); len(spans) != 0 {
		t.Errorf("spans: got %d, want 0", len(spans))
	}
	if m, ok := tel.Metric("http.client.request.duration"); ok {
		t.Errorf("http.client.request.duration: got %v, want nothing recorded", m.Data)
	}
}

// exporterOverHTTP sends each batch with one request through a client.
type exporterOverHTTP struct {
	client  *http.Client
	url     string
	exports atomic.Int64
}

func (e *exporterOverHTTP) ExportSpans(ctx context.Context, _ []sdktrace.ReadOnlySpan) error {
	if e.exports.Add(1) > 3 {
		return errors.New("exports without end")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.url, strings.NewReader("spans"))
	if err != nil {
		return err
	}
	resp, err := e.client.Do(req)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

func (e *exporterOverHTTP) Shutdown(context.Context) error { return nil }

// An exporter that shares the instrumented client is kept out by the context
// that it passes on, or by its URL.
func TestExporterThroughTheInstrumentedClient(t *testing.T) {
	server := oteltest.NewServer(t, "1.1", oteltest.Handler(http.StatusOK, "fine"))
	excluded, err := otelhttpclient.ParseExcludedURLs("/v1/traces$")
	if err != nil {
		t.Fatalf("ParseExcludedURLs = %v, want no error", err)
	}
	for _, row := range []struct {
		name   string
		wrap   func(sdktrace.SpanExporter) sdktrace.SpanExporter
		option otelhttpclient.Option
	}{
		{"by context", func(e sdktrace.SpanExporter) sdktrace.SpanExporter { return untracedExporter{e} }, nil},
		{"by URL", func(e sdktrace.SpanExporter) sdktrace.SpanExporter { return e }, otelhttpclient.WithFilter(excluded)},
	} {
		t.Run(row.name, func(t *testing.T) {
			client := &http.Client{Transport: server.Client().Transport}
			exporter := &exporterOverHTTP{client: client, url: server.URL + "/v1/traces"}
			provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(row.wrap(exporter)))
			otelhttpclient.InstrumentClient(client, otelhttpclient.WithTracerProvider(provider), row.option)
			oteltest.Fetch(t, t.Context(), client, server.URL+"/items")
			if err := provider.Shutdown(t.Context()); err != nil {
				t.Errorf("Shutdown = %v, want nil", err)
			}
			if got := exporter.exports.Load(); got != 1 {
				t.Errorf("exports: got %d, want 1: that of the one request", got)
			}
		})
	}
}

func TestContextWithAttributes(t *testing.T) {
	server := oteltest.NewServer(t, "1.1", oteltest.Handler(http.StatusOK, "fine"))
	tel := oteltest.New(t)
	client := &http.Client{Transport: instrumented.Transport(tel, server.Client().Transport)}

	outer := otelhttpclient.ContextWithAttributes(t.Context(), attribute.String("plan", "free"), attribute.String("team", "blue"))
	sibling := otelhttpclient.ContextWithAttributes(outer, attribute.String("zone", "b"))
	inner := otelhttpclient.ContextWithAttributes(outer, attribute.String("zone", "a"), attribute.String("team", "red"),
		attribute.String("server.address", "shop"))
	_ = otelhttpclient.ContextWithAttributes(inner) // nothing is added
	_ = sibling
	oteltest.Fetch(t, inner, client, server.URL)

	want := map[attribute.Key]string{"plan": "free", "team": "red", "zone": "a", "server.address": "shop"}
	for what, a := range map[string]map[attribute.Key]attribute.Value{
		"span": oteltest.Attributes(tel.OnlySpan().Attributes), "duration": oteltest.Attributes(tel.DurationAttributes()),
	} {
		for key, value := range want {
			if got := a[key].AsString(); got != value {
				t.Errorf("%s on the %s: got %q, want %q", key, what, got, value)
			}
		}
	}
}

// The attributes of one context are not those of another one, and an append to
// one does not write into the other.
func TestContextWithAttributesOfSiblings(t *testing.T) {
	server := oteltest.NewServer(t, "1.1", oteltest.Handler(http.StatusOK, "fine"))
	tel := oteltest.New(t)
	client := &http.Client{Transport: instrumented.Transport(tel, server.Client().Transport)}
	parent := t.Context()
	for _, key := range []string{"a", "b", "c"} {
		parent = otelhttpclient.ContextWithAttributes(parent, attribute.String(key, "parent"))
	}
	var wg sync.WaitGroup
	names := []string{"0", "1", "2", "3"}
	for _, name := range names {
		wg.Go(func() {
			oteltest.Fetch(t, otelhttpclient.ContextWithAttributes(parent, attribute.String("child", name)), client, server.URL+"/"+name)
		})
	}
	wg.Wait()
	for _, span := range tel.Spans() {
		a := oteltest.Attributes(span.Attributes)
		want := a["url.full"].AsString()[len(server.URL)+1:]
		if got := a["child"].AsString(); got != want {
			t.Errorf("child: got %q, want %q", got, want)
		}
	}
	oteltest.Fetch(t, parent, client, server.URL+"/parent")
	spans := tel.Spans()
	if got, ok := oteltest.Attributes(spans[len(spans)-1].Attributes)["child"]; ok {
		t.Errorf("child of the parent's request: got %q, want none", got.AsString())
	}
}

// Attempts of one operation are counted, over several hosts, redirects
// included; other operations are not.
func TestContextWithRetries(t *testing.T) {
	server := oteltest.NewServer(t, "1.1", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/redirect" {
			http.Redirect(w, r, "/end", http.StatusFound)
		}
	})
	tel := oteltest.New(t)
	client := &http.Client{Transport: instrumented.Transport(tel, server.Client().Transport)}
	ctx, parent := tel.Tracers.Tracer("test").Start(t.Context(), "operation")
	operation := otelhttpclient.ContextWithRetries(ctx)
	oteltest.Fetch(t, operation, client, server.URL)
	oteltest.Fetch(t, operation, client, server.URL+"/redirect")
	oteltest.Fetch(t, ctx, client, server.URL)                                          // not part of it
	oteltest.Fetch(t, otelhttpclient.ContextWithRetries(operation), client, server.URL) // of another one
	oteltest.Fetch(t, otelhttpclient.ContextWithURLTemplate(operation, "/"), client, server.URL)

	var got []int64
	seen := map[trace.SpanID]bool{}
	for _, span := range tel.Spans() {
		v, ok := oteltest.Attributes(span.Attributes)["http.request.resend_count"]
		if ok && v.AsInt64() == 0 {
			t.Errorf("http.request.resend_count of %s: got 0, want none on a first attempt", span.Name)
		}
		got = append(got, v.AsInt64())
		if span.Parent.SpanID() != parent.SpanContext().SpanID() {
			t.Errorf("parent: got %s, want the operation's span, %s", span.Parent.SpanID(), parent.SpanContext().SpanID())
		}
		if id := span.SpanContext.SpanID(); seen[id] {
			t.Errorf("span id: got %s again, want another one for each attempt", id)
		} else {
			seen[id] = true
		}
	}
	if want := []int64{0, 1, 2, 0, 0, 3}; !slices.Equal(got, want) {
		t.Errorf("http.request.resend_count: got %v, want %v", got, want)
	}
}

// Concurrent attempts (hedged requests) each have a number of their own.
func TestContextWithRetriesConcurrently(t *testing.T) {
	server := oteltest.NewServer(t, "1.1", oteltest.Handler(http.StatusOK, "fine"))
	tel := oteltest.New(t)
	client := &http.Client{Transport: instrumented.Transport(tel, server.Client().Transport)}
	ctx := otelhttpclient.ContextWithRetries(t.Context())
	const attempts = 10
	var wg sync.WaitGroup
	for range attempts {
		wg.Go(func() { oteltest.Fetch(t, ctx, client, server.URL) })
	}
	wg.Wait()
	var got []int64
	for _, span := range tel.Spans() {
		got = append(got, oteltest.Attributes(span.Attributes)["http.request.resend_count"].AsInt64())
	}
	slices.Sort(got)
	if want := []int64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}; !slices.Equal(got, want) {
		t.Errorf("http.request.resend_count: got %v, want %v", got, want)
	}
}

// With EndOnHeaders the span, and the duration, end before the stream does, on
// either protocol; the body is the one that base has returned.
func TestEndOnHeaders(t *testing.T) {
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		next := make(chan struct{})
		server := oteltest.NewServer(t, version, func(w http.ResponseWriter, _ *http.Request) {
			w.(http.Flusher).Flush()
			<-next
			_, _ = io.WriteString(w, "event")
		})
		tel := oteltest.New(t)
		var body io.ReadCloser
		base := server.Client().Transport
		rt := instrumented.Transport(tel, oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
			resp, err := base.RoundTrip(req)
			if err == nil {
				body = resp.Body
			}
			return resp, err
		}), otelhttpclient.WithSpanEnd(otelhttpclient.EndOnHeaders))
		req := oteltest.NewRequest(t, t.Context(), http.MethodGet, server.URL, nil)
		resp := oteltest.Open(t, rt, req)
		tel.OnlySpan()
		tel.DurationAttributes()
		if resp.Body != body {
			t.Errorf("body: got a %T, want the one of base, a %T", resp.Body, body)
		}
		close(next)
		if got, err := io.ReadAll(resp.Body); err != nil || string(got) != "event" {
			t.Errorf("body: got %q and %v, want %q and no error", got, err, "event")
		}
		resp.Body.Close()
		tel.OnlySpan() // still
	})
}

func TestSpanEndThatIsNone(t *testing.T) {
	errs := oteltest.HandleErrors(t)
	otelhttpclient.NewTransport(nil, otelhttpclient.WithSpanEnd(7))
	if got := errs.Texts(); len(got) != 1 || !strings.Contains(got[0], "WithSpanEnd") {
		t.Errorf("handled errors: got %q, want one that names WithSpanEnd", got)
	}
}

func TestErrorCheck(t *testing.T) {
	check := func(isError func(*http.Response) bool) []otelhttpclient.Option {
		return []otelhttpclient.Option{otelhttpclient.WithErrorCheck(isError)}
	}
	not404 := func(resp *http.Response) bool {
		return resp.StatusCode >= 400 && resp.StatusCode != http.StatusNotFound
	}
	for _, row := range []struct {
		name    string
		status  int
		options []otelhttpclient.Option
		want    string // error.type
	}{
		{"by default", 404, nil, "404"},
		{"by default a success", 204, nil, ""},
		{"one that is none", 404, check(not404), ""},
		{"one that still is", 410, check(not404), "410"},
		{"a success that is one", 200, check(func(*http.Response) bool { return true }), "200"},
		{"nil", 500, check(nil), "500"},
		{"nil leaves the one before", 404, append(check(not404), check(nil)...), ""},
		{"one that panics", 404, check(func(*http.Response) bool { panic("no idea") }), "404"},
	} {
		t.Run(row.name, func(t *testing.T) {
			oteltest.HandleErrors(t)
			server := oteltest.NewServer(t, "1.1", oteltest.Handler(row.status, ""))
			tel := oteltest.New(t)
			oteltest.Fetch(t, t.Context(), &http.Client{Transport: instrumented.Transport(tel, server.Client().Transport, row.options...)}, server.URL)
			span := tel.OnlySpan()
			if got := oteltest.Attributes(span.Attributes)["error.type"].AsString(); got != row.want {
				t.Errorf("error.type of the span: got %q, want %q", got, row.want)
			}
			if got := oteltest.Attributes(tel.DurationAttributes())["error.type"].AsString(); got != row.want {
				t.Errorf("error.type of the duration: got %q, want %q", got, row.want)
			}
			if got, want := span.Status.Code == codes.Error, row.want != ""; got != want {
				t.Errorf("status is Error: got %v, want %v", got, want)
			}
			if got := oteltest.Attributes(span.Attributes)["http.response.status_code"].AsInt64(); got != int64(row.status) {
				t.Errorf("http.response.status_code: got %d, want %d", got, row.status)
			}
		})
	}
}

// Every attribute and every metric that is to be asked for is there when it was
// asked for, and only then.
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
					for _, key := range keys { // they add up
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
						t.Errorf("%s, asked for %v: got %v (%v), want %v", key, on, got.AsInterface(), ok, want[key])
					}
				}
				for _, name := range metrics {
					m, ok := tel.Metric(string(name))
					if ok != on {
						t.Errorf("%s, asked for %v: got it %v", name, on, ok)
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

func TestOptInOfWhatIsUnknown(t *testing.T) {
	errs := oteltest.HandleErrors(t)
	otelhttpclient.NewTransport(nil, otelhttpclient.WithOptInAttributes("url.path"), otelhttpclient.WithOptInMetrics("http.client.joy"))
	got := strings.Join(errs.Texts(), "\n")
	for _, want := range []string{"WithOptInAttributes", `"url.path"`, "WithOptInMetrics", `"http.client.joy"`} {
		if !strings.Contains(got, want) {
			t.Errorf("handled errors: got %q, want them to have %q", got, want)
		}
	}
}
