package e2e

import (
	"context"
	"io"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
)

// A Collector outage costs only spans. With these values, each kind of loss occurs within a few seconds.
const (
	// Small, so that the queue fills quickly during an outage.
	outageQueue = 64
	outageBatch = 16
	// The exporter gives up on a batch after this time. A request that waited for an export would
	// take about as long.
	outageGiveUp = 3 * time.Second
	// The limit for the duration of a request: far above the duration on loopback, and well below
	// outageGiveUp.
	outageSlowest = outageGiveUp / 2
)

// TestCollectorOutage stops and restarts the Collector during requests. No request is delayed or fails, and
// spans arrive again afterwards. Each span is delivered, or counted by the SDK as dropped at a full queue,
// or part of a batch whose failure was reported to the error handler.
func TestCollectorOutage(t *testing.T) {
	// Not parallel: the SDK uses the global MeterProvider and error handler. This variable enables its
	// metrics.
	t.Setenv("OTEL_GO_X_OBSERVABILITY", "true")
	reader := metric.NewManualReader()
	mp := metric.NewMeterProvider(metric.WithReader(reader))
	before := otel.GetMeterProvider()
	otel.SetMeterProvider(mp)
	t.Cleanup(func() { otel.SetMeterProvider(before) })

	s := newSink(t)
	c := startCollector(t, s)
	handled := handleErrors(t)

	exporter := newPatientExporter(t, c, outageGiveUp)
	counted := &countingExporter{SpanExporter: exporter}
	ended := &endCounter{}
	tp := sdktrace.NewTracerProvider(
		sdktrace.WithSpanProcessor(ended),
		sdktrace.WithBatcher(counted,
			sdktrace.WithMaxQueueSize(outageQueue),
			sdktrace.WithMaxExportBatchSize(outageBatch),
			sdktrace.WithBatchTimeout(50*time.Millisecond),
		),
		sdktrace.WithResource(serviceResource("app")),
	)
	shutdownLater(t, tp)
	app := &service{name: "app", tp: tp, propagators: w3c}
	srv := httptestServer(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "ok") })

	l := startLoad(t, app.client(t), srv.URL)
	s.wait(t, "spans before the outage", func(spans []span) bool { return len(spans) >= 100 })

	c.stop(t)
	down := time.Now()
	atStop := l.done.Load()
	// The outage lasts until both kinds of loss have occurred.
	waitFor(t, "a batch given up and the queue full", func() bool {
		return counted.failed.Load() > 0 && queueFull(t, reader) > 0
	})
	during := l.done.Load() - atStop
	outage := time.Since(down)
	c.start(t)
	restarted := time.Now()
	s.wait(t, "spans that began after the restart", func(spans []span) bool {
		return len(pick(spans, func(s span) bool { return s.Start.After(restarted) })) >= 100
	})
	l.stop()
	flush(t, app)
	c.stop(t)

	if l.failed.Load() != 0 {
		t.Errorf("%d of %d requests failed, want none", l.failed.Load(), l.done.Load())
	}
	if during < 100 {
		t.Errorf("%d requests during an outage of %v, want at least 100", during, outage)
	}
	if slowest := l.slowest(); slowest > outageSlowest {
		t.Errorf("slowest request took %v, want at most %v: no request waits for an export", slowest, outageSlowest)
	}
	if errs := handled.all(); len(errs) == 0 {
		t.Errorf("errors at the handler = %v, want an error for each lost batch", errs)
	}

	unique := map[string]bool{}
	for _, sp := range s.all() {
		if sp.Kind == ptrace.SpanKindClient {
			unique[sp.SpanID] = true
		}
	}
	arrived, failed, full := int64(len(unique)), counted.failed.Load(), queueFull(t, reader)
	t.Logf("%d spans ended: %d arrived, %d dropped at a full queue, %d in lost batches; outage %v, %d requests during it, slowest %v",
		ended.n.Load(), arrived, full, failed, outage, during, l.slowest())
	if got, want := ended.n.Load(), l.done.Load(); got != want {
		t.Errorf("%d spans ended, want %d: one per request", got, want)
	}
	// If the response to an export is lost, its batch counts as both arrived and failed. So the sum may
	// exceed the number of ended spans, but never falls below it.
	if sum := arrived + full + failed; sum < ended.n.Load() {
		t.Errorf("%d arrived + %d dropped + %d in lost batches = %d, want at least %d, the number of ended spans",
			arrived, full, failed, sum, ended.n.Load())
	}
	if arrived+full > ended.n.Load() {
		t.Errorf("%d arrived + %d dropped, want at most %d, the number of ended spans", arrived, full, ended.n.Load())
	}
}

