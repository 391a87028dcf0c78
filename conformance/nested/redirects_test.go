package nested

import (
	"bufio"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/instrumented"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

// TestRedirectsWhereBaseCutsTheChain: base does not link its responses to the
// requests that it got. The redirects are counted all the same, the template of
// the context is that of the first request only, and the caller sees what it
// sees with the bare base.
func TestRedirectsWhereBaseCutsTheChain(t *testing.T) {
	for name, link := range map[string]func(*http.Request) *http.Request{
		"like net/http": func(req *http.Request) *http.Request { return req },
		"a clone":       func(req *http.Request) *http.Request { return req.Clone(req.Context()) },
		"none":          func(*http.Request) *http.Request { return nil },
		"built anew": func(req *http.Request) *http.Request {
			return &http.Request{Method: req.Method, URL: &url.URL{Scheme: "http", Host: "10.0.0.1", Path: req.URL.Path}}
		},
	} {
		for _, timeout := range []time.Duration{0, time.Minute} {
			t.Run(name, func(t *testing.T) {
				base := oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
					answer := "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhere"
					if next := map[string]string{"/a": "/b", "/b": "/c", "/c": "/d"}[req.URL.Path]; next != "" {
						answer = "HTTP/1.1 302 Found\r\nLocation: " + next + "\r\nContent-Length: 0\r\n\r\n"
					}
					resp, err := http.ReadResponse(bufio.NewReader(strings.NewReader(answer)), nil)
					resp.Request = link(req)
					return resp, err
				})
				// seen is what the caller sees of the responses' requests.
				seen := func(rt http.RoundTripper) (list []string) {
					see := func(resp *http.Response) {
						if resp.Request == nil {
							list = append(list, "nil")
							return
						}
						list = append(list, resp.Request.URL.String())
					}
					client := &http.Client{Transport: rt, Timeout: timeout, CheckRedirect: func(req *http.Request, _ []*http.Request) error {
						see(req.Response)
						return nil
					}}
					ctx := otelhttpclient.ContextWithURLTemplate(t.Context(), "/{first}")
					resp, err := client.Do(oteltest.NewRequest(t, ctx, http.MethodGet, "http://example.com/a", nil))
					if err != nil {
						t.Fatal(err)
					}
					oteltest.ReadBody(t, resp)
					see(resp)
					return list
				}
				tel := oteltest.New(t)
				if got, want := seen(instrumented.Transport(tel, base)), seen(base); !slices.Equal(got, want) {
					t.Errorf("requests of the responses: got %q, want %q as without a Transport", got, want)
				}
				if got, want := resendCounts(tel), []int64{0, 1, 2, 3}; !slices.Equal(got, want) {
					t.Errorf("http.request.resend_count: got %v, want %v", got, want)
				}
				var names []string
				for _, s := range tel.Spans() {
					names = append(names, s.Name)
				}
				if want := []string{"GET /{first}", "GET", "GET", "GET"}; !slices.Equal(names, want) {
					t.Errorf("names: got %q, want %q: the template is that of the first path", names, want)
				}
			})
		}
	}
}
