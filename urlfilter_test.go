package otelhttpclient_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/instrumented"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

// recordedURL returns what is recorded of a request to a URL. It checks that
// base receives the URL unchanged.
func recordedURL(t *testing.T, raw string, opts ...otelhttpclient.Option) (full string, all map[attribute.Key]attribute.Value, tel *oteltest.SDK) {
	t.Helper()
	tel = oteltest.New(t)
	var sent string
	rt := instrumented.Transport(tel, oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		sent = req.URL.String()
		return oteltest.Reply(req, http.StatusOK, http.NoBody), nil
	}), opts...)
	req := oteltest.NewRequest(t, t.Context(), http.MethodGet, raw, nil)
	before := req.URL.String()
	oteltest.MustSend(t, rt, req)
	if sent != before || req.URL.String() != before {
		t.Errorf("sent %q, the caller's URL is %q, want both as they were: %q", sent, req.URL, before)
	}
	all = oteltest.Attributes(tel.OnlySpan().Attributes)
	return all["url.full"].AsString(), all, tel
}

func TestURLFilters(t *testing.T) {
	filter := otelhttpclient.WithURLFilter
	setPath := func(path string) otelhttpclient.URLFilter {
		return func(u *url.URL) *url.URL { u.Path += path; return u }
	}
	rows := []struct {
		name   string
		opts   []otelhttpclient.Option
		url    string
		want   string
		reason string
	}{
		{"none", nil, "http://h/a?b=c#d", "http://h/a?b=c#d", "what is no credential is recorded as it is"},
		{"StripQuery", []otelhttpclient.Option{filter(otelhttpclient.StripQuery)}, "http://h/a?b=c&sig=1#d", "http://h/a#d", "the query alone is removed"},
		{"StripQuery, empty query", []otelhttpclient.Option{filter(otelhttpclient.StripQuery)}, "http://h/a?", "http://h/a", "an empty query is dropped"},
		{"RedactQuery", []otelhttpclient.Option{filter(otelhttpclient.RedactQuery("email", "name"))}, "http://h/a?z=1&email=a%40b&y&email=c&NAME=d",
			"http://h/a?z=1&email=REDACTED&y&email=REDACTED&NAME=REDACTED", "every value of the names is replaced; order and the rest stay"},
		{"RedactQuery, encoded key", []otelhttpclient.Option{filter(otelhttpclient.RedactQuery("email"))}, "http://h/a?e%6Dail=a", "http://h/a?e%6Dail=REDACTED", "the server decodes the key too"},
		{"RedactQuery and defaults", []otelhttpclient.Option{filter(otelhttpclient.RedactQuery("email"))}, "http://h/?password=p&email=e", "http://h/?password=REDACTED&email=REDACTED", "names are added to the default list"},
		{"KeepQuery", []otelhttpclient.Option{filter(otelhttpclient.KeepQuery("page", "sig"))}, "http://h/?a=1&page=2&b=3&page=4&sig=5", "http://h/?page=2&page=4&sig=REDACTED", "what is kept is redacted still"},
		{"KeepQuery, nothing", []otelhttpclient.Option{filter(otelhttpclient.KeepQuery())}, "http://h/?a=1", "http://h/", "nothing is on the list"},
		{"KeepQuery, exact case", []otelhttpclient.Option{filter(otelhttpclient.KeepQuery("page"))}, "http://h/?PAGE=2", "http://h/", "an allow-list allows what it names"},
		{"two", []otelhttpclient.Option{filter(setPath("/1")), filter(setPath("/2"))}, "http://h/a", "http://h/a/1/2", "filters run in the order given, each on the result before"},
		{"nil result", []otelhttpclient.Option{filter(func(*url.URL) *url.URL { return nil })}, "http://h/a", "", "url.full is left out"},
		{"nil result, then another", []otelhttpclient.Option{filter(func(*url.URL) *url.URL { return nil }), filter(setPath("/x"))}, "http://h/a", "", "no filter gets nil"},
		{"filter that adds a password", []otelhttpclient.Option{filter(func(u *url.URL) *url.URL { u.User = url.UserPassword("u", "p"); return u })}, "http://h/a", "http://REDACTED:REDACTED@h/a", "the redaction runs last"},
		{"filter that adds a secret", []otelhttpclient.Option{filter(func(u *url.URL) *url.URL { u.RawQuery = "sig=1"; return u })}, "http://h/a", "http://h/a?sig=REDACTED", "the redaction runs last"},
		{"another host", []otelhttpclient.Option{filter(func(u *url.URL) *url.URL { u.Host = "any.h:81"; return u })}, "http://tenant.h/a", "http://any.h:81/a", "the host may be what is to be hidden"},
		{"placeholder", []otelhttpclient.Option{filter(func(u *url.URL) *url.URL { u.Path = "/items/{sku}/{rest...}"; return u })}, "http://h/items/42?a=%7Bb%7D", "http://h/items/{sku}/{rest...}?a=%7Bb%7D", "it is recorded as the filter writes it"},
		{"placeholder, then the path", []otelhttpclient.Option{filter(setPath("/{id}")), filter(otelhttpclient.StripQuery)}, "http://h/{%22a%22}?x", "http://h/%7B%22a%22%7D/{id}", "all else is escaped as ever"},
		{"placeholder and a secret", []otelhttpclient.Option{filter(setPath("/{id};token={x}/{token}=1"))}, "http://u:p@h/a", "http://REDACTED:REDACTED@h/a/{id};token=REDACTED/{token}=1", "the redaction runs last"},
		{"placeholder of a host", []otelhttpclient.Option{filter(func(u *url.URL) *url.URL { u.Host = "{tenant}.h"; return u })}, "http://a.h/a", "http://{tenant}.h/a", "the same in a host"},
		{"no placeholder", []otelhttpclient.Option{filter(otelhttpclient.StripQuery)}, "http://h/items/%7Bsku%7D?a", "http://h/items/%7Bsku%7D", "what the filter does not change stays as it is sent"},
		{"nil filter", []otelhttpclient.Option{filter(nil)}, "http://h/a?b=c", "http://h/a?b=c", "nil changes nothing"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			got, all, _ := recordedURL(t, row.url, row.opts...)
			if got != row.want {
				t.Errorf("url.full of %q = %q, want %q: %s", row.url, got, row.want, row.reason)
			}
			if _, ok := all["url.full"]; ok != (row.want != "") {
				t.Errorf("url.full is there: %v, want %v: %s", ok, row.want != "", row.reason)
			}
		})
	}
}

