package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// These are short: a wrong endpoint should not delay the program.
const (
	sendWithin     = 2 * time.Second
	shutdownWithin = 3 * time.Second
)

// telemetry is the OpenTelemetry set-up of all three services. A normal program is one service with one
// TracerProvider. Here there are three, because each service has its own resource.
type telemetry struct {
	gateway, inventory, pricing *sdktrace.TracerProvider

	ended    collector
	exports  bool // to a collector
	mu       sync.Mutex
	reported []string // OpenTelemetry's own errors
}

func newTelemetry(ctx context.Context) (*telemetry, error) {
	t := &telemetry{ended: make(collector, 1024)}
	// By default, errors are logged at once, in the middle of a scene.
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.reported = append(t.reported, err.Error())
	}))
	var batch sdktrace.SpanProcessor
	if os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") != "" || os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") != "" {
		// otlptracegrpc reads the endpoint, certificates, headers and so on from the environment.
		exporter, err := otlptracegrpc.New(ctx, otlptracegrpc.WithTimeout(sendWithin),
			otlptracegrpc.WithRetry(otlptracegrpc.RetryConfig{Enabled: false}))
		if err != nil {
			return nil, err
		}
		batch, t.exports = sdktrace.NewBatchSpanProcessor(exporter), true
	}
	// OTEL_SERVICE_NAME names this program, which is the gateway.
	gateway, err := resource.New(ctx, resource.WithTelemetrySDK(),
		resource.WithAttributes(attribute.String("service.name", "gateway")), resource.WithFromEnv())
	if err != nil {
		return nil, err
	}
	t.gateway = t.provider(gateway, batch)
	t.inventory = t.provider(resource.NewSchemaless(attribute.String("service.name", "inventory")), batch)
	t.pricing = t.provider(resource.NewSchemaless(attribute.String("service.name", "pricing")), batch)
	return t, nil
}

func (t *telemetry) provider(res *resource.Resource, batch sdktrace.SpanProcessor) *sdktrace.TracerProvider {
	options := []sdktrace.TracerProviderOption{
		sdktrace.WithResource(res),
		// Overrides OTEL_TRACES_SAMPLER: without spans there is nothing to show.
		sdktrace.WithSampler(sdktrace.AlwaysSample()),
		sdktrace.WithSyncer(t.ended),
	}
	if batch != nil {
		options = append(options, sdktrace.WithSpanProcessor(batch))
	}
	return sdktrace.NewTracerProvider(options...)
}

// shutdown exports the remaining spans, and says where the spans went.
func (t *telemetry) shutdown(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, shutdownWithin)
	defer cancel()
	for _, provider := range []*sdktrace.TracerProvider{t.gateway, t.inventory, t.pricing} {
		if err := provider.Shutdown(ctx); err != nil {
			otel.Handle(err)
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case len(t.reported) > 0:
		return "✗ OpenTelemetry reports: " + strings.Join(t.reported, "\n  ")
	case t.exports:
		return "✓ The spans were exported to the collector, with OTLP over gRPC."
	}
	return "To export the spans: OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4317"
}

// collector is a SpanExporter that passes ended spans to this program for printing.
type collector chan sdktrace.ReadOnlySpan

func (c collector) ExportSpans(_ context.Context, spans []sdktrace.ReadOnlySpan) error {
	for _, span := range spans {
		select {
		case c <- span:
		default: // never block the traced code
			return errors.New("too many spans to keep")
		}
	}
	return nil
}

func (c collector) Shutdown(context.Context) error { return nil }

// next waits until n spans have ended. If ctx is done first, it returns the spans so far and an error.
func (c collector) next(ctx context.Context, n int) (spans []sdktrace.ReadOnlySpan, err error) {
	for len(spans) < n {
		select {
		case span := <-c:
			spans = append(spans, span)
		case <-ctx.Done():
			return spans, fmt.Errorf("%d spans ended in time, want %d", len(spans), n)
		}
	}
	return spans, nil
}
