package redaction

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/trace"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/instrumented"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

// echo is a base that sends every request to one server, whatever its host, and
// a function that returns the request line's target of the latest that the
// server accepted.
func echo(t *testing.T) (base http.RoundTripper, target func() string) {
	t.Helper()
	targets := make(chan string, 1)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", "/next")
		targets <- r.RequestURI // before the response
	}))
	server.Config.DisableGeneralOptionsHandler = true
	server.Start()
	t.Cleanup(server.Close)
	return &http.Transport{
			DisableKeepAlives: true,
			DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
				return (&net.Dialer{}).DialContext(ctx, network, server.Listener.Addr().String())
			},
		}, func() string {
			select {
			case target := <-targets:
				return target
			default:
				return "" // the server has rejected it
			}
		}
}

// What is recorded of an opaque URL is the URL on the wire.
func TestOpaqueURLs(t *testing.T) {
	redactPath, err := otelhttpclient.RedactPath("hooks.example.com/in/{secret}")
	if err != nil {
		t.Fatal(err)
	}
	templates, err := otelhttpclient.ServeMuxTemplates("/items/{sku}", "a.example/for-a/{x}")
	if err != nil {
		t.Fatal(err)
	}
	filter := otelhttpclient.WithURLFilter
	for _, row := range []struct {
		name         string
		u            url.URL
		opts         []otelhttpclient.Option
		target       string // on the wire
		url, span    string // "": url.full is not recorded; the request is not traced
		server       string
		method, host string
		reason       string
	}{
		{name: "an encoded path", u: url.URL{Host: "h.example", Opaque: "/a%2fb"}, target: "/a%2fb",
			url: "http://h.example/a%2fb", span: "GET", server: "h.example", reason: "the path is Opaque, the host is URL.Host"},
		{name: "a query", u: url.URL{Host: "h.example", Opaque: "/a%2Fb", RawQuery: "x=1&token=hunter2"}, target: "/a%2Fb?x=1&token=hunter2",
			url: "http://h.example/a%2Fb?x=1&token=REDACTED", span: "GET", server: "h.example", reason: "the query follows Opaque"},
		{name: "a query in Opaque", u: url.URL{Host: "h.example", Opaque: "/a?token=hunter2", RawQuery: "x=1"}, target: "/a?token=hunter2?x=1",
			url: "http://h.example/a?token=REDACTED", span: "GET", server: "h.example", reason: "a question mark in Opaque begins the query"},
		{name: "StripQuery", u: url.URL{Host: "h.example", Opaque: "/a?voucher=hunter2", RawQuery: "x=1"}, target: "/a?voucher=hunter2?x=1",
			opts: []otelhttpclient.Option{filter(otelhttpclient.StripQuery)},
			url:  "http://h.example/a", span: "GET", server: "h.example", reason: "the query on the wire is removed"},
		{name: "KeepQuery", u: url.URL{Host: "h.example", Opaque: "/a?voucher=hunter2&page=2"}, target: "/a?voucher=hunter2&page=2",
			opts: []otelhttpclient.Option{filter(otelhttpclient.KeepQuery("page"))},
			url:  "http://h.example/a?page=2", span: "GET", server: "h.example", reason: "only the listed parameter is kept"},
		{name: "RedactQuery", u: url.URL{Host: "h.example", Opaque: "/a?voucher=hunter2"}, target: "/a?voucher=hunter2",
			opts: []otelhttpclient.Option{filter(otelhttpclient.RedactQuery("voucher"))},
			url:  "http://h.example/a?voucher=REDACTED", span: "GET", server: "h.example", reason: "the listed parameter is redacted"},
		{name: "RedactPath", u: url.URL{Host: "hooks.example.com", Opaque: "/in/hunter%2F2 <x>"}, target: "",
			opts: []otelhttpclient.Option{filter(redactPath)},
			url:  "http://hooks.example.com/in/REDACTED", span: "GET", server: "hooks.example.com", reason: "what a URL cannot hold is encoded, and the encoded slash stays"},
		{name: "a webhook", u: url.URL{Host: "hooks.slack.com", Opaque: "/services/T0/B0/hunter2"}, target: "/services/T0/B0/hunter2",
			url: "http://hooks.slack.com/services/REDACTED/REDACTED/REDACTED", span: "GET", server: "hooks.slack.com", reason: "its host makes it one"},
		{name: "an absolute form", u: url.URL{Host: "proxy.example", Opaque: "//a.example:81/for-a/%31?x=1"}, target: "http://a.example:81/for-a/%31?x=1",
			opts: []otelhttpclient.Option{otelhttpclient.WithURLTemplate(templates)},
			url:  "http://a.example:81/for-a/%31?x=1", span: "GET /for-a/{x}", server: "a.example", reason: "the server goes by it, not by Host"},
		{name: "an absolute form with a password", u: url.URL{Host: "proxy.example", Opaque: "//u:hunter2?x@a.example/a"}, target: "",
			url: "http://REDACTED:REDACTED@a.example/a", span: "GET", server: "a.example", reason: "only a slash surely ends a password"},
		{name: "a template", u: url.URL{Host: "h.example", Opaque: "/items/a%2Fb"}, target: "/items/a%2Fb",
			opts: []otelhttpclient.Option{otelhttpclient.WithURLTemplate(templates)},
			url:  "http://h.example/items/a%2Fb", span: "GET /items/{sku}", server: "h.example", reason: "the path on the wire matches"},
		{name: "a span name", u: url.URL{Host: "h.example", Opaque: "/items/42"}, target: "/items/42",
			opts: []otelhttpclient.Option{otelhttpclient.WithSpanNameFormatter(otelhttpclient.URLPathSpanName)},
			url:  "http://h.example/items/42", span: "/items/42", server: "h.example", reason: "a formatter gets the URL on the wire"},
		{name: "excluded", u: url.URL{Host: "h.example", Opaque: "/healthz"}, target: "/healthz",
			opts:   []otelhttpclient.Option{otelhttpclient.WithFilter(otelhttpclient.ExcludeURLs(regexp.MustCompile(`^http://h\.example/healthz$`)))},
			reason: "the expression matches the URL on the wire"},
		{name: "a filter of the application", u: url.URL{Host: "h.example", Opaque: "/healthz"}, target: "/healthz",
			opts:   []otelhttpclient.Option{otelhttpclient.WithFilter(func(r *http.Request) bool { return r.URL.Path != "/healthz" })},
			reason: "it gets the URL on the wire"},
		{name: "another host of a filter", u: url.URL{Host: "tenant.example", Opaque: "/a"}, target: "/a",
			opts: []otelhttpclient.Option{filter(func(u *url.URL) *url.URL { u.Host = "any.example"; return u })},
			url:  "http://any.example/a", span: "GET", server: "any.example", reason: "the filter's host counts"},
		{name: "a number sign", u: url.URL{Host: "h.example", Opaque: "/a#token=hunter2"}, target: "/a#token=hunter2",
			url: "http://h.example/a%23token=REDACTED", span: "GET", server: "h.example", reason: "on the wire it belongs to the path"},
		{name: "a bad escape", u: url.URL{Host: "h.example", Opaque: "/a%zz%2Fb"}, target: "",
			url: "http://h.example/a%25zz%2Fb", span: "GET", server: "h.example", reason: "the path is escaped as far as it must be"},
		{name: "an asterisk", u: url.URL{Host: "h.example", Opaque: "*"}, target: "*", method: "OPTIONS",
			url: "http://h.example/*", span: "OPTIONS", server: "h.example", reason: "what has no slash is a path"},
		{name: "a Host", u: url.URL{Host: "10.0.0.1", Opaque: "/a"}, host: "h.example", target: "/a",
			url: "http://10.0.0.1/a", span: "GET", server: "h.example", reason: "as for a URL that is not opaque"},
	} {
		t.Run(row.name, func(t *testing.T) {
			tel := oteltest.New(t)
			base, target := echo(t)
			req := &http.Request{Method: row.method, URL: &row.u, Host: row.host, Header: http.Header{}}
			req.URL.Scheme = "http"
			before := *req.URL
			var hooked string
			opts := append(row.opts, otelhttpclient.WithRequestHook(func(_ trace.Span, r *http.Request) { hooked = r.URL.Opaque }))
			_, err := oteltest.Send(instrumented.Transport(tel, base, opts...), req.WithContext(t.Context()))
			if got := target(); got != row.target {
				t.Errorf("request target = %q, error %v, want %q as without instrumentation", got, err, row.target)
			}
			if *req.URL != before {
				t.Errorf("the caller's URL = %#v, want it as it was: %#v", *req.URL, before)
			}
			if row.span == "" {
				if n := len(tel.Spans()); n != 0 {
					t.Errorf("%d spans, want none: %s", n, row.reason)
				}
				return
			}
			if hooked != before.Opaque {
				t.Errorf("a request hook got Opaque = %q, want %q: it may change what is sent", hooked, before.Opaque)
			}
			span := tel.OnlySpan()
			if span.Name != row.span {
				t.Errorf("span name = %q, want %q: %s", span.Name, row.span, row.reason)
			}
			if got := oteltest.Attributes(span.Attributes)["url.full"].AsString(); got != row.url {
				t.Errorf("url.full = %q, want %q: %s", got, row.url, row.reason)
			}
			oteltest.WantAttribute(t, span.Attributes, "server.address", row.server)
			if strings.Contains(span.Status.Description, "hunter2") {
				t.Errorf("span status = %q, want no secret", span.Status.Description)
			}
		})
	}
}

