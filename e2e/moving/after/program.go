// Package program is an application with a traced HTTP client. There are two copies, one per library,
// which differ in one import line.
package program

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"

	otelhttp "github.com/otelhttpclient/otelhttpclient"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// skipHealth is a named filter, to test that the type's name is the same.
var skipHealth otelhttp.Filter = func(r *http.Request) bool { return r.URL.Path != "/health" }

// NewClient returns a traced client with every option that both libraries have.
func NewClient(base http.RoundTripper, tp trace.TracerProvider, mp metric.MeterProvider, p propagation.TextMapPropagator) *http.Client {
	options := []otelhttp.Option{
		otelhttp.WithTracerProvider(tp),
		otelhttp.WithMeterProvider(mp),
		otelhttp.WithPropagators(p),
		otelhttp.WithSpanOptions(trace.WithAttributes(attribute.String("app.component", "checkout"))),
		otelhttp.WithFilter(skipHealth),
		otelhttp.WithClientTrace(func(ctx context.Context) *httptrace.ClientTrace {
			return &httptrace.ClientTrace{GotFirstResponseByte: func() {
				trace.SpanFromContext(ctx).AddEvent("first byte")
			}}
		}),
	}
	var transport *otelhttp.Transport = otelhttp.NewTransport(base, options...)
	return &http.Client{Transport: transport}
}

// Run makes several requests and returns the result of each.
func Run(ctx context.Context, client *http.Client, server, closed string) []string {
	var saw []string
	for _, call := range []struct{ method, url, body string }{
		{http.MethodGet, server + "/ok?page=2&sig=hunter2", ""},
		{http.MethodPost, server + "/echo", "hello"},
		{http.MethodGet, server + "/missing", ""},
		{http.MethodGet, server + "/moved", ""},
		{http.MethodGet, server + "/health", ""},
		{http.MethodGet, closed + "/refused", ""},
	} {
		saw = append(saw, do(ctx, client, call.method, call.url, call.body))
	}
	return saw
}

func do(ctx context.Context, client *http.Client, method, url, body string) string {
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, method, url, reader)
	if err != nil {
		return err.Error()
	}
	resp, err := client.Do(req)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	return fmt.Sprintf("%s %s: %d %q %v", method, url, resp.StatusCode, answer, err)
}
