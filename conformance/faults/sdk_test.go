package faults

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/instrumented"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

// panickingSDK is an SDK that panics in one of its methods.
type panickingSDK struct {
	in    string
	calls atomic.Int64 // of that method
}

func (s *panickingSDK) at(method string) {
	if s.in == method {
		s.calls.Add(1)
		panic("in " + method)
	}
}

type (
	panickingTracers struct {
		trace.TracerProvider
		sdk *panickingSDK
	}
	panickingTracer struct {
		trace.Tracer
		sdk *panickingSDK
	}
	panickingSpan struct {
		trace.Span
		sdk *panickingSDK
	}
	panickingMeters struct {
		metric.MeterProvider
		sdk *panickingSDK
	}
	panickingMeter struct {
		metric.Meter
		sdk *panickingSDK
	}
	panickingHistogram struct {
		metric.Float64Histogram
		name string
		sdk  *panickingSDK
	}
	panickingCounter struct {
		metric.Int64UpDownCounter
		sdk *panickingSDK
	}
)

func (f panickingTracers) Tracer(name string, o ...trace.TracerOption) trace.Tracer {
	f.sdk.at("Tracer")
	return panickingTracer{f.TracerProvider.Tracer(name, o...), f.sdk}
}

func (f panickingTracer) Start(ctx context.Context, name string, o ...trace.SpanStartOption) (context.Context, trace.Span) {
	f.sdk.at("Start")
	ctx, span := f.Tracer.Start(ctx, name, o...)
	own := panickingSpan{span, f.sdk}
	return trace.ContextWithSpan(ctx, own), own
}

func (f panickingSpan) SetAttributes(kv ...attribute.KeyValue) {
	f.sdk.at("SetAttributes")
	f.Span.SetAttributes(kv...)
}

func (f panickingSpan) SpanContext() trace.SpanContext {
	f.sdk.at("SpanContext")
	return f.Span.SpanContext()
}

func (f panickingSpan) IsRecording() bool {
	f.sdk.at("IsRecording")
	return f.Span.IsRecording()
}

func (f panickingSpan) End(o ...trace.SpanEndOption) {
	f.Span.End(o...)
	f.sdk.at("End")
}

func (f panickingMeters) Meter(name string, o ...metric.MeterOption) metric.Meter {
	f.sdk.at("Meter")
	return panickingMeter{f.MeterProvider.Meter(name, o...), f.sdk}
}

func (f panickingMeter) Float64Histogram(name string, o ...metric.Float64HistogramOption) (metric.Float64Histogram, error) {
	f.sdk.at("Float64Histogram")
	h, err := f.Meter.Float64Histogram(name, o...)
	return panickingHistogram{h, name, f.sdk}, err
}

func (f panickingMeter) Int64UpDownCounter(name string, o ...metric.Int64UpDownCounterOption) (metric.Int64UpDownCounter, error) {
	c, err := f.Meter.Int64UpDownCounter(name, o...)
	return panickingCounter{c, f.sdk}, err
}

func (f panickingMeter) RegisterCallback(c metric.Callback, o ...metric.Observable) (metric.Registration, error) {
	f.sdk.at("RegisterCallback")
	return f.Meter.RegisterCallback(c, o...)
}

func (f panickingHistogram) Enabled(ctx context.Context) bool {
	f.sdk.at("Enabled")
	return f.Float64Histogram.Enabled(ctx)
}

func (f panickingHistogram) Record(ctx context.Context, v float64, o ...metric.RecordOption) {
	f.sdk.at("Record")
	f.sdk.at("Record of " + f.name)
	f.Float64Histogram.Record(ctx, v, o...)
}

func (f panickingCounter) Add(ctx context.Context, n int64, o ...metric.AddOption) {
	f.sdk.at("Add")
	f.Int64UpDownCounter.Add(ctx, n, o...)
}

// An SDK that panics fails neither the request nor, on a goroutine of the
// library, the process.
func TestSDKPanics(t *testing.T) {
	handled := oteltest.HandleErrors(t)
	for _, row := range []struct {
		method string
		open   bool // the span stays open
		late   bool // also called when a closed connection is detected
	}{
		{method: "Tracer"}, {method: "Start"}, {method: "IsRecording", open: true},
		{method: "SetAttributes"}, {method: "SpanContext"}, {method: "End"},
		{method: "Meter"}, {method: "Float64Histogram"}, {method: "Enabled"}, {method: "Record"}, {method: "Add"},
		{method: "RegisterCallback"}, {method: "Record of http.client.connection.duration", late: true},
	} {
		t.Run(row.method, func(t *testing.T) {
			t.Parallel() // connections are checked once a second
			sdk := &panickingSDK{in: row.method}
			tel := oteltest.New(t)
			server := oteltest.NewServer(t, "1.1", oteltest.Handler(http.StatusOK, "fine"))
			base := &http.Transport{}
			defer base.CloseIdleConnections()
			rt := otelhttpclient.NewTransport(base, append(instrumented.EveryOption(tel),
				otelhttpclient.WithTracerProvider(panickingTracers{tel.Tracers, sdk}),
				otelhttpclient.WithMeterProvider(panickingMeters{tel.Meters, sdk}))...)
			request := func(url string) chan string {
				done := make(chan string, 1)
				go func() {
					status, err := oteltest.Send(rt, oteltest.NewRequest(t, t.Context(), "GET", url, nil))
					done <- fmt.Sprintf("status %d, failed %v", status, err != nil)
				}()
				return done
			}
			for _, r := range []struct{ url, want string }{
				{server.URL, "status 200, failed false"}, {server.URL, "status 200, failed false"}, {oteltest.ClosedPort(t), "status 0, failed true"},
			} {
				select {
				case got := <-request(r.url):
					if got != r.want {
						t.Errorf("got %s, want %s", got, r.want)
					}
				case <-time.After(10 * time.Second):
					t.Fatal("no result after 10 s, want one at once")
				}
			}
			if started, ended := tel.Started(), tel.Ended(); !row.open && started != ended {
				t.Errorf("spans: got %d started and %d ended, want as many", started, ended)
			}
			if row.late {
				// That is on a goroutine of the pool.
				calls := sdk.calls.Load()
				base.CloseIdleConnections()
				oteltest.Eventually(t, "the closed connection is measured", func() bool { return sdk.calls.Load() > calls })
			}
			oteltest.Eventually(t, "the panic is reported", func() bool {
				return strings.Contains(strings.Join(handled.Texts(), "\n"), "panicked: in "+row.method)
			})
		})
	}
}
