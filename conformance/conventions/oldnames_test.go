package conventions

import (
	"io"
	"math"
	"net/http"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/instrumented"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

// secondAttempt uploads twice with the present environment. It returns the
// attributes of the second span, and the SDK of the second request.
func secondAttempt(t *testing.T, w *oteltest.Server) (span []attribute.KeyValue, tel *oteltest.SDK) {
	t.Helper()
	ctx := otelhttpclient.ContextWithRetries(t.Context())
	for range 2 {
		tel = oteltest.New(t)
		req := oteltest.NewRequest(t, ctx, "POST", w.URL+"/?sig=abc", strings.NewReader("hello"))
		req.Header.Set("User-Agent", "shop/1")
		oteltest.MustSend(t, instrumented.Transport(tel, w.Base), req)
	}
	return tel.OnlySpan().Attributes, tel
}

func oldNamesServer(t *testing.T, version string) *oteltest.Server {
	return oteltest.NewServer(t, version, func(rw http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		rw.Header().Set("Content-Length", "4")
		_, _ = io.WriteString(rw, "fine")
	})
}

var stableKeys = []string{"http.request.method", "server.address", "server.port", "url.full", "http.request.resend_count",
	"http.response.status_code", "network.protocol.version", "network.peer.address", "network.peer.port"}

func TestOldNames(t *testing.T) {
	for _, variable := range []string{"http/dup", "http,http/dup", "http/dup,http", "database, http/dup"} {
		oteltest.OnBothVersions(t, func(t *testing.T, version string) {
			t.Setenv("OTEL_SEMCONV_STABILITY_OPT_IN", variable)
			w := oldNamesServer(t, version)
			span, tel := secondAttempt(t, w)
			flavor := map[string]string{"1.1": "1.1", "2": "2.0"}[version]
			old := map[attribute.Key]any{
				"http.method": "POST", "http.url": w.URL + "/?sig=REDACTED", "http.status_code": 200, "http.resend_count": 1,
				"net.peer.name": w.Host(), "net.peer.port": w.Port(), "net.sock.peer.addr": w.Host(), "net.sock.peer.port": w.Port(),
				"http.flavor": flavor, "http.user_agent": "shop/1",
				"http.request_content_length": 5, "http.response_content_length": 4,
			}
			keys := append([]string{}, stableKeys...)
			for key, want := range old {
				keys = append(keys, string(key))
				oteltest.WantAttribute(t, span, key, want)
			}
			oteltest.WantKeys(t, "span with "+variable, span, keys...)

			m, ok := tel.Metric("http.client.duration")
			if !ok || m.Unit != "ms" || m.Description == "" {
				t.Errorf("http.client.duration: got %v, unit %q, description %q, want it in ms, described", ok, m.Unit, m.Description)
			}
			milliseconds, seconds := tel.Seconds("http.client.duration"), tel.Seconds("http.client.request.duration")
			if milliseconds.Count != 1 || math.Abs(milliseconds.Sum-seconds.Sum*1000) > 1e-6 {
				t.Errorf("http.client.duration: got %d of %v ms, want 1 of %v s", milliseconds.Count, milliseconds.Sum, seconds.Sum)
			}
			point := milliseconds.Attributes.ToSlice()
			oteltest.WantKeys(t, "http.client.duration", point, "http.method", "http.status_code", "net.peer.name", "net.peer.port", "http.flavor")
			for _, kv := range point {
				oteltest.WantAttribute(t, point, kv.Key, old[kv.Key])
			}
			oteltest.WantKeys(t, "duration", seconds.Attributes.ToSlice(), "http.request.method", "server.address", "server.port",
				"http.response.status_code", "network.protocol.version")
		})
	}
}

func TestNoOldNamesByDefault(t *testing.T) {
	for _, variable := range []string{"", "http", "database/dup", "http/duplicate"} {
		t.Run(variable, func(t *testing.T) {
			t.Setenv("OTEL_SEMCONV_STABILITY_OPT_IN", variable)
			span, tel := secondAttempt(t, oldNamesServer(t, "1.1"))
			oteltest.WantKeys(t, "span", span, stableKeys...)
			if got := tel.MetricNames(); got["http.client.duration"] || !got["http.client.request.duration"] {
				t.Errorf("metrics = %v, want http.client.request.duration without its old name", got)
			}
		})
	}
}
