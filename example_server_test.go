package otelhttpclient_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelhttpclient/otelhttpclient"
)

// A CLIENT span is a child of the span in its request's context. In a server that
// is the SERVER span, for a request with the context of the incoming one. http.Get
// and client.Get take no context: their spans are roots of other traces, which
// nobody finds from the SERVER span.
func Example_server() {
	exporter := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter))
	tracer, propagator := provider.Tracer("shop"), propagation.TraceContext{}

	// continued continues the caller's trace. It is the least that a server needs.
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
