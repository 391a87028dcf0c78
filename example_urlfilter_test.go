package otelhttpclient_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/otelhttpclient/otelhttpclient"
)

// Application-specific secrets are added to the default list.
func ExampleWithSensitiveQuery() {
	server := httptest.NewServer(handler(http.StatusOK, "fine"))
	defer server.Close()
	exporter := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter))
	client := server.Client()
	client.Transport = otelhttpclient.NewTransport(client.Transport,
		otelhttpclient.WithTracerProvider(provider),
		otelhttpclient.WithSensitiveQuery(append(otelhttpclient.DefaultSensitiveQuery(), "voucher")...))

	visit(context.Background(), client, "http://example.com/?page=2&voucher=abc&token=def")

	show(exporter, "url.full")
	// Output:
	// GET
	//   url.full = http://example.com/?page=2&voucher=REDACTED&token=REDACTED
}

// RedactQuery returns a filter that redacts the values of some parameters and
// keeps the rest as written.
func ExampleRedactQuery() {
	u, err := url.Parse("http://example.com/search?q=shoes&email=a%40example.com&page=2")
	if err != nil {
		log.Fatal(err)
	}
	filter := otelhttpclient.RedactQuery("email") // for WithURLFilter
	fmt.Println(filter(u))
	// Output:
	// http://example.com/search?q=shoes&email=REDACTED&page=2
}

// KeepQuery returns a filter that drops all parameters except for harmless
// ones.
func ExampleKeepQuery() {
	u, err := url.Parse("http://example.com/search?q=shoes&email=a%40example.com&page=2")
	if err != nil {
		log.Fatal(err)
	}
	filter := otelhttpclient.KeepQuery("page", "sort") // for WithURLFilter
	fmt.Println(filter(u))
	// Output:
	// http://example.com/search?page=2
}

// StripQuery is a filter that drops the query.
func ExampleStripQuery() {
	u, err := url.Parse("http://example.com/search?q=shoes&page=2")
	if err != nil {
		log.Fatal(err)
	}
	var filter otelhttpclient.URLFilter = otelhttpclient.StripQuery // for WithURLFilter
	fmt.Println(filter(u))
	// Output:
	// http://example.com/search
}

// Without redaction, only user names and passwords are replaced.
func ExampleWithoutRedaction() {
	server := httptest.NewServer(handler(http.StatusOK, "fine"))
	defer server.Close()
	exporter := tracetest.NewInMemoryExporter()
	client := server.Client()
	client.Transport = otelhttpclient.NewTransport(client.Transport,
		otelhttpclient.WithTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter))),
		otelhttpclient.WithoutRedaction())

	visit(context.Background(), client, "http://user:password@example.com/items?token=abc")

	show(exporter, "url.full")
	// Output:
	// GET
	//   url.full = http://REDACTED:REDACTED@example.com/items?token=abc
}

// The path of this service's webhooks is a credential.
func ExampleRedactPath() {
	server := httptest.NewServer(handler(http.StatusOK, "fine"))
	defer server.Close()
	exporter := tracetest.NewInMemoryExporter()
	filter, err := otelhttpclient.RedactPath("hooks.example.com/in/{secret}")
	if err != nil {
		log.Fatal(err)
	}
	client := server.Client()
	client.Transport = otelhttpclient.NewTransport(client.Transport,
		otelhttpclient.WithTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter))),
		otelhttpclient.WithURLFilter(filter))

	visit(context.Background(), client, "http://hooks.example.com/in/abcdef")

	show(exporter, "url.full")
	// Output:
	// GET
	//   url.full = http://hooks.example.com/in/REDACTED
}
