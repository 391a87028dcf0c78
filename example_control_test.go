package otelhttpclient_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/url"
	"slices"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelhttpclient/otelhttpclient"
)

// Where the caller knows the template of a URL, it says so in the context.
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

// A client that calls few services can know all templates beforehand. They are
// written as for a server's http.ServeMux; what is malformed or ambiguous is
// an error.
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
			return "" // none is known
		}))

	visit(context.Background(), client, "http://example.com/items/42")
	visit(context.Background(), client, "http://example.com/")
	show(exporter)
	// Output:
	// GET /items/{sku}
	// GET
}

// A request with this context is sent as if there were no Transport.
//
// This is how an exporter that sends OTLP over HTTP is kept from tracing its
// own exports, without end, where it shares an instrumented client (as it does
// under InstrumentDefault). The exporter passes its caller's context on, so
// give it one from ContextWithoutTracing: wrap the exporter in a SpanExporter
// whose ExportSpans calls
//
//	e.SpanExporter.ExportSpans(otelhttpclient.ContextWithoutTracing(ctx), spans)
//
// Where that cannot be done, exclude the endpoint with WithFilter and
// ExcludeURLs, or give the exporter a client of its own.
func ExampleContextWithoutTracing() {
	server := httptest.NewServer(handler(http.StatusOK, "fine"))
	defer server.Close()
	exporter := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter))
	client := server.Client()
	client.Transport = otelhttpclient.NewTransport(client.Transport, otelhttpclient.WithTracerProvider(provider))

	ctx := context.Background()
	visit(otelhttpclient.ContextWithoutTracing(ctx), client, "http://example.com/v1/traces")
	visit(ctx, client, "http://example.com/items")

	show(exporter, "url.full")
	// Output:
	// GET
	//   url.full = http://example.com/items
}

// untracedExporter exports with a context whose requests are not traced.
type untracedExporter struct{ sdktrace.SpanExporter }

func (e untracedExporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	return e.SpanExporter.ExportSpans(otelhttpclient.ContextWithoutTracing(ctx), spans)
}

// httpExporter sends spans through a client, as the exporter of OTLP over HTTP
// does.
type httpExporter struct{ client *http.Client }

func (e httpExporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	for _, span := range spans {
		fmt.Println("exported:", span.Name())
	}
	visit(ctx, e.client, "http://collector.example.com/v1/traces")
	return nil
}

func (httpExporter) Shutdown(context.Context) error { return nil }

// An exporter that sends over HTTP, through the very client whose requests are
// traced, must not have its own exports traced.
func ExampleContextWithoutTracing_exporter() {
	server := httptest.NewServer(handler(http.StatusOK, "fine"))
	defer server.Close()
	client := server.Client()

	// untracedExporter has one method of its own:
	//
	//	func (e untracedExporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	//		return e.SpanExporter.ExportSpans(otelhttpclient.ContextWithoutTracing(ctx), spans)
	//	}
	exporter := untracedExporter{httpExporter{client}}
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter))
	client.Transport = otelhttpclient.NewTransport(client.Transport, otelhttpclient.WithTracerProvider(provider))

	visit(context.Background(), client, "http://example.com/items")
	// Output:
	// exported: GET
}

// Attributes in the context are on the span and on the metrics of its
// requests.
func ExampleContextWithAttributes() {
	server := httptest.NewServer(handler(http.StatusOK, "fine"))
	defer server.Close()
	exporter := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter))
	reader := sdkmetric.NewManualReader()
	meters := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
	client := server.Client()
	client.Transport = otelhttpclient.NewTransport(client.Transport,
		otelhttpclient.WithTracerProvider(provider), otelhttpclient.WithMeterProvider(meters))

	ctx := otelhttpclient.ContextWithAttributes(context.Background(), attribute.String("tenant.plan", "free"))
	visit(ctx, client, "http://example.com/")

	show(exporter, "tenant.plan")
	var collected metricdata.ResourceMetrics
	if err := reader.Collect(context.Background(), &collected); err != nil {
		log.Fatal(err)
	}
	duration := collected.ScopeMetrics[0].Metrics[0]
	plan, _ := duration.Data.(metricdata.Histogram[float64]).DataPoints[0].Attributes.Value("tenant.plan")
	fmt.Println(duration.Name, plan.AsString())
	// Output:
	// GET
	//   tenant.plan = free
	// http.client.request.duration free
}

// Headers are recorded only where they are asked for. The values of
// credentials are not recorded even then.
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

// URLs in headers are recorded without their secrets, like all URLs.
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

// A header that only this system knows to be secret is added to the default
// list.
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

// Strangers get no trace context, and above all no baggage. Their requests
// have spans all the same.
func ExampleWithPropagationTargets() {
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		fmt.Println(r.Host, r.Header.Get("Traceparent") != "")
	}))
	defer server.Close()
	exporter := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter))
	client := server.Client()
	client.Transport = otelhttpclient.NewTransport(client.Transport,
		otelhttpclient.WithTracerProvider(provider),
		otelhttpclient.WithPropagators(propagation.TraceContext{}),
		otelhttpclient.WithPropagationTargets("shop.example.com", "*.internal.example.com"))

	ctx := context.Background()
	visit(ctx, client, "http://shop.example.com/")
	visit(ctx, client, "http://stock.internal.example.com/")
	visit(ctx, client, "http://partner.example.com/")
	fmt.Println("spans:", len(exporter.GetSpans()))
	// Output:
	// shop.example.com true
	// stock.internal.example.com true
	// partner.example.com false
	// spans: 3
}

// The format of the headers is a matter of the propagator: here baggage alone
// is handed on.
func ExampleWithPropagators() {
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		fmt.Printf("traceparent %q, baggage %q\n", r.Header.Get("Traceparent"), r.Header.Get("Baggage"))
	}))
	defer server.Close()
	client := server.Client()
	client.Transport = otelhttpclient.NewTransport(client.Transport,
		otelhttpclient.WithPropagators(propagation.Baggage{}))

	incoming := propagation.HeaderCarrier{"Baggage": {"tenant=acme"}}
	visit(propagation.Baggage{}.Extract(context.Background(), incoming), client, "http://example.com/")
	// Output:
	// traceparent "", baggage "tenant=acme"
}

// The timings tell what a request waited for: the second one has found the
// connection of the first, and nothing had to be established for it.
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

// Any of net/http's hooks for a request can be had, with the span's context.
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

// A client that somebody else has made is instrumented in place. Doing so twice
// is the same as once, and it can be undone.
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

// At the beginning of main, http.Get and all clients without a Transport of
// their own are instrumented with one call.
func ExampleInstrumentDefault() {
	uninstrument, err := otelhttpclient.InstrumentDefault()
	if err != nil {
		log.Print(err) // it says what to do instead; nothing has changed
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

// A stream may stay open for hours. Its span ends when it begins, instead of
// when it is closed.
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

// To this client a 404 is an answer like others.
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

// Some attributes of the conventions are recorded only where they are asked
// for.
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

// The duration of requests is always measured; other metrics of the
// conventions are to be asked for.
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

// Parameters that only this system knows to be secret are added to the default
// list.
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

// A filter that hides the values of some parameters, and keeps all the rest as
// it is written.
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

// A filter that drops all parameters but those that are known to be harmless.
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

// A filter that drops the query.
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

// Spans may be named by a function. Low cardinality is its duty: where names
// vary with the path, WithURLTemplate is the better way.
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

// A list of methods replaces that of the conventions.
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
