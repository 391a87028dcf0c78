package otelhttpclient_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/otelhttpclient/otelhttpclient"
)

// Each client gets the attributes of the service that it calls.
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
// server.address came from it, each of them would create a metric series. The
// proxy's transport records the name of the upstream service instead.
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
		for _, point := range metric.Data.(metricdata.Histogram[float64]).DataPoints {
			address, _ := point.Attributes.Value(semconv.ServerAddressKey)
			fmt.Println(metric.Name, address.AsString(), point.Count)
		}
	}
	// Output:
	// http.client.request.duration upstream 3
}

// A token refresh joins the caller's trace without a span of its own.
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
}

// Wrappers such as client-go's look for the transport below by this name.
func ExampleTransport_WrappedRoundTripper() {
	base := &http.Transport{}
	rt := otelhttpclient.NewTransport(base)
	fmt.Println(rt.WrappedRoundTripper() == http.RoundTripper(base))
	// Output:
	// true
}