// Whatever form the URL has in an error or in a header, it is the same URL.
func TestOpaqueURLsInErrorsAndHeaders(t *testing.T) {
	redactPath, err := otelhttpclient.RedactPath("hooks.example.com/in/{secret}")
	if err != nil {
		t.Fatal(err)
	}
	u := &url.URL{Scheme: "https", Host: "hooks.example.com", Opaque: "/in/hunter2", RawQuery: "voucher=coffee4free"}
	opts := []otelhttpclient.Option{
		otelhttpclient.WithURLFilter(redactPath), otelhttpclient.WithURLFilter(otelhttpclient.StripQuery),
		otelhttpclient.WithResponseHeaders("location"),
	}
	for name, failure := range map[string]error{
		"as net/http writes it": &url.Error{Op: "Get", URL: u.String(), Err: errors.New("EOF")},
		"as a text":             errors.New("cannot get " + u.String()),
		"as it is recorded":     errors.New("cannot get https://hooks.example.com/in/hunter2?voucher=coffee4free"),
		"its path":              errors.New(`bad path "/in/hunter2"`),
	} {
		t.Run(name, func(t *testing.T) {
			tel := oteltest.New(t)
			_, _ = oteltest.Send(instrumented.Transport(tel, oteltest.RoundTripFunc(func(*http.Request) (*http.Response, error) { return nil, failure }), opts...),
				(&http.Request{URL: u}).WithContext(t.Context()))
			if got := tel.OnlySpan().Status.Description; got == "" || strings.Contains(got, "hunter2") || strings.Contains(got, "coffee") {
				t.Errorf("span status = %q, want a text without what the filters remove", got)
			}
		})
	}
	tel := oteltest.New(t)
	oteltest.MustSend(t, instrumented.Transport(tel, oteltest.RoundTripFunc(func(r *http.Request) (*http.Response, error) {
		resp := oteltest.Reply(r, http.StatusFound, http.NoBody)
		resp.Header.Set("Location", "/in/other4me?x=1")
		return resp, nil
	}), opts...), (&http.Request{URL: u}).WithContext(t.Context()))
	oteltest.WantAttribute(t, tel.OnlySpan().Attributes, "http.response.header.location", "[/in/REDACTED]")
}

