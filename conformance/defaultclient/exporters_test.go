package defaultclient

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

// backend receives what exporters send.
type backend struct {
	*oteltest.Server
	exports, tokens, propagated atomic.Int64
}

func newBackend(t *testing.T) *backend {
	b := &backend{}
	b.Server = oteltest.NewServer(t, "1.1", func(_ http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/export":
			b.exports.Add(1)
		case "/token":
			b.tokens.Add(1)
		default:
			return
		}
		if r.Header.Get("Traceparent") != "" {
			b.propagated.Add(1)
		}
	})
	return b
}

// post sends to the backend through a client, like an exporter.
func post(ctx context.Context, client *http.Client, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader("spans"))
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// postingExporter exports spans and metrics with a function.
type postingExporter struct{ send func(context.Context) error }

func (e postingExporter) ExportSpans(ctx context.Context, _ []sdktrace.ReadOnlySpan) error {
	return e.send(ctx)
}
func (e postingExporter) Export(ctx context.Context, _ *metricdata.ResourceMetrics) error {
	return e.send(ctx)
}
func (postingExporter) Shutdown(context.Context) error   { return nil }
func (postingExporter) ForceFlush(context.Context) error { return nil }
func (postingExporter) Temporality(sdkmetric.InstrumentKind) metricdata.Temporality {
	return metricdata.CumulativeTemporality
}
func (postingExporter) Aggregation(k sdkmetric.InstrumentKind) sdkmetric.Aggregation {
	return sdkmetric.DefaultAggregationSelector(k)
}

// within fails the test if f does not return in time.
func within(t *testing.T, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatalf("%s has not returned after 10 s", what)
	}
}

// An exporter that is traced would export the spans of its exports, without end.
// With a simple processor, the end of a span would never return.
func TestExportersAreNotTraced(t *testing.T) {
	processors := map[string]func(sdktrace.SpanExporter) sdktrace.SpanProcessor{
		"simple": sdktrace.NewSimpleSpanProcessor,
		"batch": func(e sdktrace.SpanExporter) sdktrace.SpanProcessor {
			return sdktrace.NewBatchSpanProcessor(e, sdktrace.WithBatchTimeout(time.Millisecond))
		},
	}
	for name, newProcessor := range processors {
		for _, row := range []struct {
			name string
			send func(b *backend, own *http.Client) func(context.Context) error
		}{
			{"default client", func(b *backend, _ *http.Client) func(context.Context) error {
				return func(ctx context.Context) error { return post(ctx, http.DefaultClient, b.URL+"/export") }
			}},
			{"helper", func(b *backend, _ *http.Client) func(context.Context) error {
				return func(ctx context.Context) (err error) {
					func() { func() { err = post(ctx, http.DefaultClient, b.URL+"/export") }() }()
					return err
				}
			}},
			{"traced client of its own", func(b *backend, own *http.Client) func(context.Context) error {
				return func(ctx context.Context) error { return post(ctx, own, b.URL+"/export") }
			}},
			{"token source", func(b *backend, _ *http.Client) func(context.Context) error {
				client := &http.Client{Transport: oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
					if err := post(context.Background(), http.DefaultClient, b.URL+"/token"); err != nil {
						return nil, err
					}
					return http.DefaultTransport.RoundTrip(req)
				})}
				return func(ctx context.Context) error { return post(ctx, client, b.URL+"/export") }
			}},
			{"own goroutine of the export", func(b *backend, _ *http.Client) func(context.Context) error {
				return nil // see ExportSpans of goExporter
			}},
		} {
			t.Run(name+" "+row.name, func(t *testing.T) {
				freshDefault(t)
				b, own := newBackend(t), &http.Client{}
				var exporter sdktrace.SpanExporter = goExporter{b}
				if send := row.send(b, own); send != nil {
					exporter = postingExporter{send}
				}
				tracers := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(newProcessor(exporter)))
				reader := sdkmetric.NewManualReader()
				options := []otelhttpclient.Option{
					otelhttpclient.WithTracerProvider(tracers),
					otelhttpclient.WithMeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))),
					otelhttpclient.WithPropagators(propagation.TraceContext{}),
				}
				own.Transport = otelhttpclient.NewTransport(nil, options...)
				uninstrument, err := otelhttpclient.InstrumentDefault(options...)
				if err != nil {
					t.Fatal(err)
				}
				defer uninstrument()

				const requests = 3
				for i := range requests {
					within(t, "a request", func() {
						if err := post(t.Context(), http.DefaultClient, b.URL+"/"); err != nil {
							t.Error(err)
						}
						if err := tracers.ForceFlush(t.Context()); err != nil {
							t.Error(err)
						}
					})
					if got, want := b.exports.Load(), int64(i+1); got != want {
						t.Fatalf("exports after %d spans: got %d, want %d", i+1, got, want)
					}
				}
				within(t, "Shutdown", func() { _ = tracers.Shutdown(context.Background()) })
				if got := b.exports.Load(); got != requests {
					t.Errorf("exports after Shutdown: got %d, want %d", got, requests)
				}
				if row.name == "token source" && b.tokens.Load() != requests {
					t.Errorf("requests for tokens: got %d, want %d", b.tokens.Load(), requests)
				}
				if got := b.propagated.Load(); got != 0 {
					t.Errorf("requests of the exporter with traceparent: got %d, want none", got)
				}
				if got := countOf(t, reader); got != requests {
					t.Errorf("measured requests: got %d, want %d", got, requests)
				}
			})
		}
	}
}

