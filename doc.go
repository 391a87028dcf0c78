// Package otelhttpclient traces outgoing HTTP requests with OpenTelemetry.
//
// A [Transport] wraps the [http.RoundTripper] of a client, called base in this
// documentation:
//
//	client.Transport = otelhttpclient.NewTransport(client.Transport)
//
// Each request then has a CLIENT span, a child of the span in the request's
// context. The propagator injects the span's context into the request's headers.
// Names and values are those of OpenTelemetry's semantic conventions for HTTP
// clients.
//
// # Set-up
//
// Spans and metrics are recorded once the program has installed an SDK, before
// or after creating the Transport:
//
//	otel.SetTracerProvider(...)
//	otel.SetMeterProvider(...)
//	otel.SetTextMapPropagator(propagation.TraceContext{})
//
// Without a propagator no headers are injected. They can also be set for one
// Transport: [WithTracerProvider], [WithMeterProvider], [WithPropagators].
//
// Pass the caller's context to each request, with [http.NewRequestWithContext].
// Otherwise, the request starts a new trace.
//
// # Closing bodies
//
// A span ends when the response body is read to its end or closed, so close
// every body. If a body is never closed, its span ends when the garbage
// collector finds the body, and has the attribute
// otelhttpclient.response.body.abandoned. For long-lived streams see
// [EndOnHeaders].
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
//   - errors: [WithErrorCheck] for responses, [WithFailureCheck] for errors
//   - connections: [WithConnectionTimings], [WithClientTrace]
//   - more attributes and metrics: [WithAttributes], [WithOptInAttributes],
//     [WithOptInMetrics]
//
// The request's context configures a request: [ContextWithoutTracing],
// [ContextWithPropagationOnly], [ContextWithURLTemplate],
// [ContextWithAttributes], [ContextWithRetries].
//
// [InstrumentClient] instruments a client, and [InstrumentDefault] the default
// transport. Importing package auto instruments the default transport at
// start-up.
//
// # Environment variables
//
// Each is a comma-separated list, read when a Transport is created. Invalid
// entries are reported to [otel.Handle] and ignored.
//   - OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS: methods, as for
//     [WithKnownMethods], which takes precedence.
//   - OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_CLIENT_REQUEST and
//     OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_CLIENT_RESPONSE: headers, in
//     addition to those of [WithRequestHeaders] and [WithResponseHeaders].
//   - OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SANITIZE_FIELDS: sensitive headers,
//     in addition to the default ones or to those of [WithSensitiveHeaders].
//   - OTEL_GO_EXCLUDED_URLS: regular expressions of URLs that are not traced, as
//     for [ParseExcludedURLs], in addition to those of [WithFilter].
//   - OTEL_SEMCONV_STABILITY_OPT_IN: with http/dup, spans and metrics also have
//     the names from before the stable conventions, such as http.url and
//     http.client.duration.
//
// In the lists of headers, an entry is a name or a regular expression that
// matches whole names regardless of case, as in OpenTelemetry for Python: x-.*
// corresponds to x-* in [WithRequestHeaders]. An entry such as x-*, whose star
// repeats one character, is invalid. An invalid entry of SANITIZE_FIELDS hides
// the values of all captured headers.
//
// # Metrics
//
// http.client.request.duration, a histogram in seconds, and the counter
// otelhttpclient.response.body.abandoned are always recorded. Metrics include
// unsampled requests. See [Metric] for those that are opt-in.
//
// # Redaction
//
// Credentials are recorded as REDACTED in URLs, captured headers, error texts
// and reports to [otel.Handle]: user names and passwords in URLs, the values of
// sensitive parameters and headers, credentials of a known format, and paths of
// webhooks. E-mail addresses, digests, paging tokens and ordinary prose are not
// changed. docs/redaction.md in the repository lists everything.
// Application-specific secrets need a [URLFilter], such as [RedactPath], or
// [WithSensitiveQuery] and [WithSensitiveHeaders].
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
// Use a small, fixed set of values. A request that the caller cancels is not an
// error.
//
// # Guarantees
//
// Requests are not modified, and responses and errors are returned unchanged.
// Failures in telemetry, including panics in hooks, are reported to
// [otel.Handle] and do not affect the request. Every span ends exactly once.
package otelhttpclient

// ScopeName is the name of the instrumentation scope of all spans and metrics.
const ScopeName = "github.com/otelhttpclient/otelhttpclient"

// Version is the version of this library, as spans and metrics carry it.
const Version = "0.1.0"