func TestOpaqueURLsOfOtherSchemes(t *testing.T) {
	tel := oteltest.New(t)
	oteltest.MustSend(t, instrumented.Transport(tel, oteltest.Answer(200)),
		(&http.Request{URL: &url.URL{Scheme: "unix", Host: "h", Opaque: "/run/a.sock"}}).WithContext(t.Context()))
	oteltest.WantAttribute(t, tel.OnlySpan().Attributes, "url.full", "unix:/run/a.sock")
}

// A client's redirect policy may make the path opaque, too.
func TestTemplateOfRedirectToOpaqueURL(t *testing.T) {
	tel := oteltest.New(t)
	client := http.Client{
		Transport: instrumented.Transport(tel, oteltest.RoundTripFunc(func(r *http.Request) (*http.Response, error) {
			resp := oteltest.Reply(r, http.StatusOK, http.NoBody)
			if r.URL.Opaque == "" {
				resp.StatusCode = http.StatusFound
				resp.Header.Set("Location", "/items/a%2Fb?again")
			}
			return resp, nil
		})),
		CheckRedirect: func(r *http.Request, _ []*http.Request) error {
			r.URL.Opaque = r.URL.EscapedPath()
			return nil
		},
	}
	ctx := otelhttpclient.ContextWithURLTemplate(t.Context(), "/items/{sku}")
	oteltest.MustSend(t, oteltest.RoundTripFunc(client.Do), oteltest.NewRequest(t, ctx, "GET", "http://h.example/items/a%2Fb", nil))
	spans := tel.Spans()
	if len(spans) != 2 || spans[1].Name != "GET /items/{sku}" {
		t.Fatalf("got %d spans, the last named %q, want 2 and the template on both", len(spans), spans[len(spans)-1].Name)
	}
	oteltest.WantAttribute(t, spans[1].Attributes, "url.full", "http://h.example/items/a%2Fb?again")
}
