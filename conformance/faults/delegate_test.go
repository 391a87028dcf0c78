package faults

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

// enabledPanics is an SDK whose duration histogram panics when it is asked whether
// it records.
type (
	enabledPanics          struct{ noop.MeterProvider }
	enabledPanicsMeter     struct{ noop.Meter }
	enabledPanicsHistogram struct{ noop.Float64Histogram }
)

func (enabledPanics) Meter(string, ...metric.MeterOption) metric.Meter { return enabledPanicsMeter{} }

func (enabledPanicsMeter) Float64Histogram(string, ...metric.Float64HistogramOption) (metric.Float64Histogram, error) {
	return enabledPanicsHistogram{}, nil
}

func (enabledPanicsHistogram) Enabled(context.Context) bool { panic("in Enabled") }

// The API's default provider hands out instruments of its own types, which call those
// of the SDK that is installed later: they panic where it does. The default delegates
// once in a process, so the test runs in one of its own.
func TestDelegatedInstrumentPanics(t *testing.T) {
	const child = "OTELHTTPCLIENT_DELEGATE_CHILD"
	if os.Getenv(child) == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestDelegatedInstrumentPanics$", "-test.v")
		cmd.Env = append(os.Environ(), child+"=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("in a process of its own: %v\n%s", err, out)
		}
		return
	}
	handled := oteltest.HandleErrors(t)
	tel := oteltest.New(t)
	var sent http.Header
	rt := otelhttpclient.NewTransport(oteltest.RoundTripFunc(func(r *http.Request) (*http.Response, error) {
		sent = r.Header
		return oteltest.AnswerText(http.StatusOK, "text").RoundTrip(r)
	}), otelhttpclient.WithTracerProvider(tel.Tracers), otelhttpclient.WithMeterProvider(otel.GetMeterProvider()), otelhttpclient.WithPropagators(tel.Propagators))
	oteltest.MustSend(t, rt, oteltest.NewRequest(t, t.Context(), http.MethodGet, "http://inventory.example/", nil)) // creates the instruments
	otel.SetMeterProvider(enabledPanics{})
	oteltest.MustSend(t, rt, oteltest.NewRequest(t, t.Context(), http.MethodGet, "http://inventory.example/", nil))
	if got := len(tel.Spans()); got != 2 {
		t.Errorf("spans: got %d, want 2: metrics that fail do not fail tracing", got)
	}
	if sent.Get("Traceparent") == "" {
		t.Error("traceparent: got none, want one: metrics that fail do not fail propagation")
	}
	if got := handled.Texts(); len(got) != 1 || !strings.Contains(got[0], "instrument panicked: in Enabled") {
		t.Errorf("handled errors = %q, want the panic of the instrument", got)
	}
}
