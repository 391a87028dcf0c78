package otelhttpclient_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelhttpclient/otelhttpclient"
)

// The service in the examples is a server of httptest, whose client sends
// requests for example.com, and for all names below it, to that server.

// visit sends a request and reads the response to the end, which ends the span.
func visit(ctx context.Context, client *http.Client, url string) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		log.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		log.Fatal(err)
	}
}

// show prints the names of the spans, and their attributes with these keys.
func show(exporter *tracetest.InMemoryExporter, keys ...attribute.Key) {
	for _, span := range exporter.GetSpans() {
		fmt.Println(span.Name)
		for _, key := range keys {
			for _, kv := range span.Attributes {
				if kv.Key == key {
					fmt.Printf("  %s = %v\n", key, kv.Value.AsInterface())
				}
			}
		}
	}
}

// handler answers every request with a text.
func handler(status int, text string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		io.WriteString(w, text)
	})
}

// Wrap the transport of a client: every request gets a span, and the called
// service continues the trace.
func Example() {
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		caller := propagation.TraceContext{}.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
		fmt.Println("called with a trace:", trace.SpanContextFromContext(caller).IsSampled())
	}))
	defer server.Close()

	// A program installs providers and propagators once: see the OTLP example.
	exporter := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter))

	client := server.Client()
	client.Transport = otelhttpclient.NewTransport(client.Transport,
		otelhttpclient.WithTracerProvider(provider),
		otelhttpclient.WithPropagators(propagation.TraceContext{}))

	ctx := context.Background() // in a handler: the incoming request's
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://shop.example.com/items/42?sig=secret", nil)
	if err != nil {
		log.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		log.Fatal(err)
	}
	resp.Body.Close() // ends the span

	show(exporter, "server.address", "server.port", "url.full", "http.response.status_code")
	// Output:
	// called with a trace: true
	// GET
	//   server.address = shop.example.com
	//   server.port = 80
	//   url.full = http://shop.example.com/items/42?sig=REDACTED
	//   http.response.status_code = 200
}

// A program that exports spans in batches, over gRPC, to
// OTEL_EXPORTER_OTLP_ENDPOINT, such as http://localhost:4317, and propagates trace
// context and baggage. Unset or without http://, the exporter uses TLS. The program
// in the README also exports metrics.
func Example_otlp() {
	ctx := context.Background()
	exporter, err := otlptracegrpc.New(ctx)
	if err != nil {
		log.Fatal(err)
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter))
	defer func() {
		// Exports the remaining spans.
		if err := provider.Shutdown(ctx); err != nil {
			log.Print(err)
		}
	}()
	otel.SetTracerProvider(provider)
	otel.SetTextMapPropagator(propagation.NewCompositeTextMapPropagator(
		propagation.TraceContext{}, propagation.Baggage{}))

	client := &http.Client{Transport: otelhttpclient.NewTransport(nil)}

	// The request's context carries its parent span. client.Get takes no context.
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://example.com/", nil)
	if err != nil {
		log.Print(err)
		return
	}
	resp, err := client.Do(req)
	if err != nil {
		log.Print(err)
		return
	}
	defer resp.Body.Close()
	io.Copy(io.Discard, resp.Body)
}

// In a unit test, an in-memory exporter shows what the code under test has
// called. With a synchronous exporter, a span is available once its response is
// read.
func Example_inMemoryExporter() {
	server := httptest.NewServer(handler(http.StatusNotFound, "no such item"))
	defer server.Close()

	exporter := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter))
	client := server.Client()
	client.Transport = otelhttpclient.NewTransport(client.Transport, otelhttpclient.WithTracerProvider(provider))

	// The code under test.
	ctx, parent := provider.Tracer("shop").Start(context.Background(), "look up")
	visit(ctx, client, "http://example.com/items/42")
	parent.End()

	span := exporter.GetSpans()[0]
	fmt.Println("kind:", span.SpanKind)
	fmt.Println("child of look up:", span.Parent.Equal(parent.SpanContext()))
	fmt.Println("error:", span.Status.Code == codes.Error)
	// Output:
	// kind: client
	// child of look up: true
	// error: true
}

