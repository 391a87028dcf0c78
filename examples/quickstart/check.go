package main

import (
	"fmt"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// strays returns a line for each SERVER span whose parent is not a CLIENT span of the same trace.
func strays(spans []sdktrace.ReadOnlySpan) []string {
	type id struct {
		trace trace.TraceID
		span  trace.SpanID
	}
	clients := make(map[id]bool)
	for _, span := range spans {
		if span.SpanKind() == trace.SpanKindClient {
			clients[id{span.SpanContext().TraceID(), span.SpanContext().SpanID()}] = true
		}
	}

	var lines []string
	for _, span := range spans {
		if span.SpanKind() != trace.SpanKindServer {
			continue
		}
		traceID, parent := span.SpanContext().TraceID(), span.Parent().SpanID()
		if clients[id{traceID, parent}] {
			continue
		}
		reason := "no parent"
		if parent.IsValid() {
			reason = fmt.Sprintf("parent %s is not a CLIENT span of this trace", parent)
		}
		lines = append(lines, fmt.Sprintf("%s: SERVER span %q (%s) in trace %s: %s",
			serviceName(span), span.Name(), span.SpanContext().SpanID(), traceID, reason))
	}
	return lines
}
