package otelhttpclient_test

import (
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/instrumented"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

func TestNilOptions(t *testing.T) {
	tel := oteltest.New(t)
	opts := instrumented.Options(tel, nil, otelhttpclient.WithTracerProvider(nil), otelhttpclient.WithMeterProvider(nil), otelhttpclient.WithPropagators(nil), otelhttpclient.WithSpanOptions(nil, nil), otelhttpclient.WithSpanOptions(), otelhttpclient.WithSpanNameFormatter(nil), otelhttpclient.WithClientTrace(nil), otelhttpclient.WithKnownMethods(), otelhttpclient.WithErrorCheck(nil), otelhttpclient.WithOptInAttributes(), otelhttpclient.WithOptInMetrics(), otelhttpclient.WithRequestHook(nil), otelhttpclient.WithResponseHook(nil), otelhttpclient.WithURLFilter(nil), otelhttpclient.WithSensitiveQuery(), otelhttpclient.WithFilter(nil), otelhttpclient.WithFilter(otelhttpclient.ExcludeURLs(nil)), otelhttpclient.WithRequestHeaders(), otelhttpclient.WithResponseHeaders(), otelhttpclient.WithSensitiveHeaders(), otelhttpclient.WithURLTemplate(nil), otelhttpclient.WithAttributes(nil))
	var sent string
	rt := otelhttpclient.NewTransport(oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		sent = req.Header.Get("Traceparent")
		return oteltest.Reply(req, http.StatusNotFound, io.NopCloser(strings.NewReader("none"))), nil
	}), opts...)
	oteltest.MustSend(t, rt, oteltest.NewRequest(t, t.Context(), http.MethodGet, "http://u:p@inventory.example/items?sig=1&a=b", nil))

	span := tel.OnlySpan()
	if want := oteltest.Traceparent(span.SpanContext); sent != want {
		t.Errorf("traceparent = %q, want %q", sent, want)
	}
	want := map[attribute.Key]attribute.Value{
		"http.request.method":       attribute.StringValue("GET"),
		"server.address":            attribute.StringValue("inventory.example"),
		"server.port":               attribute.IntValue(80),
		"url.full":                  attribute.StringValue("http://REDACTED:REDACTED@inventory.example/items?sig=REDACTED&a=b"),
		"http.response.status_code": attribute.IntValue(404),
		"error.type":                attribute.StringValue("404"),
		"network.protocol.version":  attribute.StringValue("1.1"),
	}
	if got := oteltest.Attributes(span.Attributes); !maps.Equal(got, want) || span.Name != "GET" || span.Status.Code != codes.Error {
		t.Errorf("span %q %v\n got %v\nwant %v", span.Name, span.Status, got, want)
	}
	if _, ok := tel.Metric("http.client.request.duration"); !ok {
		t.Error("http.client.request.duration is missing")
	}
}
