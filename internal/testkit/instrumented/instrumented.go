// Package instrumented makes Transports that report to an oteltest.SDK. It is
// apart from package oteltest because it imports the package under test.
package instrumented

import (
	"net/http"

	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

// Transport returns a Transport that reports to sdk. The further options come
// after those of Options and so override them.
func Transport(sdk *oteltest.SDK, base http.RoundTripper, extra ...otelhttpclient.Option) *otelhttpclient.Transport {
	return otelhttpclient.NewTransport(base, Options(sdk, extra...)...)
}

// Options returns the options for sdk's providers and propagators, and then
// the further ones.
func Options(sdk *oteltest.SDK, extra ...otelhttpclient.Option) []otelhttpclient.Option {
	return append([]otelhttpclient.Option{
		otelhttpclient.WithTracerProvider(sdk.Tracers),
		otelhttpclient.WithMeterProvider(sdk.Meters),
		otelhttpclient.WithPropagators(sdk.Propagators),
	}, extra...)
}

// EveryOption returns Options and, in addition, everything that looks at a
// request, at its response or at their connection.
func EveryOption(sdk *oteltest.SDK) []otelhttpclient.Option {
	templates, err := otelhttpclient.ServeMuxTemplates("/items/{sku}")
	if err != nil {
		panic(err)
	}
	excluded, err := otelhttpclient.ParseExcludedURLs("/healthz$, /ready$")
	if err != nil {
		panic(err)
	}
	return Options(sdk,
		otelhttpclient.WithRequestHook(func(span trace.Span, req *http.Request) { _ = req.Header.Get("A") }),
		otelhttpclient.WithResponseHook(func(trace.Span, *http.Request, *http.Response, error) {}),
		otelhttpclient.WithURLFilter(otelhttpclient.StripQuery),
		otelhttpclient.WithURLFilter(otelhttpclient.RedactQuery("a")),
		otelhttpclient.WithURLFilter(otelhttpclient.KeepQuery("a")),
		otelhttpclient.WithFilter(excluded),
		otelhttpclient.WithURLTemplate(templates),
		otelhttpclient.WithSpanNameFormatter(otelhttpclient.URLPathSpanName),
		otelhttpclient.WithRequestHeaders("*"),
		otelhttpclient.WithResponseHeaders("*"),
		otelhttpclient.WithPropagationTargets("inventory.example"),
		otelhttpclient.WithConnectionTimings(),
		otelhttpclient.WithOptInAttributes(semconv.URLSchemeKey, semconv.UserAgentOriginalKey, semconv.NetworkTransportKey,
			semconv.HTTPRequestBodySizeKey, semconv.HTTPResponseBodySizeKey, semconv.URLTemplateKey, semconv.NetworkPeerAddressKey),
		otelhttpclient.WithAttributes(func(r *http.Request) []attribute.KeyValue {
			return []attribute.KeyValue{attribute.String("peer.service", "inventory")}
		}),
		AllMetrics(),
	)
}

// AllMetrics returns the option for all opt-in metrics.
func AllMetrics() otelhttpclient.Option {
	return otelhttpclient.WithOptInMetrics(otelhttpclient.MetricRequestBodySize, otelhttpclient.MetricResponseBodySize,
		otelhttpclient.MetricActiveRequests, otelhttpclient.MetricOpenConnections, otelhttpclient.MetricConnectionDuration,
		otelhttpclient.MetricRequestTimeInQueue, otelhttpclient.MetricDNSLookupDuration)
}

// Attributes returns the option that adds these attributes to every request.
func Attributes(kv ...attribute.KeyValue) otelhttpclient.Option {
	return otelhttpclient.WithAttributes(func(*http.Request) []attribute.KeyValue { return kv })
}
