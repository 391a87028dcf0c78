package otelhttpclient_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/otelhttpclient/otelhttpclient"
)

// A request with this context is sent as without a Transport.
//
// Use it for an exporter that sends OTLP over HTTP through an instrumented
// client, which would otherwise trace its own exports endlessly. The exporter
// passes on its caller's context, so wrap it in a SpanExporter whose
// ExportSpans calls
//
//	e.SpanExporter.ExportSpans(otelhttpclient.ContextWithoutTracing(ctx), spans)
//
// Or exclude the endpoint with WithFilter and ExcludeURLs, or give the exporter
// a client of its own.
func ExampleContextWithoutTracing() {
	server := httptest.NewServer(handler(http.StatusOK, "fine"))
	defer server.Close()
	exporter := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter))
	client := server.Client()
	client.Transport = otelhttpclient.NewTransport(client.Transport, otelhttpclient.WithTracerProvider(provider))

	ctx := context.Background()
	visit(otelhttpclient.ContextWithoutTracing(ctx), client, "http://example.com/v1/traces")
	visit(ctx, client, "http://example.com/items")

	show(exporter, "url.full")
	// Output:
	// GET
	//   url.full = http://example.com/items
}

// untracedExporter exports with a context whose requests are not traced.
type untracedExporter struct{ sdktrace.SpanExporter }

func (e untracedExporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	return e.SpanExporter.ExportSpans(otelhttpclient.ContextWithoutTracing(ctx), spans)
}

// httpExporter sends spans through a client, like the exporter of OTLP over
// HTTP.
type httpExporter struct{ client *http.Client }

func (e httpExporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	for _, span := range spans {
		fmt.Println("exported:", span.Name())
	}
	visit(ctx, e.client, "http://collector.example.com/v1/traces")
	return nil
}

func (httpExporter) Shutdown(context.Context) error { return nil }

// An exporter that sends through the instrumented client must not trace its own
// exports.
func ExampleContextWithoutTracing_exporter() {
	server := httptest.NewServer(handler(http.StatusOK, "fine"))
	defer server.Close()
	client := server.Client()

	// untracedExporter has one method of its own:
	//
	//	func (e untracedExporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	//		return e.SpanExporter.ExportSpans(otelhttpclient.ContextWithoutTracing(ctx), spans)
	//	}
	exporter := untracedExporter{httpExporter{client}}
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter))
	client.Transport = otelhttpclient.NewTransport(client.Transport, otelhttpclient.WithTracerProvider(provider))

	visit(context.Background(), client, "http://example.com/items")
	// Output:
	// exported: GET
}

// Attributes of the context are recorded on spans and metrics.
func ExampleContextWithAttributes() {
	server := httptest.NewServer(handler(http.StatusOK, "fine"))
	defer server.Close()
	exporter := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter))
	reader := sdkmetric.NewManualReader()
	meters := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
	client := server.Client()
	client.Transport = otelhttpclient.NewTransport(client.Transport,
		otelhttpclient.WithTracerProvider(provider), otelhttpclient.WithMeterProvider(meters))

	ctx := otelhttpclient.ContextWithAttributes(context.Background(), attribute.String("tenant.plan", "free"))
	visit(ctx, client, "http://example.com/")

	show(exporter, "tenant.plan")
	var collected metricdata.ResourceMetrics
	if err := reader.Collect(context.Background(), &collected); err != nil {
		log.Fatal(err)
	}
	duration := collected.ScopeMetrics[0].Metrics[0]
	plan, _ := duration.Data.(metricdata.Histogram[float64]).DataPoints[0].Attributes.Value("tenant.plan")
	fmt.Println(duration.Name, plan.AsString())
	// Output:
	// GET
	//   tenant.plan = free
	// http.client.request.duration free
}
