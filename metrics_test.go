package otelhttpclient_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"runtime"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/instrumented"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

func TestDuration(t *testing.T) {
	server := oteltest.NewServer(t, "1.1", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/missing" {
			w.WriteHeader(http.StatusNotFound)
		}
		_, _ = io.WriteString(w, "ok")
	})
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	port, _ := strconv.Atoi(u.Port())
	common := []attribute.KeyValue{
		attribute.String("http.request.method", "GET"),
		attribute.String("server.address", u.Hostname()),
		attribute.Int("server.port", port),
		attribute.String("network.protocol.version", "1.1"),
	}
	found := attribute.NewSet(append(slices.Clone(common), attribute.Int("http.response.status_code", 200))...)
	missing := attribute.NewSet(append(slices.Clone(common), attribute.Int("http.response.status_code", 404), attribute.String("error.type", "404"))...)

	for name, sampler := range map[string]sdktrace.Sampler{"sampled": sdktrace.AlwaysSample(), "unsampled": sdktrace.NeverSample()} {
		t.Run(name, func(t *testing.T) {
			tel := oteltest.NewSampled(t, sampler)
			rt := instrumented.Transport(tel, server.Client().Transport)
			for _, path := range []string{"/items", "/items?b=c", "/missing"} {
				oteltest.MustSend(t, rt, oteltest.NewRequest(t, t.Context(), http.MethodGet, server.URL+path, nil))
			}
			m, ok := tel.Metric("http.client.request.duration")
			if !ok {
				t.Fatal("http.client.request.duration is missing")
			}
			if m.Unit != "s" {
				t.Errorf("unit = %q, want %q", m.Unit, "s")
			}
			histogram, ok := m.Data.(metricdata.Histogram[float64])
			if !ok || histogram.Temporality != metricdata.CumulativeTemporality {
				t.Fatalf("data = %T, want a histogram of float64", m.Data)
			}
			counts := map[attribute.Distinct]uint64{}
			sum := 0.0
			for _, p := range histogram.DataPoints {
				counts[p.Attributes.Equivalent()] = p.Count
				sum += p.Sum
				if want := []float64{0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10}; !slices.Equal(p.Bounds, want) {
					t.Errorf("buckets = %v, want %v", p.Bounds, want)
				}
			}
			if len(counts) != 2 || counts[found.Equivalent()] != 2 || counts[missing.Equivalent()] != 1 {
				t.Errorf("points = %+v\nwant 2 of %v and 1 of %v", histogram.DataPoints, found.ToSlice(), missing.ToSlice())
			}
			if sum <= 0 {
				t.Errorf("sum = %v s, want more than 0", sum)
			}
			spans := tel.Spans()
			if want := map[string]int{"sampled": 3}[name]; len(spans) != want {
				t.Fatalf("%d spans, want %d", len(spans), want)
			}
			if name == "sampled" {
				want := 0.0
				for _, s := range spans {
					want += s.EndTime.Sub(s.StartTime).Seconds()
				}
				if diff := sum - want; diff > 1e-9 || diff < -1e-9 {
					t.Errorf("sum = %v s, want the spans' duration, %v s", sum, want)
				}
			}
		})
	}
}

