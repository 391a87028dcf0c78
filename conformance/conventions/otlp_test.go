package conventions

import (
	"context"
	"encoding/hex"
	"io"
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
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

// otlpReceiver is an OTLP endpoint that keeps what it receives.
type otlpReceiver struct {
	collector.UnimplementedTraceServiceServer
	mu       sync.Mutex
	received []*tracepb.ResourceSpans
}

func (r *otlpReceiver) Export(_ context.Context, req *collector.ExportTraceServiceRequest) (*collector.ExportTraceServiceResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.received = append(r.received, req.GetResourceSpans()...)
	return &collector.ExportTraceServiceResponse{}, nil
}

// newOTLPReceiver starts a receiver on loopback.
func newOTLPReceiver(t *testing.T) (r *otlpReceiver, addr string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r = &otlpReceiver{}
	server := grpc.NewServer()
	collector.RegisterTraceServiceServer(server, r)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-served; err != nil {
			t.Errorf("Serve() = %v, want nil", err)
		}
	})
	return r, listener.Addr().String()
}

// wireAttributes returns received attributes by key, as text with their types.
func wireAttributes(kvs []*commonpb.KeyValue) map[string]string {
	m := map[string]string{}
	for _, kv := range kvs {
		m[kv.GetKey()] = kv.GetValue().String()
	}
	return m
}

func wireText(v string) string {
	return (&commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: v}}).String()
}

func wireInt(v int) string {
	return (&commonpb.AnyValue{Value: &commonpb.AnyValue_IntValue{IntValue: int64(v)}}).String()
}

// A Collector receives the spans with all their fields.
func TestOTLPExport(t *testing.T) {
	receiver, addr := newOTLPReceiver(t)
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

	receiver.mu.Lock()
	defer receiver.mu.Unlock()
	spans := map[string]*tracepb.Span{}
	for _, rs := range receiver.received {
		res := wireAttributes(rs.GetResource().GetAttributes())
		if res["service.name"] != wireText("gateway") || res["deployment.environment.name"] != wireText("test") || len(res) != 2 {
			t.Errorf("resource = %v, want the provider's", res)
		}
		for _, ss := range rs.GetScopeSpans() {
			if ss.GetScope().GetName() != otelhttpclient.ScopeName {
				continue
			}
			if got := ss.GetScope().GetVersion(); got != otelhttpclient.Version {
				t.Errorf("version of the scope = %q, want %q", got, otelhttpclient.Version)
			}
			if got := ss.GetSchemaUrl(); got != semconv.SchemaURL {
				t.Errorf("schema URL of the scope = %q, want %q", got, semconv.SchemaURL)
			}
			for _, span := range ss.GetSpans() {
				spans[span.GetName()] = span
			}
		}
	}
	if len(spans) != 2 || spans["GET"] == nil || spans["POST"] == nil {
		t.Fatalf("spans = %v, want GET and POST", spans)
	}

	host, port := "127.0.0.1", server.Listener.Addr().(*net.TCPAddr).Port
	rows := map[string]struct {
		status     tracepb.Status_StatusCode
		attributes map[string]string
	}{
		"GET": {tracepb.Status_STATUS_CODE_UNSET, map[string]string{
			"http.request.method":       wireText("GET"),
			"url.full":                  wireText(server.URL + "/items?sig=REDACTED"),
			"http.response.status_code": wireInt(200),
		}},
		"POST": {tracepb.Status_STATUS_CODE_ERROR, map[string]string{
			"http.request.method":       wireText("POST"),
			"url.full":                  wireText(server.URL + "/broken"),
			"http.response.status_code": wireInt(500),
			"error.type":                wireText("500"),
		}},
	}
	for name, want := range rows {
		span := spans[name]
		want.attributes["server.address"] = wireText(host)
		want.attributes["server.port"] = wireInt(port)
		want.attributes["network.peer.address"] = wireText(host)
		want.attributes["network.peer.port"] = wireInt(port)
		want.attributes["network.protocol.version"] = wireText("1.1")
		got := wireAttributes(span.GetAttributes())
		for key := range got {
			if got[key] != want.attributes[key] {
				t.Errorf("%s: %s = %s, want %s", name, key, got[key], want.attributes[key])
			}
		}
		if len(got) != len(want.attributes) {
			t.Errorf("%s: attributes = %v, want %v", name, got, want.attributes)
		}
		if got, want := span.GetKind(), tracepb.Span_SPAN_KIND_CLIENT; got != want {
			t.Errorf("%s: kind = %v, want %v", name, got, want)
		}
		if got := span.GetStatus(); got.GetCode() != want.status || got.GetMessage() != "" {
			t.Errorf("%s: status = %v, want %v without a message", name, got, want.status)
		}
		if got, want := hex.EncodeToString(span.GetParentSpanId()), parent.SpanContext().SpanID().String(); got != want {
			t.Errorf("%s: parent = %q, want the caller's span, %v", name, got, want)
		}
		if got, want := hex.EncodeToString(span.GetTraceId()), parent.SpanContext().TraceID().String(); got != want {
			t.Errorf("%s: trace = %v, want %v", name, got, want)
		}
		if start, end := span.GetStartTimeUnixNano(), span.GetEndTimeUnixNano(); start == 0 || end <= start {
			t.Errorf("%s: from %d to %d, want a start and a later end", name, start, end)
		}
		if n := len(span.GetEvents()); n != 0 {
			t.Errorf("%s: %d events, want none", name, n)
		}
	}
	for _, name := range []string{"GET", "POST"} { // in the order of the requests
		span := spans[name]
		want := oteltest.Traceparent(trace.NewSpanContext(trace.SpanContextConfig{
			TraceID: trace.TraceID(span.GetTraceId()), SpanID: trace.SpanID(span.GetSpanId()), TraceFlags: trace.FlagsSampled,
		}))
		if got := <-traceparents; got != want {
			t.Errorf("%s: traceparent = %q, want that of the span that arrived, %q", name, got, want)
		}
	}
}
