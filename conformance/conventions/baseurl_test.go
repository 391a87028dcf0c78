package conventions

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/iotest"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/instrumented"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

// resolving resolves each request's URL against a base URL, as clients of one API
// do it.
func resolving(t *testing.T, baseURL string, next http.RoundTripper) http.RoundTripper {
	t.Helper()
	base, err := url.Parse(baseURL)
	if err != nil {
		t.Fatal(err)
	}
	return oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		req = req.Clone(req.Context())
		req.URL = base.ResolveReference(req.URL)
		return next.RoundTrip(req)
	})
}

// If the request names no host, base does.
func TestBaseThatResolvesTheURL(t *testing.T) {
	filter := otelhttpclient.WithURLFilter
	for _, row := range []struct {
		name     string
		base     string // URL
		opts     []otelhttpclient.Option
		change   func(*http.Request)
		full     any
		host     any
		port     any
		measured any // server.address of the metrics
		reason   string
	}{
		{name: "plain", base: "https://api.example/v1/", full: "https://api.example/items/1?x=1&token=REDACTED", host: "api.example", port: 443, measured: "api.example",
			reason: "the response names the request that was sent"},
		{name: "a password", base: "http://u:hunter2@api.example:81/", full: "http://REDACTED:REDACTED@api.example:81/items/1?x=1&token=REDACTED", host: "api.example", port: 81, measured: "api.example",
			reason: "the redaction applies"},
		{name: "a filter", base: "http://tenant.example/", opts: []otelhttpclient.Option{filter(otelhttpclient.StripQuery), filter(func(u *url.URL) *url.URL {
			if u.Host != "" {
				u.Host = "any.example"
			}
			return u
		})}, full: "http://any.example/items/1", host: "any.example", port: 80, measured: "any.example", reason: "the filters apply"},
		{name: "a filter that removes the URL", base: "http://api.example/", opts: []otelhttpclient.Option{filter(func(u *url.URL) *url.URL { return nil })},
			full: nil, host: "api.example", port: 80, measured: "api.example", reason: "the host is recorded as ever"},
		{name: "a host", base: "http://api.example/", change: func(r *http.Request) { r.Host = "named.example" },
			full: "/items/1?x=1&token=REDACTED", host: "named.example", port: nil, measured: "named.example", reason: "what the caller says counts"},
		{name: "attributes of the application", base: "http://api.example/", opts: []otelhttpclient.Option{otelhttpclient.WithAttributes(func(*http.Request) []attribute.KeyValue {
			return []attribute.KeyValue{attribute.String("server.address", "own.example")}
		})}, full: "http://api.example/items/1?x=1&token=REDACTED", host: "own.example", port: 80, measured: "own.example", reason: "the application's win"},
		{name: "attributes of span options", base: "http://api.example/", opts: []otelhttpclient.Option{otelhttpclient.WithSpanOptions(trace.WithAttributes(attribute.String("server.address", "own.example")))},
			full: "http://api.example/items/1?x=1&token=REDACTED", host: "own.example", port: 80, measured: "api.example", reason: "the application's win on the span"},
		{name: "attributes of a hook", base: "http://api.example/", opts: []otelhttpclient.Option{otelhttpclient.WithRequestHook(func(s trace.Span, _ *http.Request) {
			s.SetAttributes(attribute.String("server.address", "own.example"), attribute.String("url.full", "https://own.example/"))
		})}, full: "https://own.example/", host: "own.example", port: 80, measured: "api.example", reason: "hooks win on the span"},
		{name: "another hook", base: "http://api.example/", opts: []otelhttpclient.Option{otelhttpclient.WithRequestHook(func(trace.Span, *http.Request) {})},
			full: "http://api.example/items/1?x=1&token=REDACTED", host: "api.example", port: 80, measured: "api.example", reason: "it has set nothing"},
		{name: "a hook that sets the host", base: "http://other.example/", opts: []otelhttpclient.Option{otelhttpclient.WithRequestHook(func(_ trace.Span, r *http.Request) { r.URL.Scheme, r.URL.Host = "http", "api.example" })},
			full: "http://api.example/items/1?x=1&token=REDACTED", host: "api.example", port: 80, measured: "api.example", reason: "the request that is sent has a host"},
	} {
		t.Run(row.name, func(t *testing.T) {
			tel := oteltest.New(t)
			opts := append(row.opts, otelhttpclient.WithOptInMetrics(otelhttpclient.MetricActiveRequests), otelhttpclient.WithResponseHeaders("location"))
			rt := instrumented.Transport(tel, resolving(t, row.base, oteltest.RoundTripFunc(func(r *http.Request) (*http.Response, error) {
				resp := oteltest.Reply(r, http.StatusOK, io.NopCloser(strings.NewReader("text")))
				resp.Header.Set("Location", "/next?token=hunter2&voucher=hunter2")
				return resp, nil
			})), opts...)
			req := (&http.Request{URL: &url.URL{Path: "/items/1", RawQuery: "x=1&token=hunter2"}}).WithContext(t.Context())
			if row.change != nil {
				row.change(req)
			}
			oteltest.MustSend(t, rt, req)
			span := tel.OnlySpan().Attributes
			for key, want := range map[attribute.Key]any{"url.full": row.full, "server.address": row.host, "server.port": row.port} {
				oteltest.WantAttribute(t, span, key, want)
			}
			oteltest.WantAttribute(t, tel.DurationAttributes(), "server.address", row.measured)
			if t.Failed() {
				t.Log(row.reason)
			}
			for _, p := range sums(tel, "http.client.active_requests") {
				if p.Value != 0 {
					t.Errorf("http.client.active_requests%v = %d, want 0: each +1 has its -1", p.Attributes.ToSlice(), p.Value)
				}
			}
		})
	}
}

