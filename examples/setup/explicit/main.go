// Command explicit fetches URLs, and exports spans and metrics with OTLP over
// gRPC.
//
//	cd examples/setup && go run ./explicit https://example.com/
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"

	"github.com/otelhttpclient/otelhttpclient"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

func main() {
	ctx := context.Background()
	shutdown, err := setUp(ctx)
	if err != nil {
		log.Fatal(err)
	}
	client := &http.Client{Transport: otelhttpclient.NewTransport(nil)}
	for _, url := range os.Args[1:] {
		if err := fetch(ctx, client, url); err != nil {
			log.Print(err)
		}
	}
	if err := shutdown(ctx); err != nil { // exports the rest
		log.Print(err)
	}
}

// setUp exports to OTEL_EXPORTER_OTLP_ENDPOINT, such as http://localhost:4317. Without http://, or if it is unset, the
// exporters use TLS. OTEL_SERVICE_NAME names the service.
func setUp(ctx context.Context) (shutdown func(context.Context) error, err error) {
	spans, err := otlptracegrpc.New(ctx)
	if err != nil {
		return nil, err
	}
	metrics, err := otlpmetricgrpc.New(ctx)
	if err != nil {
		return nil, err
	}
	tracers := sdktrace.NewTracerProvider(sdktrace.WithBatcher(spans))
	meters := sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewPeriodicReader(metrics)))
	otel.SetTracerProvider(tracers)
	otel.SetMeterProvider(meters)
	otel.SetTextMapPropagator(propagation.NewCompositeTextMapPropagator(
		propagation.TraceContext{}, propagation.Baggage{}))
	return func(ctx context.Context) error {
		return errors.Join(tracers.Shutdown(ctx), meters.Shutdown(ctx))
	}, nil
}

func fetch(ctx context.Context, client *http.Client, url string) error {
	req, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close() // the span ends here or at the body's EOF
	n, err := io.Copy(io.Discard, resp.Body)
	fmt.Printf("%s, %d bytes\n", resp.Status, n)
	return err
}
