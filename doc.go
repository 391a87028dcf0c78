// Package otelhttpclient traces outgoing HTTP requests with OpenTelemetry.
//
// A [Transport] wraps the [http.RoundTripper] of a client, called base:
//
//	client.Transport = otelhttpclient.NewTransport(client.Transport)
//
// Each request then has a CLIENT span, a child of the span in the request's
// context. The propagator injects the span's context into the request's headers.
// The histogram http.client.request.duration measures the request. Names and
// values are those of OpenTelemetry's semantic conventions for HTTP clients.
//
// # Configuration
//
// Options configure a Transport:
//   - hooks: [WithRequestHook], [WithResponseHook]
//   - recorded URLs: [WithURLFilter], [WithSensitiveQuery]
//   - recorded headers: [WithRequestHeaders], [WithResponseHeaders],
//     [WithSensitiveHeaders]
//   - traced requests: [WithFilter]
//   - propagation: [WithPropagators], [WithPropagationTargets]
//   - span names: [WithURLTemplate], [WithSpanNameFormatter]
//   - the end of spans: [WithSpanEnd]
//   - errors: [WithErrorCheck]
//   - connections: [WithConnectionTimings], [WithClientTrace]
//   - more attributes and metrics: [WithAttributes], [WithOptInAttributes],
//     [WithOptInMetrics]
//
// The request's context configures a request: [ContextWithoutTracing],
// [ContextWithPropagationOnly], [ContextWithURLTemplate],
// [ContextWithAttributes], [ContextWithRetries].
//
// [InstrumentClient] instruments a client, and [InstrumentDefault] the whole
// process. Importing the package auto does the latter at start-up.
//
// # Environment variables
//
// Each is a comma-separated list, read when a Transport is created. What cannot be
// used is reported to [otel.Handle] and ignored.
//   - OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS: methods, as for
//     [WithKnownMethods], which takes precedence.
//   - OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_CLIENT_REQUEST and
//     OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_CLIENT_RESPONSE: patterns, in
//     addition to those of [WithRequestHeaders] and [WithResponseHeaders].
//   - OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SANITIZE_FIELDS: patterns of
//     sensitive headers, in addition to the default ones or to those of
//     [WithSensitiveHeaders].
//   - OTEL_GO_EXCLUDED_URLS: regular expressions of URLs that are not traced, as
//     for [ParseExcludedURLs], in addition to those of [WithFilter].
//   - OTEL_SEMCONV_STABILITY_OPT_IN: with http/dup, spans and metrics also have
//     the names from before the stable conventions, such as http.url and
//     http.client.duration.
//
// # Errors
//
// The attribute error.type of a request that fails without an error response is
// timeout, name_resolution_error, secure_connection_error, connection_error,
// response_ended, http_protocol_error, proxy_tunnel_error, or else the type of
// the innermost error. An error, or one that it wraps, can set its own value
// with a method
//
//	ErrorType() string
//
// The value must be one of few. A request that the caller cancels is not an
// error.
//
// # Guarantees
//
// Requests are not modified, and responses and errors are returned unchanged.
// What fails in telemetry, including a panic in a hook, is reported to
// [otel.Handle] and does not affect the request. Credentials in URLs, captured
// headers and error texts are recorded as REDACTED. Every span ends exactly once.
package otelhttpclient