func TestDurationOfFailedRequests(t *testing.T) {
	tel := oteltest.New(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := listener.Addr().String()
	_ = listener.Close()
	resp, err := instrumented.Transport(tel, &http.Transport{}).RoundTrip(oteltest.NewRequest(t, t.Context(), http.MethodGet, "http://"+addr, nil))
	if err == nil {
		t.Fatalf("RoundTrip() = %v, want an error", resp.Status)
	}
	m, ok := tel.Metric("http.client.request.duration")
	if !ok {
		t.Fatal("http.client.request.duration is missing")
	}
	points := m.Data.(metricdata.Histogram[float64]).DataPoints
	if len(points) != 1 || points[0].Count != 1 {
		t.Fatalf("points = %+v, want one", points)
	}
	if v, _ := points[0].Attributes.Value("error.type"); v.String() != "connection_error" {
		t.Errorf("error.type = %q, want %q", v.String(), "connection_error")
	}
	if v := oteltest.Attributes(tel.OnlySpan().Attributes)["error.type"]; v.String() != "connection_error" {
		t.Errorf("error.type of the span = %q, want the metric's, %q", v.String(), "connection_error")
	}
}

func TestDurationExemplar(t *testing.T) {
	tel := oteltest.New(t)
	rt := instrumented.Transport(tel, oteltest.AnswerText(http.StatusOK, "ok"))
	oteltest.MustSend(t, rt, oteltest.NewRequest(t, t.Context(), http.MethodGet, "http://inventory.example/", nil))
	m, ok := tel.Metric("http.client.request.duration")
	if !ok {
		t.Fatal("http.client.request.duration is missing")
	}
	exemplars := m.Data.(metricdata.Histogram[float64]).DataPoints[0].Exemplars
	want := tel.OnlySpan().SpanContext.SpanID()
	if len(exemplars) != 1 || !slices.Equal(exemplars[0].SpanID, want[:]) {
		t.Errorf("exemplars = %+v, want one that links to span %v", exemplars, want)
	}
}

func TestDurationWithoutTracing(t *testing.T) {
	reader := sdkmetric.NewManualReader()
	meters := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
	rt := otelhttpclient.NewTransport(oteltest.AnswerText(http.StatusOK, "ok"), otelhttpclient.WithMeterProvider(meters))
	oteltest.MustSend(t, rt, oteltest.NewRequest(t, t.Context(), http.MethodGet, "http://inventory.example/", nil))
	var rm metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &rm); err != nil {
		t.Fatal(err)
	}
	if len(rm.ScopeMetrics) != 1 || len(rm.ScopeMetrics[0].Metrics) != 2 {
		t.Fatalf("metrics = %+v, want the duration and the abandoned bodies", rm.ScopeMetrics)
	}
	scope := rm.ScopeMetrics[0].Scope
	if scope.Name != otelhttpclient.ScopeName || scope.Version != otelhttpclient.Version || scope.SchemaURL != semconv.SchemaURL {
		t.Errorf("scope = %+v, want %q %q %q", scope, otelhttpclient.ScopeName, otelhttpclient.Version, semconv.SchemaURL)
	}
}

type panickyMeters struct{ metric.MeterProvider }

func TestPanickingMeterProvider(t *testing.T) {
	tel := oteltest.New(t)
	head := ""
	wire := oteltest.RoundTripFunc(func(r *http.Request) (*http.Response, error) {
		head = r.Header.Get("Traceparent")
		return oteltest.AnswerText(200, "x")(r)
	})
	rt := instrumented.Transport(tel, wire, otelhttpclient.WithMeterProvider(panickyMeters{}))
	oteltest.MustSend(t, rt, oteltest.NewRequest(t, t.Context(), "GET", "https://example.com/", nil))
	if head == "" || len(tel.Spans()) != 1 {
		t.Errorf("head %q spans %d: a broken MeterProvider takes tracing with it", head, len(tel.Spans()))
	}
}

// The check may call runtime.Goexit, as t.FailNow does.
func TestErrorCheckExitsGoroutine(t *testing.T) {
	tel := oteltest.New(t)
	rt := instrumented.Transport(tel, oteltest.AnswerText(http.StatusTeapot, ""),
		otelhttpclient.WithErrorCheck(func(*http.Response) bool { runtime.Goexit(); return false }))
	oteltest.Recover(func() { oteltest.Get(t, t.Context(), rt, "http://inventory.example/") })
	oteltest.WantAttribute(t, tel.DurationAttributes(), "http.response.status_code", http.StatusTeapot)
}

// embeddingMeters is a MeterProvider that overrides Record of a no-op.
type embeddingMeters struct {
	metricnoop.MeterProvider
	records *atomic.Int32
}

func (e embeddingMeters) Meter(string, ...metric.MeterOption) metric.Meter {
	return embeddingMeter{records: e.records}
}

type embeddingMeter struct {
	metricnoop.Meter
	records *atomic.Int32
}

func (e embeddingMeter) Float64Histogram(string, ...metric.Float64HistogramOption) (metric.Float64Histogram, error) {
	return embeddingHistogram{records: e.records}, nil
}

type embeddingHistogram struct {
	metricnoop.Float64Histogram
	records *atomic.Int32
}

func (e embeddingHistogram) Record(context.Context, float64, ...metric.RecordOption) {
	e.records.Add(1)
}

func TestInstrumentsEmbeddingNoop(t *testing.T) {
	var records atomic.Int32
	rt := otelhttpclient.NewTransport(oteltest.Answer(200), otelhttpclient.WithMeterProvider(embeddingMeters{records: &records}))
	oteltest.MustSend(t, rt, oteltest.NewRequest(t, t.Context(), "GET", "https://example.com/", nil))
	if got := records.Load(); got != 1 {
		t.Errorf("records: got %d, want 1", got)
	}
}