// TestCollectorShortOutage: no span is lost if the outage is shorter than the exporter's timeout and the
// queue has room. The same holds if the Collector starts after the application.
func TestCollectorShortOutage(t *testing.T) {
	t.Parallel()
	const requests = 20
	s := newSink(t)
	c := startCollector(t, s)
	c.stop(t)

	tp := sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(newPatientExporter(t, c, patience)),
		sdktrace.WithResource(serviceResource("app")),
	)
	shutdownLater(t, tp)
	app := &service{name: "app", tp: tp, propagators: w3c}
	srv := httptestServer(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "ok") })
	client := app.client(t)
	ask := func(when string) {
		for range requests {
			if resp, err := fetch(t.Context(), client, srv.URL); err != nil || resp.StatusCode != http.StatusOK {
				t.Errorf("%s: %v, %v; want 200", when, resp, err)
			}
		}
	}
	for _, when := range []string{"before the Collector starts", "during an outage"} {
		ask(when)
		// The export starts before the Collector does.
		flushed := make(chan error, 1)
		go func() { flushed <- tp.ForceFlush(t.Context()) }()
		ask(when)
		c.start(t)
		if err := <-flushed; err != nil {
			t.Errorf("%s: flush: %v, want no error once the Collector runs", when, err)
		}
		flush(t, app)
		c.stop(t)
	}

	traces := map[string]bool{}
	for _, sp := range s.all() {
		traces[sp.TraceID] = true
	}
	if want := 4 * requests; len(traces) != want {
		t.Errorf("%d traces arrived, want %d: one per request", len(traces), want)
	}
}

// newPatientExporter returns an exporter to c that retries for giveUp.
func newPatientExporter(t *testing.T, c *collector, giveUp time.Duration) sdktrace.SpanExporter {
	t.Helper()
	exporter, err := otlptracegrpc.New(t.Context(),
		otlptracegrpc.WithEndpoint(c.endpoint),
		otlptracegrpc.WithInsecure(),
		otlptracegrpc.WithRetry(otlptracegrpc.RetryConfig{
			Enabled: true, InitialInterval: 50 * time.Millisecond, MaxInterval: 200 * time.Millisecond, MaxElapsedTime: giveUp,
		}),
		otlptracegrpc.WithTimeout(giveUp),
		// gRPC's default backoff for an unavailable server grows to two minutes.
		otlptracegrpc.WithDialOption(grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 50 * time.Millisecond, Multiplier: 1.5, MaxDelay: 200 * time.Millisecond},
			MinConnectTimeout: time.Second,
		})),
	)
	if err != nil {
		t.Fatal(err)
	}
	return exporter
}

// load makes continuous requests from several goroutines.
type load struct {
	done, failed atomic.Int64
	worst        atomic.Int64
	cancel       context.CancelFunc
	workers      sync.WaitGroup
}

func startLoad(t *testing.T, client *http.Client, u string) *load {
	ctx, cancel := context.WithCancel(context.Background())
	l := &load{cancel: cancel}
	for range 4 {
		l.workers.Go(func() {
			// A steady pace, because the test measures delays, not throughput.
			pace := time.NewTicker(5 * time.Millisecond)
			defer pace.Stop()
			for {
				select {
				case <-ctx.Done():
					return
				case <-pace.C:
				}
				began := time.Now()
				// Not ctx, so that the last request is not canceled.
				resp, err := fetch(context.Background(), client, u)
				took := time.Since(began)
				for old := l.worst.Load(); int64(took) > old && !l.worst.CompareAndSwap(old, int64(took)); old = l.worst.Load() {
				}
				if err != nil || resp.StatusCode != http.StatusOK {
					l.failed.Add(1)
				}
				l.done.Add(1)
			}
		})
	}
	t.Cleanup(l.stop)
	return l
}

func (l *load) stop() {
	l.cancel()
	l.workers.Wait()
}

func (l *load) slowest() time.Duration { return time.Duration(l.worst.Load()) }

// countingExporter counts the spans in batches that fail to export.
type countingExporter struct {
	sdktrace.SpanExporter
	failed atomic.Int64
}

func (e *countingExporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	err := e.SpanExporter.ExportSpans(ctx, spans)
	if err != nil {
		e.failed.Add(int64(len(spans)))
	}
	return err
}

// endCounter counts ended spans.
type endCounter struct{ n atomic.Int64 }

func (*endCounter) OnStart(context.Context, sdktrace.ReadWriteSpan) {}
func (c *endCounter) OnEnd(sdktrace.ReadOnlySpan)                   { c.n.Add(1) }
func (*endCounter) Shutdown(context.Context) error                  { return nil }
func (*endCounter) ForceFlush(context.Context) error                { return nil }

// queueFull returns the number of spans that the BatchSpanProcessor reports as dropped at a full queue.
func queueFull(t *testing.T, reader *metric.ManualReader) int64 {
	t.Helper()
	var rm metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &rm); err != nil {
		t.Fatalf("the SDK's own metrics: %v, want no error", err)
	}
	var n int64
	for _, sm := range rm.ScopeMetrics {
		for _, m := range sm.Metrics {
			sum, ok := m.Data.(metricdata.Sum[int64])
			if !ok || m.Name != "otel.sdk.processor.span.processed" {
				continue
			}
			for _, p := range sum.DataPoints {
				if v, ok := p.Attributes.Value("error.type"); ok && v.AsString() == "queue_full" {
					n += p.Value
				}
			}
		}
	}
	return n
}

// handledErrors collects errors reported to the global error handler.
type handledErrors struct {
	mu   sync.Mutex
	errs []error
}

func (h *handledErrors) all() []error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.errs)
}

// handleErrors installs a global error handler that collects errors. Call it after the Collector starts,
// because the Collector installs its own handler.
func handleErrors(t *testing.T) *handledErrors {
	h := &handledErrors{}
	before := otel.GetErrorHandler()
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.errs = append(h.errs, err)
	}))
	t.Cleanup(func() { otel.SetErrorHandler(before) })
	return h
}
