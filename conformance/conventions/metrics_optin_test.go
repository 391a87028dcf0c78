package conventions

import (
	"net/http"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/instrumented"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

// url.template is required on sizes and active requests if it is available.
// url.scheme is Opt-In there and on the metrics of connections, which have the
// Opt-In network.peer.address, too.
func TestOptInMetricAttributes(t *testing.T) {
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		for _, on := range []bool{false, true} {
			server := oteltest.NewServer(t, version, oteltest.Handler(http.StatusOK, "fine"))
			tel := oteltest.New(t)
			options := []otelhttpclient.Option{instrumented.AllMetrics()}
			if on {
				options = append(options, otelhttpclient.WithOptInAttributes("url.scheme", "network.peer.address"))
			}
			ctx := otelhttpclient.ContextWithURLTemplate(t.Context(), "/items/{sku}")
			oteltest.Get(t, ctx, instrumented.Transport(tel, server.Base, options...), server.URL+"/items/1")

			scheme, peer := any(nil), any(nil)
			if on {
				scheme, peer = map[string]any{"1.1": "http", "2": "https"}[version], server.Host()
			}
			for name, connection := range map[string]bool{
				"http.client.request.body.size": false, "http.client.response.body.size": false, "http.client.active_requests": false,
				"http.client.open_connections": true,
			} {
				for _, a := range pointAttributes(t, tel, name) {
					oteltest.WantAttribute(t, a, "url.scheme", scheme)
					if connection {
						oteltest.WantAttribute(t, a, "network.peer.address", peer)
					} else {
						oteltest.WantAttribute(t, a, "url.template", "/items/{sku}")
						oteltest.WantAttribute(t, a, "network.peer.address", nil)
					}
				}
			}
			oteltest.WantAttribute(t, tel.DurationAttributes(), "url.template", nil)
		}
	})
}

// pointAttributes returns the attributes of each data point, of which there is at
// least one.
func pointAttributes(t *testing.T, tel *oteltest.SDK, name string) (all [][]attribute.KeyValue) {
	t.Helper()
	m, _ := tel.Metric(name)
	switch data := m.Data.(type) {
	case metricdata.Histogram[int64]:
		for _, p := range data.DataPoints {
			all = append(all, p.Attributes.ToSlice())
		}
	case metricdata.Sum[int64]:
		for _, p := range data.DataPoints {
			all = append(all, p.Attributes.ToSlice())
		}
	}
	if len(all) == 0 {
		t.Errorf("%s: got no data points, want some", name)
	}
	return all
}

// net/http's default User-Agent is recorded as it is sent.
func TestDefaultUserAgent(t *testing.T) {
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		var received string
		server := oteltest.NewServer(t, version, func(_ http.ResponseWriter, r *http.Request) { received = r.UserAgent() })
		for agent, want := range map[string]any{"own/1": "own/1", "default": nil, "none": nil} {
			tel := oteltest.New(t)
			req := oteltest.NewRequest(t, t.Context(), "GET", server.URL, nil)
			switch agent {
			case "own/1":
				req.Header.Set("User-Agent", agent)
			case "none":
				req.Header.Set("User-Agent", "")
			}
			oteltest.MustSend(t, instrumented.Transport(tel, server.Base, otelhttpclient.WithOptInAttributes("user_agent.original")), req)
			if agent == "default" {
				want = received
			}
			oteltest.WantAttribute(t, tel.OnlySpan().Attributes, "user_agent.original", want)
		}
	})
}
