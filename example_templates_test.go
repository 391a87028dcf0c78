package otelhttpclient_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/otelhttpclient/otelhttpclient"
)

// The caller supplies the template of a URL in the context.
func ExampleContextWithURLTemplate() {
	server := httptest.NewServer(handler(http.StatusOK, "a hammer"))
	defer server.Close()
	exporter := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter))
	client := server.Client()
	client.Transport = otelhttpclient.NewTransport(client.Transport, otelhttpclient.WithTracerProvider(provider))

	ctx := otelhttpclient.ContextWithURLTemplate(context.Background(), "/items/{sku}")
	visit(ctx, client, "http://example.com/items/42")

	show(exporter, "url.template", "url.full")
	// Output:
	// GET /items/{sku}
	//   url.template = /items/{sku}
	//   url.full = http://example.com/items/42
}

// A client of few services can list all templates. They have the syntax of
// http.ServeMux. Malformed and ambiguous ones are an error.
func ExampleServeMuxTemplates() {
	server := httptest.NewServer(handler(http.StatusOK, "fine"))
	defer server.Close()
	exporter := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter))

	templates, err := otelhttpclient.ServeMuxTemplates(
		"GET inventory.example.com/items/{sku}",
		"GET inventory.example.com/items/latest",
		"/files/{path...}")
	if err != nil {
		log.Fatal(err)
	}
	client := server.Client()
	client.Transport = otelhttpclient.NewTransport(client.Transport,
		otelhttpclient.WithTracerProvider(provider),
		otelhttpclient.WithURLTemplate(templates))

	ctx := context.Background()
	visit(ctx, client, "http://inventory.example.com/items/42")
	visit(ctx, client, "http://inventory.example.com/items/latest")
	visit(ctx, client, "http://example.com/files/a/b.txt")
	visit(ctx, client, "http://example.com/unknown")
	show(exporter)

	_, err = otelhttpclient.ServeMuxTemplates("GET /items/{sku")
	fmt.Println(err != nil)
	// Output:
	// GET /items/{sku}
	// GET /items/latest
	// GET /files/{path...}
	// GET
	// true
}

// Any function can be a templater.
func ExampleWithURLTemplate() {
	server := httptest.NewServer(handler(http.StatusOK, "fine"))
	defer server.Close()
	exporter := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter))

	client := server.Client()
	client.Transport = otelhttpclient.NewTransport(client.Transport,
		otelhttpclient.WithTracerProvider(provider),
		otelhttpclient.WithURLTemplate(func(req *http.Request) string {
			if strings.HasPrefix(req.URL.Path, "/items/") {
				return "/items/{sku}"
			}
			return "" // no template
		}))

	visit(context.Background(), client, "http://example.com/items/42")
	visit(context.Background(), client, "http://example.com/")
	show(exporter)
	// Output:
	// GET /items/{sku}
	// GET
}

// A function may name spans. Names need a low cardinality: use WithURLTemplate
// for names that depend on the path.
func ExampleWithSpanNameFormatter() {
	server := httptest.NewServer(handler(http.StatusOK, "fine"))
	defer server.Close()
	exporter := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter))
	client := server.Client()
	client.Transport = otelhttpclient.NewTransport(client.Transport,
		otelhttpclient.WithTracerProvider(provider),
		otelhttpclient.WithSpanNameFormatter(func(req *http.Request) string {
			return req.Method + " " + req.URL.Hostname()
		}))

	visit(context.Background(), client, "http://shop.example.com/items/42")
	show(exporter)
	// Output:
	// GET shop.example.com
}
