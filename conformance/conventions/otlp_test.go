package conventions

import (
	"io"
	"maps"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/otlptest"
)

// A Collector receives the spans with all their fields.
func TestOTLPExport(t *testing.T) {
	var mu sync.Mutex
	var received []otlptest.Span
	addr := otlptest.Start(t, func(span otlptest.Span) {
		mu.Lock()
		defer mu.Unlock()
		received = append(received, span)
	})
	exporter, err := otlptracegrpc.New(t.Context(), otlptracegrpc.WithEndpoint(addr), otlptracegrpc.WithInsecure(),
		otlptracegrpc.WithTimeout(5*time.Second))
	if err != nil {
		t.Fatalf("otlptracegrpc.New() = %v, want no error", err)
	}
	tracers := sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(exporter),
		sdktrace.WithResource(resource.NewSchemaless(semconv.ServiceName("gateway"), attribute.String("deployment.environment.name", "test"))),
	)
	traceparents := make(chan string, 2)
	server := oteltest.NewServer(t, "1.1", func(w http.ResponseWriter, r *http.Request) {
		traceparents <- r.Header.Get("Traceparent")
		if r.URL.Path == "/broken" {
			w.WriteHeader(http.StatusInternalServerError)
		}
		_, _ = io.WriteString(w, "ok")
	})
	rt := otelhttpclient.NewTransport(server.Client().Transport,
		otelhttpclient.WithTracerProvider(tracers), otelhttpclient.WithPropagators(propagation.TraceContext{}))

	ctx, parent := tracers.Tracer("caller").Start(t.Context(), "caller")
	oteltest.MustSend(t, rt, oteltest.NewRequest(t, ctx, http.MethodGet, server.URL+"/items?sig=secret", nil))
	oteltest.MustSend(t, rt, oteltest.NewRequest(t, ctx, http.MethodPost, server.URL+"/broken", nil))
	parent.End()
	// This exports the remaining spans.
	if err := tracers.Shutdown(t.Context()); err != nil {
		t.Fatalf("Shutdown() = %v, want nil", err)
	}

	mu.Lock()
	defer mu.Unlock()
	spans := map[string]otlptest.Span{}
	for _, span := range received {
		if want := map[string]any{"service.name": "gateway", "deployment.environment.name": "test"}; !maps.Equal(span.Resource, want) {
			t.Errorf("resource = %v, want the provider's, %v", span.Resource, want)
		}
		if span.Scope != otelhttpclient.ScopeName {
			continue
		}
		if got := span.ScopeVersion; got != otelhttpclient.Version {
			t.Errorf("version of the scope = %q, want %q", got, otelhttpclient.Version)
		}
		if got := span.ScopeSchemaURL; got != semconv.SchemaURL {
			t.Errorf("schema URL of the scope = %q, want %q", got, semconv.SchemaURL)
		}
		spans[span.Name] = span
	}
	if len(received) != 3 {
		t.Errorf("spans = %v, want the caller's and two more", received)
	}
	if len(spans) != 2 || spans["GET"].Name == "" || spans["POST"].Name == "" {
		t.Fatalf("spans = %v, want GET and POST", spans)
	}

	host, port := "127.0.0.1", server.Listener.Addr().(*net.TCPAddr).Port
	rows := map[string]struct {
		status     otlptest.StatusCode
		attributes map[string]any
	}{
		"GET": {otlptest.StatusUnset, map[string]any{
			"http.request.method":       "GET",
			"url.full":                  server.URL + "/items?sig=REDACTED",
			"http.response.status_code": int64(200),
		}},
		"POST": {otlptest.StatusError, map[string]any{
			"http.request.method":       "POST",
			"url.full":                  server.URL + "/broken",
			"http.response.status_code": int64(500),
			"error.type":                "500",
		}},
	}
	for name, want := range rows {
		span := spans[name]
		want.attributes["server.address"] = host
		want.attributes["server.port"] = int64(port)
		want.attributes["network.peer.address"] = host
		want.attributes["network.peer.port"] = int64(port)
		want.attributes["network.protocol.version"] = "1.1"
		got := span.Attributes
		for key := range got {
			if got[key] != want.attributes[key] {
				t.Errorf("%s: %s = %#v, want %#v", name, key, got[key], want.attributes[key])
			}
		}
		if len(got) != len(want.attributes) {
			t.Errorf("%s: attributes = %v, want %v", name, got, want.attributes)
		}
		if got, want := span.Kind, trace.SpanKindClient; got != want {
			t.Errorf("%s: kind = %v, want %v", name, got, want)
		}
		if span.StatusCode != want.status || span.StatusMessage != "" {
			t.Errorf("%s: status = %v %q, want %v without a message", name, span.StatusCode, span.StatusMessage, want.status)
		}
		if got, want := span.ParentID, parent.SpanContext().SpanID(); got != want {
			t.Errorf("%s: parent = %v, want the caller's span, %v", name, got, want)
		}
		if got, want := span.TraceID, parent.SpanContext().TraceID(); got != want {
			t.Errorf("%s: trace = %v, want %v", name, got, want)
		}
		if start, end := span.StartUnixNano, span.EndUnixNano; start == 0 || end <= start {
			t.Errorf("%s: from %d to %d, want a start and a later end", name, start, end)
		}
		if n := span.Events; n != 0 {
			t.Errorf("%s: %d events, want none", name, n)
		}
	}
	for _, name := range []string{"GET", "POST"} { // in the order of the requests
		span := spans[name]
		want := oteltest.Traceparent(trace.NewSpanContext(trace.SpanContextConfig{
			TraceID: span.TraceID, SpanID: span.SpanID, TraceFlags: trace.FlagsSampled,
		}))
		if got := <-traceparents; got != want {
			t.Errorf("%s: traceparent = %q, want that of the span that arrived, %q", name, got, want)
		}
	}
}
