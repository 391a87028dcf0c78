package otelhttpclient_test

import (
	"net/http"
	"testing"

	"github.com/otelhttpclient/otelhttpclient/internal/testkit/instrumented"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

func TestUnknownMethods(t *testing.T) {
	rows := []struct{ method, name, recorded, original, reason string }{
		{"", "GET", "GET", "", "an empty method means GET"},
		{"QUERY", "QUERY", "QUERY", "", "it is one of the conventions'"},
		{"PURGE", "HTTP", "_OTHER", "PURGE", "it is none of the conventions'"},
		{"get", "HTTP", "_OTHER", "get", "methods are case-sensitive"},
	}
	for _, row := range rows {
		t.Run(row.method, func(t *testing.T) {
			tel := oteltest.New(t)
			server := oteltest.NewServer(t, "1.1", func(http.ResponseWriter, *http.Request) {})
			req := oteltest.NewRequest(t, t.Context(), http.MethodGet, server.URL, nil)
			req.Method = row.method
			oteltest.MustSend(t, instrumented.Transport(tel, server.Client().Transport), req)
			span := tel.OnlySpan()
			got := oteltest.Attributes(span.Attributes)
			if span.Name != row.name || got["http.request.method"].String() != row.recorded {
				t.Errorf("name %q, http.request.method %q, want %q and %q: %s", span.Name, got["http.request.method"].String(), row.name, row.recorded, row.reason)
			}
			if original, ok := got["http.request.method_original"]; ok != (row.original != "") || ok && original.String() != row.original {
				t.Errorf("http.request.method_original = %q, want %q: %s", original.String(), row.original, row.reason)
			}
			if req.Method != row.method {
				t.Errorf("the caller's method became %q, want %q", req.Method, row.method)
			}
		})
	}
}
