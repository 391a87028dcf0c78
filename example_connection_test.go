package otelhttpclient_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"slices"
	"strings"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelhttpclient/otelhttpclient"
)

// The timings show what a request waited for. The second request reuses the
// connection of the first.
func ExampleWithConnectionTimings() {
	server := httptest.NewServer(handler(http.StatusOK, "fine"))
	defer server.Close()
	exporter := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter))
	client := server.Client()
	client.Transport = otelhttpclient.NewTransport(client.Transport,
		otelhttpclient.WithTracerProvider(provider),
		otelhttpclient.WithConnectionTimings())

	visit(context.Background(), client, "http://example.com/")
	visit(context.Background(), client, "http://example.com/")

	for _, span := range exporter.GetSpans() {
		fmt.Println(span.Name)
		var keys []string
		for _, kv := range span.Attributes {
			if key, ok := strings.CutPrefix(string(kv.Key), "otelhttpclient."); ok {
				keys = append(keys, key)
			}
		}
		slices.Sort(keys)
		for _, key := range keys {
			fmt.Println(" ", key)
		}
	}
	// Output:
	// GET
	//   connect.duration
	//   connection.reused
	//   connection.wait_time
	//   first_byte.duration
	// GET
	//   connection.idle_time
	//   connection.reused
	//   connection.wait_time
	//   first_byte.duration
}

// Any hook of net/http/httptrace can be installed, with the span's context.
func ExampleWithClientTrace() {
	server := httptest.NewServer(handler(http.StatusOK, "fine"))
	defer server.Close()
	exporter := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter))
	client := server.Client()
	client.Transport = otelhttpclient.NewTransport(client.Transport,
		otelhttpclient.WithTracerProvider(provider),
		otelhttpclient.WithClientTrace(func(ctx context.Context) *httptrace.ClientTrace {
			span := trace.SpanFromContext(ctx)
			return &httptrace.ClientTrace{
				GotConn: func(httptrace.GotConnInfo) { span.AddEvent("connection got") },
			}
		}))

	visit(context.Background(), client, "http://example.com/")
	for _, event := range exporter.GetSpans()[0].Events {
		fmt.Println(event.Name)
	}
	// Output:
	// connection got
}
