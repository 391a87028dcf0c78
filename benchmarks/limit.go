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

// newLimit is the least that a client span can cost with this SDK: the calls into OpenTelemetry that
// no instrumentation can do without, written by hand around the transport, and nothing else. It has:
//
//   - Tracer.Start, with kind CLIENT and the attributes that samplers have to see: method, server
//     address and port, and the URL, which is put together for each request;
//   - the copy of the request and of its headers that a RoundTripper has to make before it sets one,
//     and Inject into it;
//   - SetAttributes for the response: status code and protocol version, if the span is recording;
//   - End, after the body was read. As it does the reading itself, it has no need to wrap the body.
//
// It does not have what an instrumentation for everybody needs on top: redaction of the URL, unknown
// methods, the peer's address, errors and their classification, cancellation, panics, the span's end
// by a body that is read, closed or abandoned elsewhere, hooks, filters, and metrics. It has no
// number without an SDK, where the least is to do nothing.
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
