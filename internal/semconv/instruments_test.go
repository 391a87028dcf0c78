package semconv

import (
	"reflect"
	"testing"

	metricnoop "go.opentelemetry.io/otel/metric/noop"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
)

// Instruments of OpenTelemetry are recognized, and others are not taken for them.
func TestTypesOfInstruments(t *testing.T) {
	counter, err := sdkmetric.NewMeterProvider().Meter("test").Int64Counter("c")
	if err != nil {
		t.Fatal(err)
	}
	for _, instrument := range []any{counter, metricnoop.Int64Counter{}} {
		if embedsNoop(reflect.TypeOf(instrument)) {
			t.Errorf("%T: got an instrument that embeds a no-op, want one of OpenTelemetry's", instrument)
		}
	}
	if !embedsNoop(reflect.TypeOf(struct{ metricnoop.Int64Counter }{})) {
		t.Error("an instrument that embeds a no-op: got false, want true")
	}
}
