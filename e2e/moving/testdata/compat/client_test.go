package program

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"ORIGINAL/otelhttp"
)

var _ http.RoundTripper = (*otelhttp.Transport)(nil)

func TestClient(t *testing.T) {
	var traced int
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Traceparent") != "" {
			traced++
		}
	}))
	defer srv.Close()
	spans := tracetest.NewSpanRecorder()
	c := New(http.DefaultTransport, sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)),
		sdkmetric.NewMeterProvider(), propagation.TraceContext{})
	for _, path := range []string{"/items", "/ready"} {
		resp, err := (&http.Client{Transport: c}).Get(srv.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	if traced != 1 {
		t.Errorf("requests with traceparent = %d, want 1", traced)
	}
	if got := spans.Ended(); len(got) != 1 || got[0].InstrumentationScope().Name != c.Scope {
		t.Errorf("spans = %v, want one of scope %s", got, c.Scope)
	}
	c.plain()
}
