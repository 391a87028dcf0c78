package otelhttpclient_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/otelhttpclient/otelhttpclient"
)

// InstrumentClient instruments a client that another package has created. A
// second call has no further effect, and UninstrumentClient undoes it.
func ExampleInstrumentClient() {
	server := httptest.NewServer(handler(http.StatusOK, "fine"))
	defer server.Close()
	exporter := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter))

	client := server.Client()
	otelhttpclient.InstrumentClient(client, otelhttpclient.WithTracerProvider(provider))
	otelhttpclient.InstrumentClient(client)
	visit(context.Background(), client, "http://example.com/")
	fmt.Println("spans:", len(exporter.GetSpans()))

	otelhttpclient.UninstrumentClient(client)
	visit(context.Background(), client, "http://example.com/")
	fmt.Println("spans:", len(exporter.GetSpans()))
	// Output:
	// spans: 1
	// spans: 1
}

// One call at the start of main instruments http.Get and all clients without a
// Transport of their own.
func ExampleInstrumentDefault() {
	uninstrument, err := otelhttpclient.InstrumentDefault()
	if err != nil {
		log.Print(err) // names the alternative; nothing has changed
	} else {
		defer uninstrument()
	}

	resp, err := http.Get("https://example.com/")
	if err != nil {
		log.Print(err)
		return
	}
	defer resp.Body.Close()
	io.Copy(io.Discard, resp.Body)
}
