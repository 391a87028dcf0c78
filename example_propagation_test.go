package otelhttpclient_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/otelhttpclient/otelhttpclient"
)

// Other hosts receive neither trace context nor baggage. Their requests still
// have spans.
func ExampleWithPropagationTargets() {
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		fmt.Println(r.Host, r.Header.Get("Traceparent") != "")
	}))
	defer server.Close()
	exporter := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter))
	client := server.Client()
	client.Transport = otelhttpclient.NewTransport(client.Transport,
		otelhttpclient.WithTracerProvider(provider),
		otelhttpclient.WithPropagators(propagation.TraceContext{}),
		otelhttpclient.WithPropagationTargets("shop.example.com", "*.internal.example.com"))

	ctx := context.Background()
	visit(ctx, client, "http://shop.example.com/")
	visit(ctx, client, "http://stock.internal.example.com/")
	visit(ctx, client, "http://partner.example.com/")
	fmt.Println("spans:", len(exporter.GetSpans()))
	// Output:
	// shop.example.com true
	// stock.internal.example.com true
	// partner.example.com false
	// spans: 3
}

// The propagator determines the headers: this one sends baggage only.
func ExampleWithPropagators() {
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		fmt.Printf("traceparent %q, baggage %q\n", r.Header.Get("Traceparent"), r.Header.Get("Baggage"))
	}))
	defer server.Close()
	client := server.Client()
	client.Transport = otelhttpclient.NewTransport(client.Transport,
		otelhttpclient.WithPropagators(propagation.Baggage{}))

	incoming := propagation.HeaderCarrier{"Baggage": {"tenant=acme"}}
	visit(propagation.Baggage{}.Extract(context.Background(), incoming), client, "http://example.com/")
	// Output:
	// traceparent "", baggage "tenant=acme"
}
