package main

import (
	"net"
	"net/http"
	"strconv"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// newLimit returns the minimal exchange with a client span: only the OpenTelemetry calls that every
// instrumentation needs, written by hand around the transport. It includes:
//
//   - Tracer.Start, with kind CLIENT and the attributes for samplers: method, server address and port,
//     and the URL, built for each request;
//   - a copy of the request and its headers, as a RoundTripper must not modify the original, and Inject
//     into the copy;
//   - SetAttributes for the response, if the span is recording: status code and protocol version;
//   - End after the body is read. It reads the body itself, so it does not wrap it.
//
// It omits what a general instrumentation also needs: redaction of the URL, unknown methods, the peer's
// address, errors and their classification, cancellation, panics, ending the span when the caller reads,
// closes or abandons the body, hooks, filters, and metrics. It has no value without an SDK, where the
// minimum is no work.
func newLimit(c conditions, base http.RoundTripper) exchange {
	if c.tracers == nil || c.meters != nil || c.extras {
		return nil
	}
	tracer := c.tracers.Tracer("limit")
	return func(req *http.Request, buf []byte) error {
		host, port := req.URL.Host, 443
		if h, p, err := net.SplitHostPort(host); err == nil {
			host = h
			port, _ = strconv.Atoi(p)
		}
		ctx, span := tracer.Start(req.Context(), req.Method,
			trace.WithSpanKind(trace.SpanKindClient),
			trace.WithAttributes(
				semconv.HTTPRequestMethodKey.String(req.Method),
				semconv.ServerAddress(host),
				semconv.ServerPort(port),
				semconv.URLFull(req.URL.String()),
			),
		)
		req = req.WithContext(ctx)
		req.Header = req.Header.Clone()
		c.propagator.Inject(ctx, propagation.HeaderCarrier(req.Header))

		resp, err := base.RoundTrip(req)
		if err != nil {
			span.End()
			return err
		}
		if span.IsRecording() {
			span.SetAttributes(
				semconv.HTTPResponseStatusCode(resp.StatusCode),
				attribute.String("network.protocol.version", "1.1"),
			)
		}
		err = drain(resp, buf)
		span.End()
		return err
	}
}
