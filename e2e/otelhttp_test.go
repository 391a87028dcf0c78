package e2e

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/trace"
)

// TestOtelhttpHandler: a server instrumented with otelhttp continues the trace and receives the baggage.
func TestOtelhttpHandler(t *testing.T) {
	t.Parallel()
	s := newSink(t)
	c := startCollector(t, s)
	app, backend := newService(t, c, "app", w3c), newService(t, c, "backend", w3c)
	tenant := make(chan string, 1)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /items/{id}", func(w http.ResponseWriter, r *http.Request) {
		tenant <- baggage.FromContext(r.Context()).Member("tenant").Value()
		trace.SpanFromContext(r.Context()).AddEvent("found")
		io.WriteString(w, r.PathValue("id"))
	})
	srv := httptest.NewServer(otelhttp.NewHandler(mux, "items",
		otelhttp.WithTracerProvider(backend.tp), otelhttp.WithPropagators(w3c)))
	closeLater(t, srv)

	ctx, err := withBaggage(t.Context(), "tenant", "acme")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fetch(ctx, app.client(t), srv.URL+"/items/7"); err != nil {
		t.Fatalf("request: %v, want no error", err)
	}
	s.wait(t, "2 spans", func(spans []span) bool { return len(spans) >= 2 })
	c.stop(t)

	traceOf(t, s.all()).checkTree(t, `
app/Client GET
  backend/Server GET /items/{id}
`)
	if got := <-tenant; got != "acme" {
		t.Errorf("baggage member tenant = %q, want acme", got)
	}
}
