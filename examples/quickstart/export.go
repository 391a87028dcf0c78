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

// A wrong endpoint is to cost little time. The exporter gives up first, so that its reason is known.
const (
	sendWithin     = 2 * time.Second
	shutdownWithin = 3 * time.Second
)

// telemetry is the OpenTelemetry set-up of all three services. A program of your own is one service
// and has one TracerProvider; here there are three, since each service has a resource of its own.
type telemetry struct {
	gateway, inventory, pricing *sdktrace.TracerProvider

	ended  collector
	batch  sdktrace.SpanProcessor // nil without an endpoint
	sender *sender                // nil without an endpoint

	mu       sync.Mutex
	reported []string // the errors of OpenTelemetry itself, each once
}

func newTelemetry(ctx context.Context) *telemetry {
	t := &telemetry{ended: make(collector, 1024)}
	// By default, errors are logged when they come, which would be amidst a waterfall.
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

	// OTEL_SERVICE_NAME is this program's name, and this program is the gateway: there it wins over
	// the name given here. The two services keep theirs.
	gateway, err := resource.New(ctx,
		resource.WithTelemetrySDK(),
		resource.WithAttributes(attribute.String("service.name", "gateway")),
		resource.WithFromEnv())
	if err != nil {
		otel.Handle(err) // what could be read of the environment is in the resource all the same
	}
	t.gateway = t.provider(gateway)
	t.inventory = t.provider(resource.NewSchemaless(attribute.String("service.name", "inventory")))
	t.pricing = t.provider(resource.NewSchemaless(attribute.String("service.name", "pricing")))
	return t
}

func (t *telemetry) provider(res *resource.Resource) *sdktrace.TracerProvider {
	options := []sdktrace.TracerProviderOption{
		sdktrace.WithResource(res),
		// Whatever OTEL_TRACES_SAMPLER says: without spans there would be nothing to see.
		sdktrace.WithSampler(sdktrace.AlwaysSample()),
		sdktrace.WithSyncer(t.ended),
	}
	if t.batch != nil {
		options = append(options, sdktrace.WithSpanProcessor(t.batch))
	}
	return sdktrace.NewTracerProvider(options...)
}

// shutdown sends what has not been sent. Errors are for delivery to tell.
func (t *telemetry) shutdown(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, shutdownWithin)
	defer cancel()
	for _, provider := range []*sdktrace.TracerProvider{t.gateway, t.inventory, t.pricing} {
		if err := provider.Shutdown(ctx); err != nil {
			otel.Handle(err)
		}
	}
}

// outcome is something to tell at the end: the first line says it, the others explain.
type outcome struct {
	ok    bool
	lines []string
}

// delivery says where the spans went, and why they did not where that is so.
func (t *telemetry) delivery() []outcome {
	var outcomes []outcome
	var told error
	if t.sender == nil {
		outcomes = append(outcomes, outcome{true, []string{
			"The spans stayed in this process. To send them to a collector too, start one and say where:",
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
				"The quickstart speaks OTLP over gRPC; collectors usually listen for that on port 4317.",
			}})
		}
		told = err
	}

	t.mu.Lock()
	defer t.mu.Unlock()
	for _, message := range t.reported {
		if told == nil || message != told.Error() {
			outcomes = append(outcomes, outcome{false, []string{"OpenTelemetry reported: " + message}})
		}
	}
	return outcomes
}

// otlpEndpoint returns where the environment says that traces go, or "".
func otlpEndpoint() string {
	return cmp.Or(os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"), os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT"))
}

// newExporter never fails: without an exporter, the traces can be shown all the same.
func newExporter(ctx context.Context, endpoint string) sdktrace.SpanExporter {
	if _, err := url.Parse(endpoint); err != nil {
		// otlptracegrpc would send to its default endpoint instead.
		return unsendable{errors.New("that is not a URL")}
	}
	// It reads the endpoint and its certificates, headers and so on from the environment.
	exporter, err := otlptracegrpc.New(ctx,
		otlptracegrpc.WithTimeout(sendWithin),
		otlptracegrpc.WithRetry(otlptracegrpc.RetryConfig{Enabled: false}))
	if err != nil {
		return unsendable{err}
	}
	return exporter
}

// redacted returns endpoint without the user and the password in it.
func redacted(endpoint string) string {
	if u, err := url.Parse(endpoint); err == nil && u.User != nil {
		u.User = url.UserPassword("REDACTED", "REDACTED")
		return u.String()
	}
	return endpoint
}

// collector is a SpanExporter that hands ended spans to this program itself, for printing.
type collector chan sdktrace.ReadOnlySpan

func (c collector) ExportSpans(_ context.Context, spans []sdktrace.ReadOnlySpan) error {
	for _, span := range spans {
		select {
		case c <- span:
		default: // never block the code that is being observed
			return errors.New("more spans ended than can be kept")
		}
	}
	return nil
}

func (c collector) Shutdown(context.Context) error { return nil }

// next waits for n spans to end. It returns those that came before ctx was done, with an error if
// they are fewer.
func (c collector) next(ctx context.Context, n int) ([]sdktrace.ReadOnlySpan, error) {
	var spans []sdktrace.ReadOnlySpan
	for len(spans) < n {
		select {
		case span := <-c:
			spans = append(spans, span)
		case <-ctx.Done():
			return spans, fmt.Errorf("%d spans were due, and only %d ended in time", n, len(spans))
		}
	}
	return append(spans, c.rest()...), nil
}

// rest returns the spans that have ended and not been taken.
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

// unsendable stands for an exporter that could not be made.
type unsendable struct{ err error }

func (u unsendable) ExportSpans(context.Context, []sdktrace.ReadOnlySpan) error { return u.err }

func (u unsendable) Shutdown(context.Context) error { return nil }

// sender counts what its SpanExporter could send and what it could not.
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
