package otelhttp_test

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/otelhttpclient/otelhttpclient/compat/otelhttp"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

// The functions send what those of net/http send, in a span that is a child of the
// one in the context.
func TestFunctions(t *testing.T) {
	var got string
	server := oteltest.NewServer(t, "1.1", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = r.Method + " " + r.Header.Get("Content-Type") + " " + string(body)
	})
	for _, c := range []struct {
		name, want string
		send       func(context.Context) (*http.Response, error)
	}{
		{"Get", "GET  ", func(ctx context.Context) (*http.Response, error) { return otelhttp.Get(ctx, server.URL) }},
		{"Head", "HEAD  ", func(ctx context.Context) (*http.Response, error) { return otelhttp.Head(ctx, server.URL) }},
		{"Post", "POST text/plain hello", func(ctx context.Context) (*http.Response, error) {
			return otelhttp.Post(ctx, server.URL, "text/plain", strings.NewReader("hello"))
		}},
		{"PostForm", "POST application/x-www-form-urlencoded a=b+c", func(ctx context.Context) (*http.Response, error) {
			return otelhttp.PostForm(ctx, server.URL, url.Values{"a": {"b c"}})
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			sdk := oteltest.New(t)
			ctx, parent := sdk.Tracers.Tracer("parent").Start(t.Context(), "parent")
			resp, err := c.send(ctx)
			if err != nil {
				t.Fatalf("error = %v, want nil", err)
			}
			oteltest.Discard(resp)
			if got != c.want {
				t.Errorf("request = %q, want %q", got, c.want)
			}
			span := sdk.OnlySpan()
			if span.Parent.SpanID() != parent.SpanContext().SpanID() {
				t.Errorf("parent = %v, want the context's span %v", span.Parent.SpanID(), parent.SpanContext().SpanID())
			}
		})
	}
	t.Run("bad URL", func(t *testing.T) {
		if resp, err := otelhttp.Get(t.Context(), ":"); err == nil || resp != nil {
			t.Errorf("Get(%q) = %v, %v, want nil and an error", ":", resp, err)
		}
	})
}