func TestBuiltInFiltersWithNil(t *testing.T) {
	for name, f := range map[string]otelhttpclient.URLFilter{
		"StripQuery": otelhttpclient.StripQuery, "RedactQuery": otelhttpclient.RedactQuery("a"), "KeepQuery": otelhttpclient.KeepQuery("a"),
	} {
		if got := f(nil); got != nil {
			t.Errorf("%s(nil) = %v, want nil", name, got)
		}
	}
}

func TestDefaultRedaction(t *testing.T) {
	rows := []struct{ url, want, reason string }{
		{"https://user:secret@h/", "https://REDACTED:REDACTED@h/", "the conventions' form"},
		{"https://token@h/", "https://REDACTED:REDACTED@h/", "a user name alone may be a token"},
		{"http://h/?AWSAccessKeyId=1", "http://h/?AWSAccessKeyId=REDACTED", "of the conventions' list"},
		{"http://h/?Signature=1", "http://h/?Signature=REDACTED", "of the conventions' list"},
		{"http://h/?sig=1", "http://h/?sig=REDACTED", "of the conventions' list"},
		{"http://h/?X-Goog-Signature=1", "http://h/?X-Goog-Signature=REDACTED", "of the conventions' list"},
		{"http://h/?X-Amz-Signature=1&X-Amz-Credential=2&X-Amz-Security-Token=3&X-Amz-Date=4",
			"http://h/?X-Amz-Signature=REDACTED&X-Amz-Credential=REDACTED&X-Amz-Security-Token=REDACTED&X-Amz-Date=4", "a date is no secret"},
		{"http://h/?access_token=1&api_key=2&password=3", "http://h/?access_token=REDACTED&api_key=REDACTED&password=REDACTED", "well-known names of credentials"},
		{"http://h/?SIG=1&Api_Key=2", "http://h/?SIG=REDACTED&Api_Key=REDACTED", "servers differ about case"},
		{"http://h/?b=2&sig=1&a=%20+&&c", "http://h/?b=2&sig=REDACTED&a=%20+&&c", "all else stays as it is written"},
		{"http://h/?sig=", "http://h/?sig=", "there is nothing to hide"},
		{"http://h/?sig", "http://h/?sig", "there is no value"},
		{"http://h/?design=1", "http://h/?design=1", "a part of a name is another name"},
		{"http://h/sig=1", "http://h/sig=1", "a path is no query"},
	}
	for _, row := range rows {
		if got, _, _ := recordedURL(t, row.url); got != row.want {
			t.Errorf("url.full of %q = %q, want %q: %s", row.url, got, row.want, row.reason)
		}
	}
}

