package redaction

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/otelhttpclient/otelhttpclient/internal/testkit/instrumented"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

// What is not hidden stays as the URL's String writes it, and that is a URL whose host
// is the same.
func TestHostIsEncoded(t *testing.T) {
	for _, row := range []struct{ name, host, want string }{
		{"plain", "inventory.example", "http://inventory.example/items"},
		{"a slash", "/", "http://%2F/items"},
		{"a slash at the end", "inventory.example/", "http://inventory.example%2F/items"},
		{"a path", "inventory.example/a", "http://inventory.example%2Fa/items"},
	} {
		t.Run(row.name, func(t *testing.T) {
			tel := oteltest.New(t)
			rt := instrumented.Transport(tel, oteltest.AnswerText(http.StatusOK, ""))
			req := oteltest.NewRequest(t, t.Context(), http.MethodGet, "http://inventory.example/", nil)
			req.Host, req.URL = "", &url.URL{Scheme: "http", Host: row.host, Path: "/items"}
			oteltest.MustSend(t, rt, req)
			if got := oteltest.Attributes(tel.OnlySpan().Attributes)["url.full"].String(); got != row.want {
				t.Errorf("url.full = %q, want %q", got, row.want)
			}
		})
	}
}