// A request hook runs before the request is sent. It may rename the span, add
// attributes and set headers.
func ExampleWithRequestHook() {
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		fmt.Println("tenant:", r.Header.Get("X-Tenant"))
	}))
	defer server.Close()
	exporter := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter))

	client := server.Client()
	client.Transport = otelhttpclient.NewTransport(client.Transport,
		otelhttpclient.WithTracerProvider(provider),
		otelhttpclient.WithRequestHook(func(span trace.Span, req *http.Request) {
			req.Header.Set("X-Tenant", "acme")
			span.SetName("look up item")
			span.SetAttributes(attribute.String("peer.service", "inventory"))
		}))

	visit(context.Background(), client, "http://example.com/items/42")
	show(exporter, "peer.service")
	// Output:
	// tenant: acme
	// look up item
	//   peer.service = inventory
}

// A response hook runs when the headers arrive or the request fails. What it
// sets overrides the library's values.
func ExampleWithResponseHook() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Cache", "HIT")
	}))
	exporter := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter))

	client := server.Client()
	client.Transport = otelhttpclient.NewTransport(client.Transport,
		otelhttpclient.WithTracerProvider(provider),
		otelhttpclient.WithResponseHook(func(span trace.Span, _ *http.Request, resp *http.Response, err error) {
			if err != nil {
				span.RecordError(err) // the library does not record it
				return
			}
			span.SetAttributes(attribute.Bool("cache.hit", resp.Header.Get("X-Cache") == "HIT"))
		}))

	visit(context.Background(), client, "http://example.com/items/42")
	server.Close()
	if _, err := client.Get("http://example.com/items/42"); err != nil {
		spans := exporter.GetSpans()
		fmt.Println("events:", len(spans[0].Events), len(spans[1].Events))
	}
	show(exporter, "cache.hit", "error.type")
	// Output:
	// events: 0 1
	// GET
	//   cache.hit = true
	// GET
	//   error.type = connection_error
}

// A URL filter changes a copy of the URL for recording. The request is sent
// unchanged.
func ExampleWithURLFilter() {
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		fmt.Println("sent:", r.URL)
	}))
	defer server.Close()
	exporter := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter))

	client := server.Client()
	client.Transport = otelhttpclient.NewTransport(client.Transport,
		otelhttpclient.WithTracerProvider(provider),
		otelhttpclient.WithURLFilter(func(u *url.URL) *url.URL {
			if strings.HasPrefix(u.Path, "/users/") {
				u.Path = "/users/someone"
			}
			return u
		}),
		otelhttpclient.WithURLFilter(otelhttpclient.StripQuery))

	visit(context.Background(), client, "http://example.com/users/alice?page=2")
	show(exporter, "url.full")
	// Output:
	// sent: /users/alice?page=2
	// GET
	//   url.full = http://example.com/users/someone
}

// Requests to excluded URLs are sent as without a Transport: no span, no
// metrics, no headers.
func ExampleParseExcludedURLs() {
	server := httptest.NewServer(handler(http.StatusOK, "fine"))
	defer server.Close()
	exporter := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter))

	// Often this comes from the environment.
	untraced, err := otelhttpclient.ParseExcludedURLs("/healthz$, ^http://metrics[.]")
	if err != nil {
		log.Fatal(err)
	}
	client := server.Client()
	client.Transport = otelhttpclient.NewTransport(client.Transport,
		otelhttpclient.WithTracerProvider(provider),
		otelhttpclient.WithFilter(untraced))

	visit(context.Background(), client, "http://example.com/healthz")
	visit(context.Background(), client, "http://metrics.example.com/push")
	visit(context.Background(), client, "http://example.com/items")
	show(exporter, "url.full")

	_, err = otelhttpclient.ParseExcludedURLs("/healthz$, [a-")
	fmt.Println(err)
	// Output:
	// GET
	//   url.full = http://example.com/items
	// otelhttpclient: excluded URLs: "[a-": error parsing regexp: missing closing ]: `[a-`
}

