package otelhttpclient_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

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

// For this client, an open circuit breaker is not an error of the request.
func ExampleWithFailureCheck() {
	circuitOpen := errors.New("circuit open")
	base := http.DefaultTransport.(*http.Transport).Clone()
	base.DialContext = func(context.Context, string, string) (net.Conn, error) { return nil, circuitOpen }
	exporter := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter))
	client := &http.Client{Transport: otelhttpclient.NewTransport(base,
		otelhttpclient.WithTracerProvider(provider),
		otelhttpclient.WithFailureCheck(func(err error) bool { return !errors.Is(err, circuitOpen) }))}

	_, err := client.Get("http://example.com/events")

	fmt.Println(err)
	fmt.Println(exporter.GetSpans()[0].Status.Code)
	// Output:
	// Get "http://example.com/events": circuit open
	// Unset
}

// Whether a cache answered is an attribute of the span and of the duration.
func ExampleWithResponseAttributes() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Cache", "hit")
	}))
	defer server.Close()
	exporter := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter))
	client := server.Client()
	client.Transport = otelhttpclient.NewTransport(client.Transport,
		otelhttpclient.WithTracerProvider(provider),
		otelhttpclient.WithResponseAttributes(func(_ *http.Request, resp *http.Response, _ error) []attribute.KeyValue {
			// A boolean: the server cannot choose other values.
			return []attribute.KeyValue{attribute.Bool("cache.hit", resp != nil && resp.Header.Get("X-Cache") == "hit")}
		}))

	visit(context.Background(), client, "http://example.com/items/42")

	show(exporter, "cache.hit")
	// Output:
	// GET
	//   cache.hit = true
}

// The list of methods replaces the default list.
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

// Opt-in attributes are recorded only if they are listed.
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

// The request duration is always recorded. Opt-in metrics are recorded only if
// they are listed.
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
	// otelhttpclient.response.body.abandoned {body}
}

// Each client records the name of the service that it calls.
func ExampleWithAttributes() {
	server := httptest.NewServer(handler(http.StatusOK, "fine"))
	defer server.Close()
	exporter := tracetest.NewInMemoryExporter()
	client := server.Client()
	client.Transport = otelhttpclient.NewTransport(client.Transport,
		otelhttpclient.WithTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter))),
		otelhttpclient.WithAttributes(func(*http.Request) []attribute.KeyValue {
			return []attribute.KeyValue{semconv.ServicePeerName("inventory")}
		}))

	visit(context.Background(), client, "http://example.com/items")

	show(exporter, semconv.ServicePeerNameKey)
	// Output:
	// GET
	//   service.peer.name = inventory
}

// A reverse proxy may forward any Host header that its clients send. If
// server.address were taken from it, each host would create metric series.
// Record the name of the upstream service instead.
func ExampleWithAttributes_reverseProxy() {
	upstream := httptest.NewServer(handler(http.StatusOK, "fine"))
	defer upstream.Close()
	reader := sdkmetric.NewManualReader()
	target, err := url.Parse(upstream.URL)
	if err != nil {
		log.Fatal(err)
	}
	proxy := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host
		},
		Transport: otelhttpclient.NewTransport(nil,
			otelhttpclient.WithMeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))),
			otelhttpclient.WithAttributes(func(*http.Request) []attribute.KeyValue {
				return []attribute.KeyValue{semconv.ServerAddress("upstream"), semconv.ServerPort(80)}
			})),
	})
	defer proxy.Close()

	for _, host := range []string{"a.example", "b.example", "c.example"} {
		req, err := http.NewRequest(http.MethodGet, proxy.URL, nil)
		if err != nil {
			log.Fatal(err)
		}
		req.Host = host
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			log.Fatal(err)
		}
		resp.Body.Close()
	}

	var collected metricdata.ResourceMetrics
	if err := reader.Collect(context.Background(), &collected); err != nil {
		log.Fatal(err)
	}
	for _, metric := range collected.ScopeMetrics[0].Metrics {
		switch data := metric.Data.(type) {
		case metricdata.Histogram[float64]:
			for _, point := range data.DataPoints {
				address, _ := point.Attributes.Value(semconv.ServerAddressKey)
				fmt.Println(metric.Name, address.AsString(), point.Count)
			}
		case metricdata.Sum[int64]:
			for _, point := range data.DataPoints {
				address, _ := point.Attributes.Value(semconv.ServerAddressKey)
				fmt.Println(metric.Name, address.AsString(), point.Value)
			}
		}
	}
	// Unordered output:
	// http.client.request.duration upstream 3
	// otelhttpclient.response.body.abandoned upstream 0
}

// A token refresh is part of the caller's trace without its own span.
func ExampleContextWithPropagationOnly() {
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		fmt.Println("received a traceparent:", r.Header.Get("Traceparent") != "")
	}))
	defer server.Close()
	exporter := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter))
	client := server.Client()
	client.Transport = otelhttpclient.NewTransport(client.Transport,
		otelhttpclient.WithTracerProvider(provider),
		otelhttpclient.WithPropagators(propagation.TraceContext{}))

	ctx, parent := provider.Tracer("example").Start(context.Background(), "handle order")
	visit(otelhttpclient.ContextWithPropagationOnly(ctx), client, "http://example.com/token")
	parent.End()

	show(exporter)
	// Output:
	// received a traceparent: true
	// handle order
}

