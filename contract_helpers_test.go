package otelhttpclient_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"go.opentelemetry.io/otel"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/otelhttpclient/otelhttpclient"
)

// observer counts the spans that are started and that end, and keeps those
// that have ended, unless it was told not to.
type observer struct {
	forget bool

	mu      sync.Mutex
	started int
	ended   []sdktrace.ReadOnlySpan
	ends    int
	changed chan struct{} // closed with the next span that ends
}

func (o *observer) OnStart(context.Context, sdktrace.ReadWriteSpan) {
	o.mu.Lock()
	o.started++
	o.mu.Unlock()
}

func (o *observer) OnEnd(s sdktrace.ReadOnlySpan) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ends++
	if !o.forget {
		o.ended = append(o.ended, s)
	}
	if o.changed != nil {
		close(o.changed)
		o.changed = nil
	}
}

func (o *observer) Shutdown(context.Context) error   { return nil }
func (o *observer) ForceFlush(context.Context) error { return nil }

// counts returns how many spans were started, and how many have ended.
func (o *observer) counts() (started, ended int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.started, o.ends
}

func (o *observer) spans() []sdktrace.ReadOnlySpan {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]sdktrace.ReadOnlySpan(nil), o.ended...)
}

// witness is an SDK whose whole export can be read as one text.
type witness struct {
	observer
	tracers *sdktrace.TracerProvider
	reader  *sdkmetric.ManualReader
	meters  *sdkmetric.MeterProvider
}

func newWitness() *witness {
	w := &witness{reader: sdkmetric.NewManualReader()}
	w.tracers = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(&w.observer))
	w.meters = sdkmetric.NewMeterProvider(sdkmetric.WithReader(w.reader))
	return w
}

func (w *witness) options(extra ...otelhttpclient.Option) []otelhttpclient.Option {
	return append([]otelhttpclient.Option{
		otelhttpclient.WithTracerProvider(w.tracers), otelhttpclient.WithMeterProvider(w.meters),
	}, extra...)
}

// exported is every text that leaves the process.
func (w *witness) exported(t testing.TB) string {
	var b strings.Builder
	for _, s := range w.spans() {
		fmt.Fprintf(&b, "span %s\nstatus %s\n", s.Name(), s.Status().Description)
		for _, kv := range s.Attributes() {
			fmt.Fprintf(&b, "%s=%s\n", kv.Key, kv.Value.String())
			for _, v := range kv.Value.AsStringSlice() {
				b.WriteString(v + "\n")
			}
		}
		for _, e := range s.Events() {
			fmt.Fprintf(&b, "event %s\n", e.Name)
			for _, kv := range e.Attributes {
				fmt.Fprintf(&b, "%s=%s\n", kv.Key, kv.Value.String())
			}
		}
	}
	var rm metricdata.ResourceMetrics
	if err := w.reader.Collect(context.Background(), &rm); err != nil {
		t.Fatalf("collecting metrics: got %v, want no error", err)
	}
	text, err := json.Marshal(rm.ScopeMetrics)
	if err != nil {
		t.Fatalf("metrics as a text: got %v, want no error", err)
	}
	b.Write(text)
	return b.String()
}

// handled collects what the library tells otel.Handle.
type handled struct {
	mu   sync.Mutex
	errs []string
}

func (h *handled) Handle(err error) {
	h.mu.Lock()
	h.errs = append(h.errs, err.Error())
	h.mu.Unlock()
}

// take returns what was told since the last call.
func (h *handled) take() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	errs := h.errs
	h.errs = nil
	return errs
}

// takeHandled makes h the global error handler until the test ends.
func takeHandled(tb testing.TB) *handled {
	h, before := &handled{}, otel.GetErrorHandler()
	otel.SetErrorHandler(h)
	tb.Cleanup(func() { otel.SetErrorHandler(before) })
	return h
}
