package otelhttpclient_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelhttpclient/otelhttpclient"
)

// traceHandler adds the IDs of the span in the context to each record.
type traceHandler struct{ slog.Handler }

func (h traceHandler) Handle(ctx context.Context, record slog.Record) error {
	if span := trace.SpanContextFromContext(ctx); span.IsValid() {
		record.AddAttrs(slog.String("trace_id", span.TraceID().String()), slog.String("span_id", span.SpanID().String()))
	}
	return h.Handler.Handle(ctx, record)
}

// Without these two methods, loggers from logger.With and logger.WithGroup add no IDs.
func (h traceHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return traceHandler{h.Handler.WithAttrs(attrs)}
}
func (h traceHandler) WithGroup(name string) slog.Handler {
	return traceHandler{h.Handler.WithGroup(name)}
}

// A response hook logs why a request failed, with the IDs of its span. base's
// error has no URL; the error of http.Client has one, including its secrets. The
// hook also runs for errors that WithFailureCheck excludes: test for them, too.
func ExampleWithResponseHook_slog() {
	exporter := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter))
	var lines strings.Builder // os.Stderr in a program
	logger := slog.New(traceHandler{slog.NewTextHandler(&lines, &slog.HandlerOptions{ReplaceAttr: withoutTime})}).With("service", "shop")

	logFailure := func(_ trace.Span, req *http.Request, resp *http.Response, err error) {
		switch {
		case errors.Is(err, context.Canceled): // by the caller: no failure
		case err != nil:
			logger.ErrorContext(req.Context(), "request failed", "method", req.Method, "host", req.URL.Host, "error", err)
		case resp.StatusCode >= 500:
			logger.ErrorContext(req.Context(), "request failed", "method", req.Method, "host", req.URL.Host, "status", resp.StatusCode)
		}
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/overloaded":
			w.WriteHeader(http.StatusServiceUnavailable)
		case "/crash":
			panic(http.ErrAbortHandler) // closes the connection
		}
	}))
	defer server.Close()
	client := server.Client()
	client.Transport = otelhttpclient.NewTransport(client.Transport,
		otelhttpclient.WithTracerProvider(provider), otelhttpclient.WithResponseHook(logFailure))

	for _, path := range []string{"/fine", "/overloaded", "/crash"} {
		if resp, err := client.Get("http://example.com" + path + "?sig=secret"); err == nil {
			resp.Body.Close()
		}
	}

	text := lines.String()
	for i, span := range exporter.GetSpans() { // the IDs are random
		text = strings.ReplaceAll(text, span.SpanContext.TraceID().String(), fmt.Sprintf("<trace ID of span %d>", i))
		text = strings.ReplaceAll(text, span.SpanContext.SpanID().String(), fmt.Sprintf("<span ID of span %d>", i))
	}
	fmt.Print(text)
	// Output:
	// level=ERROR msg="request failed" service=shop method=GET host=example.com status=503 trace_id=<trace ID of span 1> span_id=<span ID of span 1>
	// level=ERROR msg="request failed" service=shop method=GET host=example.com error=EOF trace_id=<trace ID of span 2> span_id=<span ID of span 2>
}

// withoutTime leaves out the time, which varies.
func withoutTime(_ []string, attr slog.Attr) slog.Attr {
	if attr.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return attr
}
