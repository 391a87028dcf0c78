// Command environment fetches URLs, and records spans and metrics. Environment
// variables select exporters, propagators and sampler, for example:
//
//	cd examples/setup && OTEL_TRACES_EXPORTER=console OTEL_METRICS_EXPORTER=none OTEL_PROPAGATORS=b3 \
//		go run ./environment https://example.com/
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
	"go.opentelemetry.io/contrib/exporters/autoexport"
	"go.opentelemetry.io/contrib/propagators/autoprop"
	"go.opentelemetry.io/otel"
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

// setUp reads OTEL_TRACES_EXPORTER, OTEL_METRICS_EXPORTER (both "otlp" by default, over HTTP; OTEL_EXPORTER_OTLP_PROTOCOL=grpc
// over gRPC), OTEL_PROPAGATORS ("tracecontext,baggage"), OTEL_TRACES_SAMPLER, OTEL_SERVICE_NAME, and what the exporters read.
func setUp(ctx context.Context) (shutdown func(context.Context) error, err error) {
	spans, err := autoexport.NewSpanExporter(ctx)
	if err != nil {
		return nil, err
	}
	metrics, err := autoexport.NewMetricReader(ctx)
	if err != nil {
		return nil, err
	}
	tracers := sdktrace.NewTracerProvider(sdktrace.WithBatcher(spans))
	meters := sdkmetric.NewMeterProvider(sdkmetric.WithReader(metrics))
	otel.SetTracerProvider(tracers)
	otel.SetMeterProvider(meters)
	otel.SetTextMapPropagator(autoprop.NewTextMapPropagator())
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