func TestBaseThatResolvesTheURLOnSockets(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/items/1" {
			http.Redirect(w, r, "/elsewhere", http.StatusFound)
		}
	}))
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "http://127.0.0.1:")
	tel := oteltest.New(t)
	base := &http.Transport{}
	defer base.CloseIdleConnections()
	for name, next := range map[string]http.RoundTripper{
		"net/http":                        base,
		"a client that follows redirects": oteltest.RoundTripFunc((&http.Client{Transport: base}).Do),
		"a Transport below":               instrumented.Transport(tel, base),
	} {
		rt := instrumented.Transport(tel, resolving(t, server.URL+"/", next),
			otelhttpclient.WithOptInMetrics(otelhttpclient.MetricOpenConnections))
		oteltest.MustSend(t, rt, (&http.Request{URL: &url.URL{Path: "/items/1"}, Header: http.Header{}}).WithContext(t.Context()))
		spans := tel.Spans()
		span := spans[len(spans)-1].Attributes
		if got, want := oteltest.Attributes(span)["url.full"].AsString(), server.URL+"/items/1"; got != want {
			t.Errorf("%s: url.full = %q, want the URL that was requested first: %q", name, got, want)
		}
		oteltest.WantAttribute(t, span, "server.port", host)
		for _, p := range sums(tel, "http.client.open_connections") {
			if p.Value != 0 {
				oteltest.WantAttribute(t, p.Attributes.ToSlice(), "server.port", host)
			}
		}
	}
	if n := len(tel.Spans()); n != 3 {
		t.Errorf("%d spans, want 3: one a request", n)
	}
}

// An error of the body quotes the URL that base requested.
func TestBodyErrorOfResolvedURL(t *testing.T) {
	tel := oteltest.New(t)
	failure := errors.New(`cannot read http://api.example/items/1?voucher=hunter2`)
	rt := instrumented.Transport(tel, resolving(t, "http://api.example/", oteltest.RoundTripFunc(func(r *http.Request) (*http.Response, error) {
		return oteltest.Reply(r, http.StatusOK, io.NopCloser(iotest.ErrReader(failure))), nil
	})), otelhttpclient.WithURLFilter(otelhttpclient.RedactQuery("voucher")))
	_, _ = oteltest.Send(rt, (&http.Request{URL: &url.URL{Path: "/items/1", RawQuery: "voucher=hunter2"}}).WithContext(t.Context()))
	if got, want := tel.OnlySpan().Status.Description, "cannot read http://api.example/items/1?voucher=REDACTED"; got != want {
		t.Errorf("span status = %q, want %q", got, want)
	}
}

// sums returns the points of an up-down counter.
func sums(tel *oteltest.SDK, name string) []metricdata.DataPoint[int64] {
	m, ok := tel.Metric(name)
	if !ok {
		return nil
	}
	return m.Data.(metricdata.Sum[int64]).DataPoints
}