// These metrics show an exhausted connection pool and a slow resolver.
func ExampleWithOptInMetrics_connections() {
	server := httptest.NewServer(handler(http.StatusOK, "fine"))
	defer server.Close()
	reader := sdkmetric.NewManualReader()
	client := &http.Client{Transport: otelhttpclient.NewTransport(&http.Transport{},
		otelhttpclient.WithMeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))),
		otelhttpclient.WithOptInMetrics(otelhttpclient.MetricRequestTimeInQueue, otelhttpclient.MetricDNSLookupDuration))}

	port := server.Listener.Addr().String()[len("127.0.0.1"):]
	visit(context.Background(), client, "http://localhost"+port)

	var collected metricdata.ResourceMetrics
	if err := reader.Collect(context.Background(), &collected); err != nil {
		log.Fatal(err)
	}
	var names []string
	for _, metric := range collected.ScopeMetrics[0].Metrics {
		names = append(names, metric.Name)
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Println(name)
	}
	// Output:
	// dns.lookup.duration
	// http.client.request.duration
	// http.client.request.time_in_queue
	// otelhttpclient.response.body.abandoned
}

// Wrappers such as client-go's find the wrapped transport by this method.
func ExampleTransport_WrappedRoundTripper() {
	base := &http.Transport{}
	rt := otelhttpclient.NewTransport(base)
	fmt.Println(rt.WrappedRoundTripper() == http.RoundTripper(base))
	// Output:
	// true
}

// Only listed headers are recorded. Credentials are redacted.
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

// Add application-specific secrets to the default list.
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

// The caller supplies the template of a URL in the context.
func ExampleContextWithURLTemplate() {
	server := httptest.NewServer(handler(http.StatusOK, "a hammer"))
	defer server.Close()
	exporter := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter))
	client := server.Client()
	client.Transport = otelhttpclient.NewTransport(client.Transport, otelhttpclient.WithTracerProvider(provider))

	ctx := otelhttpclient.ContextWithURLTemplate(context.Background(), "/items/{sku}")
	visit(ctx, client, "http://example.com/items/42")

	show(exporter, "url.template", "url.full")
	// Output:
	// GET /items/{sku}
	//   url.template = /items/{sku}
	//   url.full = http://example.com/items/42
}

// A client of a few services can list all templates, in the syntax of
// http.ServeMux. Malformed and conflicting patterns are an error.
func ExampleServeMuxTemplates() {
	server := httptest.NewServer(handler(http.StatusOK, "fine"))
	defer server.Close()
	exporter := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter))

	templates, err := otelhttpclient.ServeMuxTemplates(
		"GET inventory.example.com/items/{sku}",
		"GET inventory.example.com/items/latest",
		"/files/{path...}")
	if err != nil {
		log.Fatal(err)
	}
	client := server.Client()
	client.Transport = otelhttpclient.NewTransport(client.Transport,
		otelhttpclient.WithTracerProvider(provider),
		otelhttpclient.WithURLTemplate(templates))

	ctx := context.Background()
	visit(ctx, client, "http://inventory.example.com/items/42")
	visit(ctx, client, "http://inventory.example.com/items/latest")
	visit(ctx, client, "http://example.com/files/a/b.txt")
	visit(ctx, client, "http://example.com/unknown")
	show(exporter)

	_, err = otelhttpclient.ServeMuxTemplates("GET /items/{sku")
	fmt.Println(err != nil)
	// Output:
	// GET /items/{sku}
	// GET /items/latest
	// GET /files/{path...}
	// GET
	// true
}

// Any function can be a templater.
func ExampleWithURLTemplate() {
	server := httptest.NewServer(handler(http.StatusOK, "fine"))
	defer server.Close()
	exporter := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter))

	client := server.Client()
	client.Transport = otelhttpclient.NewTransport(client.Transport,
		otelhttpclient.WithTracerProvider(provider),
		otelhttpclient.WithURLTemplate(func(req *http.Request) string {
			if strings.HasPrefix(req.URL.Path, "/items/") {
				return "/items/{sku}"
			}
			return "" // no template
		}))

	visit(context.Background(), client, "http://example.com/items/42")
	visit(context.Background(), client, "http://example.com/")
	show(exporter)
	// Output:
	// GET /items/{sku}
	// GET
}

// A function can name spans. Names must have low cardinality: use
// WithURLTemplate for names that depend on the path.
func ExampleWithSpanNameFormatter() {
	server := httptest.NewServer(handler(http.StatusOK, "fine"))
	defer server.Close()
	exporter := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter))
	client := server.Client()
	client.Transport = otelhttpclient.NewTransport(client.Transport,
		otelhttpclient.WithTracerProvider(provider),
		otelhttpclient.WithSpanNameFormatter(func(req *http.Request) string {
			return req.Method + " " + req.URL.Hostname()
		}))

	visit(context.Background(), client, "http://shop.example.com/items/42")
	show(exporter)
	// Output:
	// GET shop.example.com
}
