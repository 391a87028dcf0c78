package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// Short, because a wrong endpoint should not delay the program. The exporter times out before the
// shutdown does, so that its error is available.
const (
	sendWithin     = 2 * time.Second
	shutdownWithin = 3 * time.Second
)

// telemetry is the OpenTelemetry set-up of all three services. A normal program is one service with one
// TracerProvider. Here there are three, because each service has its own resource.
type telemetry struct {
	gateway, inventory, pricing *sdktrace.TracerProvider

	ended  collector
	batch  sdktrace.SpanProcessor // nil without an endpoint
	sender *sender                // nil without an endpoint

	mu       sync.Mutex
	reported []string // OpenTelemetry's own errors, without duplicates
}

func newTelemetry(ctx context.Context) *telemetry {
	t := &telemetry{ended: make(collector, 1024)}
	// By default, errors are logged at once, in the middle of a waterfall.
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		t.mu.Lock()
		defer t.mu.Unlock()
		if !slices.Contains(t.reported, err.Error()) {
			t.reported = append(t.reported, err.Error())
		}
	}))

	if endpoint := otlpEndpoint(); endpoint != "" {
		t.sender = &sender{SpanExporter: newExporter(ctx, endpoint), endpoint: redacted(endpoint)}
		t.batch = sdktrace.NewBatchSpanProcessor(t.sender)
	}

	// OTEL_SERVICE_NAME names this program, which is the gateway, so it overrides the gateway's name.
	// The two services keep their names.
	gateway, err := resource.New(ctx,
		resource.WithTelemetrySDK(),
		resource.WithAttributes(attribute.String("service.name", "gateway")),
		resource.WithFromEnv())
	if err != nil {
		otel.Handle(err) // the resource is partial, but usable
	}
	t.gateway = t.provider(gateway)
	t.inventory = t.provider(resource.NewSchemaless(attribute.String("service.name", "inventory")))
	t.pricing = t.provider(resource.NewSchemaless(attribute.String("service.name", "pricing")))
	return t
}

func (t *telemetry) provider(res *resource.Resource) *sdktrace.TracerProvider {
	options := []sdktrace.TracerProviderOption{
		sdktrace.WithResource(res),
		// Overrides OTEL_TRACES_SAMPLER: without spans there is nothing to show.
		sdktrace.WithSampler(sdktrace.AlwaysSample()),
		sdktrace.WithSyncer(t.ended),
	}
	if t.batch != nil {
		options = append(options, sdktrace.WithSpanProcessor(t.batch))
	}
	return sdktrace.NewTracerProvider(options...)
}

// shutdown exports the remaining spans. Errors are reported by delivery.
func (t *telemetry) shutdown(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, shutdownWithin)
	defer cancel()
	for _, provider := range []*sdktrace.TracerProvider{t.gateway, t.inventory, t.pricing} {
		if err := provider.Shutdown(ctx); err != nil {
			otel.Handle(err)
		}
	}
}

// outcome is a result to print at the end: the first line states it, the others explain it.
type outcome struct {
	ok    bool
	lines []string
}

// delivery describes where the spans were sent, and why any could not be.
func (t *telemetry) delivery() []outcome {
	var outcomes []outcome
	var shown error
	if t.sender == nil {
		outcomes = append(outcomes, outcome{true, []string{
			"The spans stayed in this process. To export them, start a collector and set its endpoint:",
			"OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4317 go run ./examples/quickstart",
		}})
	} else {
		sent, unsent, err := t.sender.counts()
		if sent > 0 {
			outcomes = append(outcomes, outcome{true, []string{
				fmt.Sprintf("%d spans were sent to %s (OTLP over gRPC).", sent, t.sender.endpoint),
			}})
		}
		if err != nil {
			outcomes = append(outcomes, outcome{false, []string{
				fmt.Sprintf("%d spans could not be sent to %s:", unsent, t.sender.endpoint),
				err.Error(),
				"The quickstart uses OTLP over gRPC; collectors usually listen for it on port 4317.",
			}})
		}
		shown = err
	}

	t.mu.Lock()
	defer t.mu.Unlock()
	for _, message := range t.reported {
		if shown == nil || message != shown.Error() {
			outcomes = append(outcomes, outcome{false, []string{"OpenTelemetry reported: " + message}})
		}
	}
	return outcomes
}

// otlpEndpoint returns the endpoint for traces from the environment, or "".
func otlpEndpoint() string {
	return cmp.Or(os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"), os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT"))
}

// newExporter returns an exporter that reports the error if there is one: the traces can still be shown.
func newExporter(ctx context.Context, endpoint string) sdktrace.SpanExporter {
	if _, err := url.Parse(endpoint); err != nil {
		// otlptracegrpc would send to its default endpoint instead.
		return unsendable{errors.New("not a valid URL")}
	}
	// otlptracegrpc reads the endpoint, certificates, headers and so on from the environment.
	exporter, err := otlptracegrpc.New(ctx,
		otlptracegrpc.WithTimeout(sendWithin),
		otlptracegrpc.WithRetry(otlptracegrpc.RetryConfig{Enabled: false}))
	if err != nil {
		return unsendable{err}
	}
	return exporter
}

// redacted returns endpoint with its user and password redacted.
func redacted(endpoint string) string {
	if u, err := url.Parse(endpoint); err == nil && u.User != nil {
		u.User = url.UserPassword("REDACTED", "REDACTED")
		return u.String()
	}
	return endpoint
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
func (c collector) next(ctx context.Context, n int) ([]sdktrace.ReadOnlySpan, error) {
	var spans []sdktrace.ReadOnlySpan
	for len(spans) < n {
		select {
		case span := <-c:
			spans = append(spans, span)
		case <-ctx.Done():
			return spans, fmt.Errorf("%d spans ended in time, want %d", len(spans), n)
		}
	}
	return append(spans, c.rest()...), nil
}

// rest returns the ended spans that next has not returned.
func (c collector) rest() []sdktrace.ReadOnlySpan {
	var spans []sdktrace.ReadOnlySpan
	for {
		select {
		case span := <-c:
			spans = append(spans, span)
		default:
			return spans
		}
	}
}

// unsendable is an exporter that fails with the error of its construction.
type unsendable struct{ err error }

func (u unsendable) ExportSpans(context.Context, []sdktrace.ReadOnlySpan) error { return u.err }

func (u unsendable) Shutdown(context.Context) error { return nil }

// sender counts the spans that its SpanExporter sent and failed to send.
type sender struct {
	sdktrace.SpanExporter
	endpoint string

	mu           sync.Mutex
	sent, unsent int
	err          error // the last one
}

func (s *sender) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	err := s.SpanExporter.ExportSpans(ctx, spans)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.unsent += len(spans)
		s.err = err
		return err
	}
	s.sent += len(spans)
	return nil
}

func (s *sender) counts() (sent, unsent int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sent, s.unsent, s.err
}
