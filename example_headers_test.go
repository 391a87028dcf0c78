package otelhttpclient_test

import (
	"context"
	"log"
	"net/http"
	"net/http/httptest"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/otelhttpclient/otelhttpclient"
)

// Headers are recorded on request only. The values of credentials are redacted.
func ExampleWithRequestHeaders() {
	server := httptest.NewServer(handler(http.StatusOK, "fine"))
	defer server.Close()
	exporter := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter))
	client := server.Client()
	client.Transport = otelhttpclient.NewTransport(client.Transport,
		otelhttpclient.WithTracerProvider(provider),
		otelhttpclient.WithRequestHeaders("Accept", "Authorization", "X-*"))

	req, err := http.NewRequest(http.MethodGet, "http://example.com/", nil)
	if err != nil {
		log.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer abc")
	req.Header.Add("Accept", "application/json")
	req.Header.Add("Accept", "text/plain")
	req.Header.Set("X-Request-Id", "7")
	req.Header.Set("Cache-Control", "no-cache")
	resp, err := client.Do(req)
	if err != nil {
		log.Fatal(err)
	}
	resp.Body.Close()

	show(exporter, "http.request.header.accept", "http.request.header.authorization",
		"http.request.header.x-request-id", "http.request.header.cache-control")
	// Output:
	// GET
	//   http.request.header.accept = [application/json text/plain]
	//   http.request.header.authorization = [REDACTED]
	//   http.request.header.x-request-id = [7]
}

// URLs in headers are redacted like all URLs.
func ExampleWithResponseHeaders() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "https://example.com/jobs/1?access_token=abc")
		w.Header().Set("Set-Cookie", "session=abc")
		w.WriteHeader(http.StatusCreated)
	}))
	defer server.Close()
	exporter := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter))
	client := server.Client()
	client.Transport = otelhttpclient.NewTransport(client.Transport,
		otelhttpclient.WithTracerProvider(provider),
		otelhttpclient.WithResponseHeaders("location", "set-cookie"))

	visit(context.Background(), client, "http://example.com/jobs")

	show(exporter, "http.response.header.location", "http.response.header.set-cookie")
	// Output:
	// GET
	//   http.response.header.location = [https://example.com/jobs/1?access_token=REDACTED]
	//   http.response.header.set-cookie = [REDACTED]
}

// Application-specific secrets are added to the default list.
func ExampleWithSensitiveHeaders() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Voucher", "abc")
	}))
	defer server.Close()
	exporter := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter))
	client := server.Client()
	client.Transport = otelhttpclient.NewTransport(client.Transport,
		otelhttpclient.WithTracerProvider(provider),
		otelhttpclient.WithResponseHeaders("x-*"),
		otelhttpclient.WithSensitiveHeaders(append(otelhttpclient.DefaultSensitiveHeaders(), "x-voucher")...))

	visit(context.Background(), client, "http://example.com/")

	show(exporter, "http.response.header.x-voucher")
	// Output:
	// GET
	//   http.response.header.x-voucher = [REDACTED]
}
