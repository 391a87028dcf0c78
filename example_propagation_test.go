package otelhttpclient_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
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

// Other hosts receive neither trace context nor baggage. Their requests still
// have spans.
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

// The propagator determines the headers: this one sends baggage only.
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

// A request with this context is sent as if there were no Transport.
//
// Use it for an exporter that sends OTLP over HTTP through an instrumented
// client, which would otherwise trace its own exports endlessly. The exporter
// uses its caller's context, so wrap it in a SpanExporter whose ExportSpans
// calls
//
//	e.SpanExporter.ExportSpans(otelhttpclient.ContextWithoutTracing(ctx), spans)
//
// Or exclude the endpoint with WithFilter and ExcludeURLs, or give the exporter
// a client of its own.
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

// httpExporter sends spans through a client, like the exporter of OTLP over
// HTTP.
type httpExporter struct{ client *http.Client }

func (e httpExporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	for _, span := range spans {
		fmt.Println("exported:", span.Name())
	}
	visit(ctx, e.client, "http://collector.example.com/v1/traces")
	return nil
}

func (httpExporter) Shutdown(context.Context) error { return nil }

// An exporter that sends through the instrumented client must not trace its own
// exports.
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

// Attributes of the context are recorded on spans and metrics.
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

// InstrumentClient instruments a client that another package has created. A
// second call has no effect. UninstrumentClient restores the client.
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

// One call at the start of main instruments http.Get and all clients without
// their own Transport. Spans of http.Get have no parent, because it takes no
// context.
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

// The timings show where a request spent its time. The second request reuses
// the connection of the first.
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

// A CLIENT span is a child of the span in its request's context. In a handler,
// pass the incoming request's context to make it a child of the SERVER span.
// http.Get and client.Get take no context: their spans start separate traces,
// without a link to the SERVER span.
func Example_server() {
	exporter := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter))
	tracer, propagator := provider.Tracer("shop"), propagation.TraceContext{}

	// continued continues the caller's trace. A server needs at least this.
	continued := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(w, r.WithContext(propagator.Extract(r.Context(), propagation.HeaderCarrier(r.Header))))
		})
	}
	// recorded records a SERVER span. otelhttp.NewHandler does both, and more.
	recorded := func(next http.Handler) http.Handler {
		return continued(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ctx, span := tracer.Start(r.Context(), r.Pattern, trace.WithSpanKind(trace.SpanKindServer))
			defer span.End()
			next.ServeHTTP(w, r.WithContext(ctx))
		}))
	}

	inventory := httptest.NewServer(handler(http.StatusOK, "42"))
	defer inventory.Close()
	client := inventory.Client()
	client.Transport = otelhttpclient.NewTransport(client.Transport,
		otelhttpclient.WithTracerProvider(provider), otelhttpclient.WithPropagators(propagator))
	withContext := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		visit(r.Context(), client, inventory.URL) // http.NewRequestWithContext and client.Do
	})
	withGet := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		if resp, err := client.Get(inventory.URL); err == nil {
			resp.Body.Close()
		}
	})
	mux := http.NewServeMux()
	mux.Handle("GET /bare", withContext)
	mux.Handle("GET /continued", continued(withContext))
	mux.Handle("GET /recorded", recorded(withContext))
	mux.Handle("GET /get", recorded(withGet))
	shop := httptest.NewServer(mux)
	defer shop.Close()

	for _, path := range []string{"/bare", "/continued", "/recorded", "/get"} {
		exporter.Reset()
		ctx, caller := tracer.Start(context.Background(), "caller")
		req, err := http.NewRequestWithContext(ctx, "GET", shop.URL+path, nil)
		if err != nil {
			log.Fatal(err)
		}
		propagator.Inject(ctx, propagation.HeaderCarrier(req.Header))
		resp, err := shop.Client().Do(req) // not traced
		if err != nil {
			log.Fatal(err)
		}
		resp.Body.Close()
		caller.End()
		fmt.Printf("%-11s %s\n", path, ancestry(exporter.GetSpans()))
	}
	// Output:
	// /bare       CLIENT GET
	// /continued  CLIENT GET < INTERNAL caller
	// /recorded   CLIENT GET < SERVER GET /recorded < INTERNAL caller
	// /get        CLIENT GET
}

// ancestry returns the CLIENT span and the spans above it.
func ancestry(spans tracetest.SpanStubs) (path string) {
	byID := map[trace.SpanID]tracetest.SpanStub{}
	var span tracetest.SpanStub
	for _, s := range spans {
		byID[s.SpanContext.SpanID()] = s
		if s.SpanKind == trace.SpanKindClient {
			span = s
		}
	}
	path = "CLIENT " + span.Name
	for span.Parent.IsValid() {
		span = byID[span.Parent.SpanID()]
		path += " < " + strings.ToUpper(span.SpanKind.String()) + " " + span.Name
	}
	return path
}