func TestSensitiveQueryOverride(t *testing.T) {
	rows := []struct {
		names     []string
		url, want string
		reason    string
	}{
		{[]string{"own"}, "http://h/?own=1&sig=2", "http://h/?own=REDACTED&sig=2", "the default list does not hold any more"},
		{append(otelhttpclient.DefaultSensitiveQuery(), "own"), "http://h/?own=1&sig=2", "http://h/?own=REDACTED&sig=REDACTED", "the default list can be added to"},
		{[]string{}, "http://u:p@h/?sig=2", "http://REDACTED:REDACTED@h/?sig=REDACTED", "an empty list changes nothing"},
		{nil, "http://h/?sig=2", "http://h/?sig=REDACTED", "no list changes nothing"},
	}
	for _, row := range rows {
		if got, _, _ := recordedURL(t, row.url, otelhttpclient.WithSensitiveQuery(row.names...)); got != row.want {
			t.Errorf("url.full of %q with %q = %q, want %q: %s", row.url, row.names, got, row.want, row.reason)
		}
	}
}

func TestWithoutRedaction(t *testing.T) {
	const url = "http://u:p@h.example/?sig=2#token=3"
	if got, want := first(recordedURL(t, url, otelhttpclient.WithoutRedaction())), "http://REDACTED:REDACTED@h.example/?sig=2#token=3"; got != want {
		t.Errorf("url.full = %q, want %q", got, want)
	}
	filtered := first(recordedURL(t, url, otelhttpclient.WithoutRedaction(), otelhttpclient.WithURLFilter(otelhttpclient.StripQuery)))
	if want := "http://REDACTED:REDACTED@h.example/#token=3"; filtered != want {
		t.Errorf("url.full with a filter = %q, want %q", filtered, want)
	}
}

func first[A, B, C any](a A, _ B, _ C) A { return a }

func TestRedactPath(t *testing.T) {
	filter, err := otelhttpclient.RedactPath("hooks.example.com/in/{secret}", "/reset/{token...}", "/users/{id}/keys/{key}",
		"bücher.example/in/{secret}", "[2001:db8::1]/in/{secret}")
	if err != nil {
		t.Fatal(err)
	}
	for url, want := range map[string]string{
		"http://hooks.example.com/in/abc":       "http://hooks.example.com/in/REDACTED",
		"http://hooks.example.com:8080/in/a%2F": "http://hooks.example.com:8080/in/REDACTED",
		"http://other.example.com/in/abc":       "http://other.example.com/in/abc",
		"http://h/reset/a/b?x=1":                "http://h/reset/REDACTED?x=1",
		"http://h/users/1/keys/2":               "http://h/users/REDACTED/keys/REDACTED",
		"http://h/users/1":                      "http://h/users/1",
		"http://XN--bcher-kva.example./in/abc":  "http://XN--bcher-kva.example./in/REDACTED", // the same name
		"http://[2001:DB8:0::1]:80/in/abc":      "http://[2001:DB8:0::1]:80/in/REDACTED",     // the same address
	} {
		if got := first(recordedURL(t, url, otelhttpclient.WithURLFilter(filter))); got != want {
			t.Errorf("url.full of %q = %q, want %q", url, got, want)
		}
	}
	if _, err := otelhttpclient.RedactPath("/a/{b"); err == nil || !strings.Contains(err.Error(), "/a/{b") {
		t.Errorf("RedactPath of a malformed pattern: got error %v, want one with the pattern", err)
	}
}