// goExporter sends from a goroutine that its method ExportSpans starts.
type goExporter struct{ *backend }

func (e goExporter) ExportSpans(ctx context.Context, _ []sdktrace.ReadOnlySpan) error {
	sent := make(chan error)
	go func() { sent <- post(ctx, http.DefaultClient, e.URL+"/export") }()
	return <-sent
}
func (goExporter) Shutdown(context.Context) error { return nil }

// countOf returns how many requests the duration metric has.
func countOf(t *testing.T, reader sdkmetric.Reader) (n uint64) {
	t.Helper()
	var rm metricdata.ResourceMetrics
	if err := reader.Collect(context.Background(), &rm); err != nil {
		t.Fatal(err)
	}
	for _, scope := range rm.ScopeMetrics {
		for _, m := range scope.Metrics {
			if h, ok := m.Data.(metricdata.Histogram[float64]); ok && m.Name == "http.client.request.duration" {
				for _, p := range h.DataPoints {
					n += p.Count
				}
			}
		}
	}
	return n
}

// Of the SDK of metrics, exports are not traced, and requests of an
// application's callbacks are.
func TestMetricExportersAreNotTraced(t *testing.T) {
	freshDefault(t)
	tel, b := oteltest.New(t), newBackend(t)
	instrumentDefault(t, tel)
	exporter := postingExporter{func(ctx context.Context) error { return post(ctx, http.DefaultClient, b.URL+"/export") }}
	meters := sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewPeriodicReader(exporter, sdkmetric.WithInterval(time.Hour))))
	_, err := meters.Meter("test").Int64ObservableGauge("queue.length", metric.WithInt64Callback(func(ctx context.Context, o metric.Int64Observer) error {
		o.Observe(1)
		return post(ctx, http.DefaultClient, b.URL+"/queue")
	}))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(meters.ForceFlush(t.Context()), meters.Shutdown(t.Context())); err != nil {
		t.Fatal(err)
	}
	if got := b.exports.Load(); got != 2 {
		t.Errorf("exports: got %d, want 2", got)
	}
	for _, span := range tel.Spans() {
		if url := oteltest.Attributes(span.Attributes)["url.full"].AsString(); url != b.URL+"/queue" {
			t.Errorf("span of %s, want spans of /queue only", url)
		}
	}
	wantSpans(t, "two collections", tel, 2)
}

// A sampler that sends a request for each span would do so for that request, too.
type remoteSampler struct{ url string }

func (s remoteSampler) ShouldSample(p sdktrace.SamplingParameters) sdktrace.SamplingResult {
	if err := post(context.Background(), http.DefaultClient, s.url); err != nil {
		return sdktrace.NeverSample().ShouldSample(p)
	}
	return sdktrace.AlwaysSample().ShouldSample(p)
}
func (remoteSampler) Description() string { return "remote" }

func TestSamplersAreNotTraced(t *testing.T) {
	freshDefault(t)
	b := newBackend(t)
	tel := oteltest.NewSampled(t, remoteSampler{b.URL + "/export"})
	instrumentDefault(t, tel)
	within(t, "a request", func() { oteltest.Fetch(t, t.Context(), http.DefaultClient, b.URL) })
	wantSpans(t, "one request", tel, 1)
	if got := b.exports.Load(); got != 1 {
		t.Errorf("requests of the sampler: got %d, want 1", got)
	}
}
