package otelhttpclient_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/instrumented"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
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

// server.address is the host on the wire.
func TestServerAddressOnTheWire(t *testing.T) {
	for name, c := range map[string]struct {
		req  http.Request
		want string
		port int
	}{
		"an internationalized name": {http.Request{URL: &url.URL{Scheme: "https", Host: "bücher.example"}}, "xn--bcher-kva.example", 443},
		"in the Host field":         {http.Request{Host: "bücher.example:81", URL: &url.URL{Scheme: "http", Host: "proxy.example"}}, "xn--bcher-kva.example", 81},
		"an absolute form":          {http.Request{Host: "b.example", URL: &url.URL{Scheme: "http", Host: "proxy.example", Opaque: "//a.example:8080/items"}}, "a.example", 8080},
		"an absolute form, secret":  {http.Request{URL: &url.URL{Scheme: "http", Host: "proxy.example", Opaque: "//u:p@a.example/items"}}, "a.example", 80},
		"an opaque path":            {http.Request{URL: &url.URL{Scheme: "http", Host: "b.example", Opaque: "/a%2Fb"}}, "b.example", 80},
	} {
		t.Run(name, func(t *testing.T) {
			tel := oteltest.New(t)
			c.req.Method, c.req.Header = "GET", http.Header{}
			oteltest.MustSend(t, instrumented.Transport(tel, oteltest.Answer(200)), c.req.WithContext(t.Context()))
			span := tel.OnlySpan().Attributes
			oteltest.WantAttribute(t, span, "server.address", c.want)
			oteltest.WantAttribute(t, span, "server.port", int64(c.port))
		})
	}
}
