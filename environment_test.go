package otelhttpclient_test

import (
	"net/http"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/oteltest"
	"github.com/otelhttpclient/otelhttpclient/internal/oteltest/instrumented"
)

const capture = "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_"

// The lists of headers in the environment add to those of the options.
func TestHeadersFromEnvironment(t *testing.T) {
	t.Setenv(capture+"CLIENT_REQUEST", " X-Tenant ,, x-plan-*,[")
	t.Setenv(capture+"CLIENT_RESPONSE", "server-timing")
	t.Setenv(capture+"SANITIZE_FIELDS", "x-tenant,[")
	handled := oteltest.HandleErrors(t)
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		server := oteltest.NewServer(t, version, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Server-Timing", "db;dur=1")
			w.Header().Set("X-Trace", "1")
		})
		tel := oteltest.New(t)
		rt := instrumented.Transport(tel, server.Base, otelhttpclient.WithRequestHeaders("x-own", "authorization"), otelhttpclient.WithResponseHeaders("x-trace"))
		req := oteltest.NewRequest(t, t.Context(), "GET", server.URL, nil)
		for name, value := range map[string]string{"X-Tenant": "blue", "X-Plan-Name": "gold", "X-Own": "mine", "X-Other": "no", "Authorization": "Bearer abc"} {
			req.Header.Set(name, value)
		}
		oteltest.MustSend(t, rt, req)
		span := tel.OnlySpan().Attributes
		for name, want := range map[string]any{
			"request.header.x-tenant": []string{"REDACTED"}, "request.header.x-plan-name": []string{"gold"},
			"request.header.x-own": []string{"mine"}, "request.header.x-other": nil, "request.header.authorization": []string{"REDACTED"},
			"response.header.server-timing": []string{"db;dur=1"}, "response.header.x-trace": []string{"1"},
		} {
			got, ok := oteltest.Attributes(span)[attribute.Key("http."+name)]
			if list, wanted := want.([]string); ok != wanted || wanted && strings.Join(got.AsStringSlice(), ",") != strings.Join(list, ",") {
				t.Errorf("http.%s: got %v (%v), want %v", name, got.AsStringSlice(), ok, want)
			}
		}
	})
	for _, variable := range []string{capture + "CLIENT_REQUEST", capture + "SANITIZE_FIELDS"} {
		if texts := strings.Join(handled.Texts(), "\n"); !strings.Contains(texts, variable) {
			t.Errorf("handled errors: got %q, want %s named for its malformed pattern", texts, variable)
		}
	}
}

// OTEL_GO_EXCLUDED_URLS adds to the filters. A malformed expression is ignored.
func TestExcludedURLsFromEnvironment(t *testing.T) {
	t.Setenv("OTEL_GO_EXCLUDED_URLS", "/healthz$, (, /ready$")
	handled := oteltest.HandleErrors(t)
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		server := oteltest.NewServer(t, version, oteltest.Handler(http.StatusOK, "fine"))
		tel := oteltest.New(t)
		rt := instrumented.Transport(tel, server.Base, otelhttpclient.WithFilter(func(r *http.Request) bool { return r.URL.Path != "/own" }))
		for path, want := range map[string]int{"/healthz": 0, "/ready": 0, "/own": 0, "/items": 1} {
			tel.Reset()
			oteltest.Get(t, t.Context(), rt, server.URL+path)
			if got := len(tel.Spans()); got != want {
				t.Errorf("%s: got %d spans, want %d", path, got, want)
			}
		}
	})
	if texts := strings.Join(handled.Texts(), "\n"); !strings.Contains(texts, "OTEL_GO_EXCLUDED_URLS") || !strings.Contains(texts, `"("`) {
		t.Errorf("handled errors: got %q, want the variable and the expression named", texts)
	}
}
