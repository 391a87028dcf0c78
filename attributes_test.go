package otelhttpclient_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/instrumented"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

// Opt-in attributes and metrics are recorded if they are requested, and only
// then.
func TestOptIn(t *testing.T) {
	keys := []attribute.Key{"url.scheme", "user_agent.original", "network.transport", "http.request.body.size", "http.response.body.size"}
	metrics := []otelhttpclient.Metric{
		otelhttpclient.MetricRequestBodySize, otelhttpclient.MetricResponseBodySize, otelhttpclient.MetricActiveRequests,
		otelhttpclient.MetricOpenConnections,
	}
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		for _, on := range []bool{false, true} {
			t.Run(fmt.Sprint("asked for ", on), func(t *testing.T) {
				server := oteltest.NewServer(t, version, func(w http.ResponseWriter, r *http.Request) {
					_, _ = io.Copy(io.Discard, r.Body)
					_, _ = io.WriteString(w, "fine")
				})
				tel := oteltest.New(t)
				var options []otelhttpclient.Option
				if on {
					for _, key := range keys { // repeated options accumulate
						options = append(options, otelhttpclient.WithOptInAttributes(key))
					}
					for _, m := range metrics {
						options = append(options, otelhttpclient.WithOptInMetrics(m))
					}
				}
				client := &http.Client{Transport: instrumented.Transport(tel, server.Client().Transport, options...)}
				req := oteltest.NewRequest(t, t.Context(), http.MethodPost, server.URL, strings.NewReader("how are you?"))
				req.Header.Set("User-Agent", "test/1")
				resp, err := client.Do(req)
				if err != nil {
					t.Fatalf("Do = %v, want no error", err)
				}
				oteltest.Discard(resp)

				scheme, _, _ := strings.Cut(server.URL, ":")
				want := map[attribute.Key]any{
					"url.scheme": scheme, "user_agent.original": "test/1", "network.transport": "tcp",
					"http.request.body.size": int64(12), "http.response.body.size": int64(4),
				}
				a := oteltest.Attributes(tel.OnlySpan().Attributes)
				for _, key := range keys {
					got, ok := a[key]
					if ok != on || on && got.AsInterface() != want[key] {
						t.Errorf("%s, requested %v: got %v (%v), want %v", key, on, got.AsInterface(), ok, want[key])
					}
				}
				for _, name := range metrics {
					m, ok := tel.Metric(string(name))
					if ok != on {
						t.Errorf("%s, requested %v: recorded %v", name, on, ok)
					}
					if sum, isSum := m.Data.(metricdata.Sum[int64]); isSum && name == otelhttpclient.MetricActiveRequests && sum.DataPoints[0].Value != 0 {
						t.Errorf("%s when all is over: got %d, want 0", name, sum.DataPoints[0].Value)
					}
					if h, isHistogram := m.Data.(metricdata.Histogram[int64]); isHistogram {
						wantSum := map[otelhttpclient.Metric]int64{otelhttpclient.MetricRequestBodySize: 12, otelhttpclient.MetricResponseBodySize: 4}[name]
						if got := h.DataPoints[0].Sum; got != wantSum {
							t.Errorf("%s: got a sum of %d, want %d", name, got, wantSum)
						}
					}
				}
			})
		}
	})
}

func TestUnknownOptIn(t *testing.T) {
	errs := oteltest.HandleErrors(t)
	otelhttpclient.NewTransport(nil, otelhttpclient.WithOptInAttributes("url.path"), otelhttpclient.WithOptInMetrics("http.client.joy"))
	got := strings.Join(errs.Texts(), "\n")
	for _, want := range []string{"WithOptInAttributes", `"url.path"`, "WithOptInMetrics", `"http.client.joy"`} {
		if !strings.Contains(got, want) {
			t.Errorf("handled errors: got %q, want them to have %q", got, want)
		}
	}
}
