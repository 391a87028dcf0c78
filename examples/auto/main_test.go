package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
)

// keptSpans keeps spans beyond its shutdown, unlike tracetest's exporter.
type keptSpans struct{ spans tracetest.SpanStubs }

func (k *keptSpans) ExportSpans(_ context.Context, spans []sdktrace.ReadOnlySpan) error {
	k.spans = append(k.spans, tracetest.SpanStubsFromReadOnlySpans(spans)...)
	return nil
}

func (*keptSpans) Shutdown(context.Context) error { return nil }

func TestImportAloneTraces(t *testing.T) {
	var traceparent string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		traceparent = r.Header.Get("Traceparent")
		io.WriteString(w, "a page")
	}))
	defer server.Close()

	var exported keptSpans
	shutdown := setUp(&exported)
	var out strings.Builder
	if err := fetch(&out, server.URL+"/page"); err != nil {
		t.Fatal(err)
	}
	if err := shutdown(context.Background()); err != nil {
		t.Fatal(err)
	}

	if got, want := out.String(), "200 OK, 6 bytes\n"; got != want {
		t.Errorf("output: got %q, want %q", got, want)
	}
	if len(exported.spans) != 1 || exported.spans[0].SpanKind != trace.SpanKindClient {
		t.Fatalf("spans: got %v, want one of kind client", exported.spans)
	}
	if want := exported.spans[0].SpanContext.SpanID().String(); !strings.Contains(traceparent, want) {
		t.Errorf("traceparent: got %q, want the span %s in it", traceparent, want)
	}
}
