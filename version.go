package otelhttpclient

import (
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelhttpclient/otelhttpclient/internal/semconv"
)

// ScopeName is the name of the instrumentation scope of all spans and metrics.
const ScopeName = "github.com/otelhttpclient/otelhttpclient"

// Version is the version of this library, as spans and metrics carry it.
const Version = "0.1.0"

func newTracer(tp trace.TracerProvider) trace.Tracer {
	return tp.Tracer(ScopeName,
		trace.WithInstrumentationVersion(Version),
		trace.WithSchemaURL(semconv.SchemaURL))
}

func newMeter(mp metric.MeterProvider) metric.Meter {
	return mp.Meter(ScopeName,
		metric.WithInstrumentationVersion(Version),
		metric.WithSchemaURL(semconv.SchemaURL))
}
