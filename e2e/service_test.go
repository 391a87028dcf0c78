package e2e

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelhttpclient/otelhttpclient"
)

// w3c is the propagator of most applications.
var w3c = propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{})

// service is an application in a trace. Services share nothing, in particular no global providers. Each has
// its own resource and receives the trace context only in headers.
type service struct {
	name        string
	tp          *sdktrace.TracerProvider
	propagators propagation.TextMapPropagator
}

// newService returns a service that exports to c; opts are applied after the exporter.
func newService(t testing.TB, c *collector, name string, p propagation.TextMapPropagator, opts ...sdktrace.TracerProviderOption) *service {
	t.Helper()
	exporter, err := otlptracegrpc.New(t.Context(),
		otlptracegrpc.WithEndpoint(c.endpoint),
		otlptracegrpc.WithInsecure(),
		otlptracegrpc.WithTimeout(patience),
	)
	if err != nil {
		t.Fatalf("exporter of service %s: %v", name, err)
	}
	tp := sdktrace.NewTracerProvider(append([]sdktrace.TracerProviderOption{
		sdktrace.WithBatcher(exporter, sdktrace.WithBatchTimeout(50*time.Millisecond)),
		sdktrace.WithResource(serviceResource(name)),
	}, opts...)...)
	shutdownLater(t, tp)
	return &service{name: name, tp: tp, propagators: p}
}

func serviceResource(name string) *resource.Resource {
	return resource.NewSchemaless(
		attribute.String("service.name", name),
		attribute.String("service.version", "1.2.3"),
	)
}

// client returns an HTTP client with its own connections, traced with the service's provider.
func (s *service) client(t testing.TB, opts ...otelhttpclient.Option) *http.Client {
	t.Helper()
	return &http.Client{
		Transport: otelhttpclient.NewTransport(newBase(t), append([]otelhttpclient.Option{
			otelhttpclient.WithTracerProvider(s.tp),
			otelhttpclient.WithPropagators(s.propagators),
		}, opts...)...),
		Timeout: patience,
	}
}

// listen serves h on loopback. Each request has a SERVER span that continues the caller's trace.
func (s *service) listen(t testing.TB, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	tracer := s.tp.Tracer("e2e/" + s.name)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := s.propagators.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
		ctx, span := tracer.Start(ctx, r.Method+" "+r.URL.Path, trace.WithSpanKind(trace.SpanKindServer))
		defer span.End()
		h(w, r.WithContext(ctx))
	}))
	closeLater(t, srv)
	return srv
}

// flush returns when the Collector has accepted all ended spans of the services.
func flush(t testing.TB, services ...*service) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for _, s := range services {
		if err := s.tp.ForceFlush(ctx); err != nil {
			t.Errorf("service %s: flush: %v, want no error", s.name, err)
		}
	}
}

// shutdownLater shuts tp down at the end of the test. It ignores the error, because the Collector may be
// stopped by then; tests that check delivery call flush.
func shutdownLater(t testing.TB, tp *sdktrace.TracerProvider) {
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		_ = tp.Shutdown(ctx)
	})
}

// newBase returns a transport with its own connections.
func newBase(t testing.TB) *http.Transport {
	base := http.DefaultTransport.(*http.Transport).Clone()
	base.Proxy = nil // ignore the environment
	t.Cleanup(base.CloseIdleConnections)
	return base
}

// httptestServer serves h on loopback, untraced.
func httptestServer(t testing.TB, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	srv := httptest.NewServer(h)
	closeLater(t, srv)
	return srv
}

// closeLater closes srv at the end of the test. It closes connections first, because Close would wait
// forever for the open request of a failed test.
func closeLater(t testing.TB, srv *httptest.Server) {
	t.Cleanup(func() {
		srv.CloseClientConnections()
		srv.Close()
	})
}

// waitFor polls until ok returns true, for conditions without a notification.
func waitFor(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("no %s within %v", what, patience)
		}
	}
}
