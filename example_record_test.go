package otelhttpclient_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/otelhttpclient/otelhttpclient"
)

// A stream may stay open for hours. Its span ends with the headers instead of
// with the body.
func ExampleWithSpanEnd() {
	server := httptest.NewServer(handler(http.StatusOK, "event: 1\n\n"))
	defer server.Close()
	exporter := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter))
	client := server.Client()
	client.Transport = otelhttpclient.NewTransport(client.Transport,
		otelhttpclient.WithTracerProvider(provider),
		otelhttpclient.WithSpanEnd(otelhttpclient.EndOnHeaders))

	resp, err := client.Get("http://example.com/events")
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	fmt.Println("ended before the body is read:", len(exporter.GetSpans()))
	// Output:
	// ended before the body is read: 1
}

// For this client, 404 is not an error.
func ExampleWithErrorCheck() {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	exporter := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter))
	client := server.Client()
	client.Transport = otelhttpclient.NewTransport(client.Transport,
		otelhttpclient.WithTracerProvider(provider),
		otelhttpclient.WithErrorCheck(func(resp *http.Response) bool {
			return resp.StatusCode >= 400 && resp.StatusCode != http.StatusNotFound
		}))

	visit(context.Background(), client, "http://example.com/items/42")

	fmt.Println(exporter.GetSpans()[0].Status.Code)
	show(exporter, "http.response.status_code", "error.type")
	// Output:
	// Unset
	// GET
	//   http.response.status_code = 404
}

// A list of methods replaces the default one.
func ExampleWithKnownMethods() {
	server := httptest.NewServer(handler(http.StatusOK, "fine"))
	defer server.Close()
	exporter := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter))
	client := server.Client()
	client.Transport = otelhttpclient.NewTransport(client.Transport,
		otelhttpclient.WithTracerProvider(provider),
		otelhttpclient.WithKnownMethods("GET", "PROPFIND"))

	for _, method := range []string{"PROPFIND", "MKCOL"} {
		req, err := http.NewRequest(method, "http://example.com/", nil)
		if err != nil {
			log.Fatal(err)
		}
		resp, err := client.Do(req)
		if err != nil {
			log.Fatal(err)
		}
		resp.Body.Close()
	}
	show(exporter, "http.request.method", "http.request.method_original")
	// Output:
	// PROPFIND
	//   http.request.method = PROPFIND
	// HTTP
	//   http.request.method = _OTHER
	//   http.request.method_original = MKCOL
}

// Some attributes of the conventions are recorded on request only.
func ExampleWithOptInAttributes() {
	server := httptest.NewServer(handler(http.StatusOK, "fine"))
	defer server.Close()
	exporter := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter))
	client := server.Client()
	client.Transport = otelhttpclient.NewTransport(client.Transport,
		otelhttpclient.WithTracerProvider(provider),
		otelhttpclient.WithOptInAttributes("url.scheme", "network.transport",
			"http.request.body.size", "http.response.body.size"))

	resp, err := client.Post("http://example.com/", "text/plain", strings.NewReader("how are you?"))
	if err != nil {
		log.Fatal(err)
	}
	io.Copy(io.Discard, resp.Body)
	resp.Body.Close()

	show(exporter, "url.scheme", "network.transport", "http.request.body.size", "http.response.body.size")
	// Output:
	// POST
	//   url.scheme = http
	//   network.transport = tcp
	//   http.request.body.size = 12
	//   http.response.body.size = 4
}

// The duration of requests is always measured. Other metrics of the conventions
// are measured on request.
func ExampleWithOptInMetrics() {
	server := httptest.NewServer(handler(http.StatusOK, "fine"))
	defer server.Close()
	reader := sdkmetric.NewManualReader()
	meters := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
	client := server.Client()
	client.Transport = otelhttpclient.NewTransport(client.Transport,
		otelhttpclient.WithMeterProvider(meters),
		otelhttpclient.WithOptInMetrics(otelhttpclient.MetricActiveRequests, otelhttpclient.MetricResponseBodySize))

	visit(context.Background(), client, "http://example.com/")

	var collected metricdata.ResourceMetrics
	if err := reader.Collect(context.Background(), &collected); err != nil {
		log.Fatal(err)
	}
	for _, metric := range collected.ScopeMetrics[0].Metrics {
		fmt.Println(metric.Name, metric.Unit)
	}
	// Unordered output:
	// http.client.request.duration s
	// http.client.active_requests {request}
	// http.client.response.body.size By
}
