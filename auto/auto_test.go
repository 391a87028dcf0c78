package auto

import (
	"net/http"
	"strings"
	"testing"

	"go.opentelemetry.io/otel"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

// The import has instrumented the default transport, and a provider that is
// installed later records its requests.
func TestImportTracesTheDefault(t *testing.T) {
	server := oteltest.NewServer(t, "1.1", oteltest.Handler(http.StatusOK, "fine"))
	spans := tracetest.NewInMemoryExporter()
	otel.SetTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans)))
	resp, err := http.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	oteltest.Discard(resp)
	if got := len(spans.GetSpans()); got != 1 {
		t.Errorf("spans of http.Get: got %d, want 1", got)
	}
}

// What goes wrong is reported, and changes nothing.
func TestFailureIsReported(t *testing.T) {
	before, handled := http.DefaultTransport, oteltest.HandleErrors(t)
	instrument() // a second time
	if got := handled.Texts(); len(got) != 1 || !strings.Contains(got[0], "already instrumented") {
		t.Errorf("handled errors: got %q, want one that says why", got)
	}
	if http.DefaultTransport != before {
		t.Error("http.DefaultTransport was replaced, want it unchanged")
	}
}
