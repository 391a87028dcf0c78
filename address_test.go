package otelhttpclient_test

import (
	"net/url"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/oteltest"
	"github.com/otelhttpclient/otelhttpclient/internal/oteltest/instrumented"
)

func TestInvalidHost(t *testing.T) {
	for _, host := range []string{"a?b", "with space", "user:secret@h", "a/b"} {
		tel := oteltest.New(t)
		req := oteltest.NewRequest(t, t.Context(), "GET", "https://example.com/", nil)
		req.Host = host
		oteltest.MustSend(t, instrumented.Transport(tel, oteltest.Answer(200)), req)
		for _, a := range append(tel.OnlySpan().Attributes, tel.DurationAttributes()...) {
			if a.Key == "server.address" || a.Key == "server.port" {
				t.Errorf("%q: %s = %s, want none", host, a.Key, a.Value.String())
			}
		}
	}
}

func TestFilteredHost(t *testing.T) {
	_, all, tel := recordedURL(t, "http://tenant-7.inventory.example:8080/a",
		otelhttpclient.WithURLFilter(func(u *url.URL) *url.URL { u.Host = "tenant.inventory.example"; return u }))
	m, ok := tel.Metric("http.client.request.duration")
	if !ok {
		t.Fatal("http.client.request.duration is missing")
	}
	measured := oteltest.Attributes(m.Data.(metricdata.Histogram[float64]).DataPoints[0].Attributes.ToSlice())
	for where, a := range map[string]map[attribute.Key]attribute.Value{"span": all, "metric": measured} {
		if a["server.address"].String() != "tenant.inventory.example" || a["server.port"].AsInt64() != 80 {
			t.Errorf("%s: server = %q %d, want the filter's host and its port", where, a["server.address"].String(), a["server.port"].AsInt64())
		}
		for key, v := range a {
			if strings.Contains(v.String(), "tenant-7") {
				t.Errorf("%s: %s = %q, want no part of the replaced host", where, key, v.String())
			}
		}
	}
}
