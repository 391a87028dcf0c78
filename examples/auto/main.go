// Command auto fetches a URL and traces the request. It only sets up the SDK
// and imports package auto.
//
//	go run ./examples/auto https://example.com/
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	_ "github.com/otelhttpclient/otelhttpclient/auto"
)

func main() {
	if len(os.Args) != 2 {
		log.Fatalf("usage: %s URL", os.Args[0])
	}
	ctx := context.Background()
	exporter, err := otlptracegrpc.New(ctx) // to OTEL_EXPORTER_OTLP_ENDPOINT, such as http://localhost:4317; unset or without http://: TLS
	if err != nil {
		log.Fatal(err)
	}
	shutdown := setUp(exporter)
	defer shutdown(ctx)
	if err := fetch(os.Stdout, os.Args[1]); err != nil {
		log.Print(err)
	}
}

// setUp installs the SDK.
func setUp(exporter sdktrace.SpanExporter) (shutdown func(context.Context) error) {
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter))
	otel.SetTracerProvider(provider)
	otel.SetTextMapPropagator(propagation.TraceContext{})
	return provider.Shutdown
}

// fetch prints the status and the length of a page. It has no tracing code.
func fetch(w io.Writer, url string) error {
	resp, err := http.Get(url)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	n, err := io.Copy(io.Discard, resp.Body)
	fmt.Fprintf(w, "%s, %d bytes\n", resp.Status, n)
	return err
}
