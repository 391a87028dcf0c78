package otlptest

import (
	"bytes"
	"context"
	"reflect"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
)

// What otlptracegrpc exports arrives, all fields of Span included.
func TestStart(t *testing.T) {
	var mu sync.Mutex
	var got []Span
	addr := Start(t, func(span Span) {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, span)
	})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	exporter, err := otlptracegrpc.New(ctx, otlptracegrpc.WithEndpoint(addr), otlptracegrpc.WithInsecure())
	if err != nil {
		t.Fatalf("otlptracegrpc.New() = %v, want no error", err)
	}
	ids := func(span byte) trace.SpanContext {
		return trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{7, 15: 9}, SpanID: trace.SpanID{span}, TraceFlags: trace.FlagsSampled})
	}
	stub := tracetest.SpanStub{
		Name: "GET /Ä", SpanContext: ids(1), Parent: ids(2), SpanKind: trace.SpanKindClient,
		StartTime: time.Unix(0, 1<<60), EndTime: time.Unix(0, 1<<60+3),
		Attributes: []attribute.KeyValue{
			attribute.String("text", "a"), attribute.String("empty", ""), attribute.Int("negative", -3), attribute.Bool("yes", true),
			attribute.Float64("half", 0.5),
		},
		Resource:             resource.NewSchemaless(attribute.String("service.name", "gateway")),
		InstrumentationScope: instrumentation.Scope{Name: "scope", Version: "v1", SchemaURL: "https://schema"},
	}
	stub.Status.Code, stub.Status.Description = codes.Error, "broken"
	if err := exporter.ExportSpans(ctx, tracetest.SpanStubs{stub}.Snapshots()); err != nil {
		t.Fatalf("ExportSpans() = %v, want nil", err)
	}
	if err := exporter.Shutdown(ctx); err != nil {
		t.Fatalf("Shutdown() = %v, want nil", err)
	}
	mu.Lock()
	defer mu.Unlock()
	want := []Span{{
		Resource: map[string]any{"service.name": "gateway"},
		Scope:    "scope", ScopeVersion: "v1", ScopeSchemaURL: "https://schema",
		TraceID: trace.TraceID{7, 15: 9}, SpanID: trace.SpanID{1}, ParentID: trace.SpanID{2},
		Name: "GET /Ä", Kind: trace.SpanKindClient, StartUnixNano: 1 << 60, EndUnixNano: 1<<60 + 3,
		Attributes:    map[string]any{"text": "a", "empty": "", "negative": int64(-3), "yes": true, "half": 0.5},
		StatusCode:    StatusError,
		StatusMessage: "broken",
	}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("received:\ngot  %+v\nwant %+v", got, want)
	}
}

// A request that is cut off is an error, and no shorter list of spans.
func TestDecodeMalformed(t *testing.T) {
	for _, row := range []struct {
		reason string
		bytes  []byte
	}{
		{"length beyond the message", []byte{1<<3 | lengths, 5, 0}},
		{"tag that does not end", []byte{0x80}},
		{"number that does not end", []byte{1<<3 | varint, 0xff}},
		{"number of more than 64 bits", append([]byte{1<<3 | varint}, bytes.Repeat([]byte{0xff}, 11)...)},
		{"half a fixed number", []byte{1<<3 | fixed64, 0, 0}},
		{"group, which is obsolete", []byte{1<<3 | 3}},
	} {
		if spans, err := decode(row.bytes); err == nil {
			t.Errorf("%s: got %v, want an error", row.reason, spans)
		}
	}
	if spans, err := decode(nil); err != nil || len(spans) != 0 {
		t.Errorf("empty request: got %v, %v; want no spans", spans, err)
	}
}
