package otelhttpclient_test

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"sync"
	"testing"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/otelhttpclient/otelhttpclient"
)

// roundTripFunc is a base that is only a function.
type roundTripFunc func(*http.Request) (*http.Response, error)

func (f roundTripFunc) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// telemetry is an SDK that keeps everything in memory.
type telemetry struct {
	t *testing.T

	exporter *tracetest.InMemoryExporter
	tracers  *sdktrace.TracerProvider
	reader   *sdkmetric.ManualReader
	meters   *sdkmetric.MeterProvider
}

// newTelemetry returns an SDK that samples every span.
func newTelemetry(t *testing.T) *telemetry {
	t.Helper()
	return newSampledTelemetry(t, sdktrace.AlwaysSample())
}

// newSampledTelemetry returns an SDK with a sampler of the test's.
func newSampledTelemetry(t *testing.T, sampler sdktrace.Sampler) *telemetry {
	t.Helper()
	exporter := tracetest.NewInMemoryExporter()
	reader := sdkmetric.NewManualReader()
	tel := &telemetry{
		t:        t,
		exporter: exporter,
		tracers: sdktrace.NewTracerProvider(
			sdktrace.WithSampler(sampler),
			sdktrace.WithSpanProcessor(sdktrace.NewSimpleSpanProcessor(exporter)),
		),
		reader: reader,
		meters: sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)),
	}
	t.Cleanup(func() {
		if err := tel.tracers.Shutdown(context.Background()); err != nil {
			t.Errorf("TracerProvider.Shutdown() = %v, want nil", err)
		}
		if err := tel.meters.Shutdown(context.Background()); err != nil {
			t.Errorf("MeterProvider.Shutdown() = %v, want nil", err)
		}
	})
	return tel
}

// options are those that lead a Transport to this SDK, with the propagators
// for traceparent, tracestate and baggage. What is given in addition comes
// after them, and so wins.
func (tel *telemetry) options(extra ...otelhttpclient.Option) []otelhttpclient.Option {
	return append([]otelhttpclient.Option{
		otelhttpclient.WithTracerProvider(tel.tracers),
		otelhttpclient.WithMeterProvider(tel.meters),
		otelhttpclient.WithPropagators(propagation.NewCompositeTextMapPropagator(
			propagation.TraceContext{}, propagation.Baggage{})),
	}, extra...)
}

// spans are those that have ended, in the order in which they did.
func (tel *telemetry) spans() tracetest.SpanStubs {
	return tel.exporter.GetSpans()
}

// onlySpan is the one span that has ended. Any other number fails the test.
func (tel *telemetry) onlySpan() tracetest.SpanStub {
	tel.t.Helper()
	spans := tel.spans()
	if len(spans) != 1 {
		names := make([]string, len(spans))
		for i, s := range spans {
			names[i] = s.Name
		}
		tel.t.Fatalf("%d spans have ended: %q, want exactly one", len(spans), names)
	}
	return spans[0]
}

// metric is what the instrument of that name has recorded until now.
func (tel *telemetry) metric(name string) (metricdata.Metrics, bool) {
	tel.t.Helper()
	var rm metricdata.ResourceMetrics
	if err := tel.reader.Collect(context.Background(), &rm); err != nil {
		tel.t.Fatalf("Collect() = %v, want nil", err)
	}
	for _, sm := range rm.ScopeMetrics {
		for _, m := range sm.Metrics {
			if m.Name == name {
				return m, true
			}
		}
	}
	return metricdata.Metrics{}, false
}

// attrs are attributes by key.
func attrs(kv []attribute.KeyValue) map[attribute.Key]attribute.Value {
	m := make(map[attribute.Key]attribute.Value, len(kv))
	for _, a := range kv {
		m[a.Key] = a.Value
	}
	return m
}

// handledErrors is what has gone to otel.Handle.
type handledErrors struct {
	mu   sync.Mutex
	errs []error
}

func (h *handledErrors) Handle(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.errs = append(h.errs, err)
}

// texts are the errors so far.
func (h *handledErrors) texts() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	texts := make([]string, len(h.errs))
	for i, err := range h.errs {
		texts[i] = err.Error()
	}
	return texts
}

// handleErrors has the errors that go to otel.Handle collected until the test
// ends. The handler is a global one: the test must not be a parallel one.
func handleErrors(t *testing.T) *handledErrors {
	t.Helper()
	before := otel.GetErrorHandler()
	h := &handledErrors{}
	otel.SetErrorHandler(h)
	t.Cleanup(func() { otel.SetErrorHandler(before) })
	return h
}

const ownProcessVariable = "OTELHTTPCLIENT_TEST_IN_OWN_PROCESS"

// inOwnProcess reports whether this is a process that runs nothing but the
// calling test. Where it is not, it has one run the test, and reports how that
// went: OpenTelemetry's globals can be installed only once for all, so tests of
// them need a process in which nobody has done so.
func inOwnProcess(t *testing.T) bool {
	t.Helper()
	if os.Getenv(ownProcessVariable) == t.Name() {
		return true
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), ownProcessVariable+"="+t.Name())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("in a process of its own: %v, want a pass\n%s", err, out)
	}
	return false
}
