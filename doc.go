// Package otelhttpclient traces outgoing HTTP requests with OpenTelemetry.
//
// A [Transport] wraps the [http.RoundTripper] of a client:
//
//	client.Transport = otelhttpclient.NewTransport(client.Transport)
//
// Each request then has a CLIENT span, a child of the span in the request's
// context; carries the span's context to the service that it calls, in the
// headers that the global propagator writes; and is measured in the histogram
// http.client.request.duration. Names and values are those of OpenTelemetry's
// conventions for HTTP clients.
//
// # What can be controlled
//
// For a Transport, by options: hooks ([WithRequestHook], [WithResponseHook]),
// what is recorded of URLs ([WithURLFilter]) and headers
// ([WithRequestHeaders]), which requests are traced ([WithFilter]), where
// context is propagated to ([WithPropagationTargets]), span names of low
// cardinality ([WithURLTemplate]), what the connection did
// ([WithConnectionTimings]), and when a span ends ([WithSpanEnd]).
//
// For a request, through its context: [ContextWithoutTracing],
// [ContextWithURLTemplate], [ContextWithAttributes] and [ContextWithRetries].
//
// For a client and for the whole process: [InstrumentClient] and
// [InstrumentDefault].
//
// # What is promised
//
// The program does not notice: requests are not modified, responses and errors
// come back as they are, and what goes wrong in telemetry, a panic in a hook
// included, goes to the error handler of OpenTelemetry ([otel.Handle]) and
// nowhere else. Credentials in URLs and in captured headers are recorded as
// REDACTED. Every span ends, once.
package otelhttpclient