// Each attempt has a span with its resend count. Create the context once for
// each operation, outside the loop.
func ExampleContextWithRetries() {
	failures := 2
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if failures > 0 {
			failures--
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer server.Close()
	exporter := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter))
	client := server.Client()
	client.Transport = otelhttpclient.NewTransport(client.Transport, otelhttpclient.WithTracerProvider(provider))

	ctx := otelhttpclient.ContextWithRetries(context.Background())
	for range 3 {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://example.com/", nil)
		if err != nil {
			log.Fatal(err)
		}
		resp, err := client.Do(req)
		if err != nil {
			log.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			break
		}
	}
	show(exporter, "http.request.resend_count", "http.response.status_code")
	// Output:
	// GET
	//   http.response.status_code = 503
	// GET
	//   http.request.resend_count = 1
	//   http.response.status_code = 503
	// GET
	//   http.request.resend_count = 2
	//   http.response.status_code = 200
}

// Without this option, each request uses the current global provider. Libraries
// with a provider of their own pass it here.
func ExampleWithTracerProvider() {
	server := httptest.NewServer(handler(http.StatusOK, "fine"))
	defer server.Close()

	exporter := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithSyncer(exporter),
		sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.AlwaysSample())))
	client := server.Client()
	client.Transport = otelhttpclient.NewTransport(client.Transport, otelhttpclient.WithTracerProvider(provider))

	visit(context.Background(), client, "http://example.com/")

	scope := exporter.GetSpans()[0].InstrumentationScope
	fmt.Println(scope.Name, scope.Version == otelhttpclient.Version)
	// Output:
	// github.com/otelhttpclient/otelhttpclient true
}

// A request is traced if all filters accept it.
func ExampleWithFilter() {
	server := httptest.NewServer(handler(http.StatusOK, "fine"))
	defer server.Close()
	exporter := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter))

	client := server.Client()
	client.Transport = otelhttpclient.NewTransport(client.Transport,
		otelhttpclient.WithTracerProvider(provider),
		otelhttpclient.WithFilter(otelhttpclient.ExcludeURLs(regexp.MustCompile(`/healthz$`))),
		otelhttpclient.WithFilter(func(req *http.Request) bool { return req.URL.Hostname() != "metrics.example.com" }))

	visit(context.Background(), client, "http://example.com/healthz")
	visit(context.Background(), client, "http://metrics.example.com/push")
	visit(context.Background(), client, "http://example.com/items")
	show(exporter, "url.full")
	// Output:
	// GET
	//   url.full = http://example.com/items
}

// Metrics go to this provider instead of the global one.
func ExampleWithMeterProvider() {
	server := httptest.NewServer(handler(http.StatusOK, "fine"))
	defer server.Close()
	reader := sdkmetric.NewManualReader()
	meters := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))

	client := server.Client()
	client.Transport = otelhttpclient.NewTransport(client.Transport, otelhttpclient.WithMeterProvider(meters))
	visit(context.Background(), client, "http://example.com/")

	var collected metricdata.ResourceMetrics
	if err := reader.Collect(context.Background(), &collected); err != nil {
		log.Fatal(err)
	}
	for _, metric := range collected.ScopeMetrics[0].Metrics {
		fmt.Println(metric.Name, metric.Unit)
	}
	// Output:
	// http.client.request.duration s
	// otelhttpclient.response.body.abandoned {body}
}

// These options apply to all spans of a client.
func ExampleWithSpanOptions() {
	server := httptest.NewServer(handler(http.StatusOK, "fine"))
	defer server.Close()
	exporter := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter))

	client := server.Client()
	client.Transport = otelhttpclient.NewTransport(client.Transport,
		otelhttpclient.WithTracerProvider(provider),
		otelhttpclient.WithSpanOptions(trace.WithAttributes(attribute.String("peer.service", "inventory"))))

	visit(context.Background(), client, "http://example.com/")
	show(exporter, "peer.service")
	// Output:
	// GET
	//   peer.service = inventory
}

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