func TestInvalidHost(t *testing.T) {
	for _, host := range []string{"a?b", "with space", "user:secret@h", "a/b"} {
		tel := oteltest.New(t)
		req := oteltest.NewRequest(t, t.Context(), "GET", "https://example.com/", nil)
		req.Host = host
		oteltest.MustSend(t, instrumented.Transport(tel, oteltest.Answer(200)), req)
		for _, a := range append(tel.OnlySpan().Attributes, tel.DurationAttributes()...) {
			if a.Key == "server.address" || a.Key == "server.port" {
				t.Errorf("%q: %s = %s, want none", host, a.Key, a.Value.String())
			}
		}
	}
}

func TestFilteredHost(t *testing.T) {
	_, all, tel := recordedURL(t, "http://tenant-7.inventory.example:8080/a",
		otelhttpclient.WithURLFilter(func(u *url.URL) *url.URL { u.Host = "tenant.inventory.example"; return u }))
	m, ok := tel.Metric("http.client.request.duration")
	if !ok {
		t.Fatal("http.client.request.duration is missing")
	}
	measured := oteltest.Attributes(m.Data.(metricdata.Histogram[float64]).DataPoints[0].Attributes.ToSlice())
	for where, a := range map[string]map[attribute.Key]attribute.Value{"span": all, "metric": measured} {
		if a["server.address"].String() != "tenant.inventory.example" || a["server.port"].AsInt64() != 80 {
			t.Errorf("%s: server = %q %d, want the filter's host and its port", where, a["server.address"].String(), a["server.port"].AsInt64())
		}
		for key, v := range a {
			if strings.Contains(v.String(), "tenant-7") {
				t.Errorf("%s: %s = %q, want no part of the replaced host", where, key, v.String())
			}
		}
	}
}

// server.address is the host on the wire.
func TestServerAddressOnTheWire(t *testing.T) {
	for name, c := range map[string]struct {
		req  http.Request
		want string
		port int
	}{
		"an internationalized name": {http.Request{URL: &url.URL{Scheme: "https", Host: "bücher.example"}}, "xn--bcher-kva.example", 443},
		"in the Host field":         {http.Request{Host: "bücher.example:81", URL: &url.URL{Scheme: "http", Host: "proxy.example"}}, "xn--bcher-kva.example", 81},
		"an absolute form":          {http.Request{Host: "b.example", URL: &url.URL{Scheme: "http", Host: "proxy.example", Opaque: "//a.example:8080/items"}}, "a.example", 8080},
		"an absolute form, secret":  {http.Request{URL: &url.URL{Scheme: "http", Host: "proxy.example", Opaque: "//u:p@a.example/items"}}, "a.example", 80},
		"an opaque path":            {http.Request{URL: &url.URL{Scheme: "http", Host: "b.example", Opaque: "/a%2Fb"}}, "b.example", 80},
	} {
		t.Run(name, func(t *testing.T) {
			tel := oteltest.New(t)
			c.req.Method, c.req.Header = "GET", http.Header{}
			oteltest.MustSend(t, instrumented.Transport(tel, oteltest.Answer(200)), c.req.WithContext(t.Context()))
			span := tel.OnlySpan().Attributes
			oteltest.WantAttribute(t, span, "server.address", c.want)
			oteltest.WantAttribute(t, span, "server.port", int64(c.port))
		})
	}
}
