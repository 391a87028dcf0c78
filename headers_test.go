package otelhttpclient_test

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/trace"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/instrumented"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

// headerExchange holds the headers of a request and of its response.
type headerExchange struct{ request, response http.Header }

// capture sends a request and returns the headers on its span, by their
// recorded names.
func (e headerExchange) capture(t *testing.T, version string, options ...otelhttpclient.Option) (request, response map[string][]string) {
	t.Helper()
	server := oteltest.NewServer(t, version, func(w http.ResponseWriter, _ *http.Request) {
		maps.Copy(w.Header(), e.response)
	})
	tel := oteltest.New(t)
	req := oteltest.NewRequest(t, t.Context(), http.MethodGet, server.URL, nil)
	maps.Copy(req.Header, e.request)
	resp := oteltest.Open(t, instrumented.Transport(tel, server.Client().Transport, options...), req)
	resp.Body.Close()

	request, response = map[string][]string{}, map[string][]string{}
	for _, kv := range tel.OnlySpan().Attributes {
		if name, ok := strings.CutPrefix(string(kv.Key), "http.request.header."); ok {
			request[name] = kv.Value.AsStringSlice()
		}
		if name, ok := strings.CutPrefix(string(kv.Key), "http.response.header."); ok {
			response[name] = kv.Value.AsStringSlice()
		}
	}
	return request, response
}

func wantHeaders(t *testing.T, what string, got, want map[string][]string) {
	t.Helper()
	if !maps.EqualFunc(got, want, slices.Equal) {
		t.Errorf("recorded headers of the %s: got %q, want %q", what, got, want)
	}
}

var ordinary = headerExchange{
	request: http.Header{
		"Accept": {"text/plain", "text/html;q=0.5"}, "X-Request-Id": {"7"}, "X-Empty": {""},
		"Authorization": {"Bearer abc"}, "X-Api-Key": {"abc"}, "Referer": {"https://me:pw@example.test/a?token=abc"},
	},
	response: http.Header{
		"X-Cache": {"HIT", "MISS"}, "Set-Cookie": {"session=abc", "theme=dark"},
		"Location": {"/jobs/1?access_token=abc&page=1"}, "Content-Location": {"/jobs/1"},
	},
}

func TestCapturedHeaders(t *testing.T) {
	type headers = map[string][]string
	req, resp := otelhttpclient.WithRequestHeaders, otelhttpclient.WithResponseHeaders
	for _, row := range []struct {
		name     string
		options  []otelhttpclient.Option
		request  headers
		response headers
	}{
		{"none by default", nil, headers{}, headers{}},
		{"none are named", []otelhttpclient.Option{req(), resp()}, headers{}, headers{}},
		{"names in any case, all values", []otelhttpclient.Option{req("aCCept"), resp("X-CACHE")},
			headers{"accept": {"text/plain", "text/html;q=0.5"}}, headers{"x-cache": {"HIT", "MISS"}}},
		{"an empty value is one", []otelhttpclient.Option{req("x-empty")}, headers{"x-empty": {""}}, headers{}},
		{"an absent header", []otelhttpclient.Option{req("x-nothing")}, headers{}, headers{}},
		{"a name is no prefix", []otelhttpclient.Option{req("x-request"), resp("cache")}, headers{}, headers{}},
		{"patterns", []otelhttpclient.Option{req("X-[er]*"), resp("*-?ocation")},
			headers{"x-request-id": {"7"}, "x-empty": {""}}, headers{"content-location": {"/jobs/1"}}},
		{"options add up", []otelhttpclient.Option{req("x-empty"), req("x-request-id")},
			headers{"x-empty": {""}, "x-request-id": {"7"}}, headers{}},
		{"credentials", []otelhttpclient.Option{req("authorization", "x-api-key"), resp("set-cookie")},
			headers{"authorization": {"REDACTED"}, "x-api-key": {"REDACTED"}}, headers{"set-cookie": {"REDACTED", "REDACTED"}}},
		{"URLs", []otelhttpclient.Option{req("referer"), resp("location")},
			headers{"referer": {"https://REDACTED:REDACTED@example.test/a?token=REDACTED"}},
			headers{"location": {"/jobs/1?access_token=REDACTED&page=1"}}},
		{"URLs are filtered", []otelhttpclient.Option{req("referer"), resp("location"), otelhttpclient.WithURLFilter(otelhttpclient.StripQuery)},
			headers{"referer": {"https://REDACTED:REDACTED@example.test/a"}}, headers{"location": {"/jobs/1"}}},
		{"the list of credentials replaced", []otelhttpclient.Option{req("authorization", "accept"), otelhttpclient.WithSensitiveHeaders("Acc*")},
			headers{"authorization": {"Bearer abc"}, "accept": {"REDACTED", "REDACTED"}}, headers{}},
		{"the list of credentials added to", []otelhttpclient.Option{req("authorization", "accept"),
			otelhttpclient.WithSensitiveHeaders(append(otelhttpclient.DefaultSensitiveHeaders(), "accept")...)},
			headers{"authorization": {"REDACTED"}, "accept": {"REDACTED", "REDACTED"}}, headers{}},
		{"an empty list of credentials", []otelhttpclient.Option{req("authorization"),
			resp("set-cookie"), otelhttpclient.WithSensitiveHeaders([]string{}...)},
			headers{"authorization": {"REDACTED"}}, headers{"set-cookie": {"REDACTED", "REDACTED"}}},
		{"without redaction", []otelhttpclient.Option{req("authorization"), resp("set-cookie"), otelhttpclient.WithoutRedaction()},
			headers{"authorization": {"Bearer abc"}}, headers{"set-cookie": {"session=abc", "theme=dark"}}},
		{"no list of credentials", []otelhttpclient.Option{resp("set-cookie"), otelhttpclient.WithSensitiveHeaders()},
			headers{}, headers{"set-cookie": {"REDACTED", "REDACTED"}}},
	} {
		t.Run(row.name, func(t *testing.T) {
			oteltest.OnBothVersions(t, func(t *testing.T, version string) {
				request, response := ordinary.capture(t, version, row.options...)
				wantHeaders(t, "request", request, row.request)
				wantHeaders(t, "response", response, row.response)
			})
		})
	}
}

// Headers are recorded as they are sent, with those of hooks and propagators.
func TestCapturedHeadersAreThoseSent(t *testing.T) {
	request, _ := ordinary.capture(t, "1.1",
		otelhttpclient.WithRequestHeaders("x-hook", "traceparent", "x-request-id"),
		otelhttpclient.WithRequestHook(func(_ trace.Span, req *http.Request) {
			req.Header.Set("X-Hook", "was here")
			req.Header.Del("X-Request-Id")
		}))
	if got := request["traceparent"]; len(got) != 1 || !strings.HasPrefix(got[0], "00-") {
		t.Errorf("traceparent: got %q, want the one that was sent", got)
	}
	delete(request, "traceparent")
	wantHeaders(t, "request", request, map[string][]string{"x-hook": {"was here"}})
}

func TestCaptureAllHeaders(t *testing.T) {
	request, response := ordinary.capture(t, "1.1",
		otelhttpclient.WithRequestHeaders("*"), otelhttpclient.WithResponseHeaders("*"))
	for _, name := range []string{"accept", "x-request-id", "x-empty", "authorization", "x-api-key", "referer", "traceparent"} {
		if _, ok := request[name]; !ok {
			t.Errorf("request headers: got %q, want %s among them", request, name)
		}
	}
	for _, name := range []string{"x-cache", "set-cookie", "location", "content-location", "date"} {
		if _, ok := response[name]; !ok {
			t.Errorf("response headers: got %q, want %s among them", response, name)
		}
	}
	for name, values := range request {
		if name == "traceparent" {
			continue // random digits
		}
		if strings.Contains(strings.Join(values, " "), "abc") {
			t.Errorf("request header %s: got %q, want no credentials", name, values)
		}
	}
	for name, values := range response {
		if strings.Contains(strings.Join(values, " "), "abc") {
			t.Errorf("response header %s: got %q, want no credentials", name, values)
		}
	}
}

// The default list contains the well-known headers with credentials.
func TestDefaultSensitiveHeaders(t *testing.T) {
	for _, name := range []string{
		"Authorization", "Proxy-Authorization", "Cookie", "X-Api-Key", "X-Auth-Token", "X-Amz-Security-Token",
		"X-Csrf-Token", "X-Goog-Iap-Jwt-Assertion", "Api-Key", "Ocp-Apim-Subscription-Key", "X-Vault-Token",
		"X-Access-Token", "X-Client-Secret", "Private-Token", "X-Hub-Signature-256",
	} {
		request, _ := headerExchange{request: http.Header{name: {"abc"}}}.capture(t, "1.1", otelhttpclient.WithRequestHeaders(name))
		wantHeaders(t, "request", request, map[string][]string{strings.ToLower(name): {"REDACTED"}})
	}
	list := otelhttpclient.DefaultSensitiveHeaders()
	list[0] = "changed"
	if got := otelhttpclient.DefaultSensitiveHeaders()[0]; got == "changed" {
		t.Errorf("the default list after a change to what was returned: got %q first, want it unchanged", got)
	}
}

// A malformed pattern is reported and matches nothing. The other patterns work.
func TestMalformedHeaderPatterns(t *testing.T) {
	for name, option := range map[string]func(...string) otelhttpclient.Option{
		"WithRequestHeaders":   otelhttpclient.WithRequestHeaders,
		"WithResponseHeaders":  otelhttpclient.WithResponseHeaders,
		"WithSensitiveHeaders": otelhttpclient.WithSensitiveHeaders,
	} {
		t.Run(name, func(t *testing.T) {
			errs := oteltest.HandleErrors(t)
			otelhttpclient.NewTransport(nil, option("x-fine", "[a-"))
			if got := errs.Texts(); len(got) != 1 || !strings.Contains(got[0], name) || !strings.Contains(got[0], "[a-") {
				t.Errorf("handled errors: got %q, want one that names %s and [a-", got, name)
			}
		})
	}
	oteltest.HandleErrors(t)
	request, _ := ordinary.capture(t, "1.1", otelhttpclient.WithRequestHeaders("[a-", "x-request-id"))
	wantHeaders(t, "request", request, map[string][]string{"x-request-id": {"7"}})
}

// What is recorded of a request is what a server gets.
func TestHeadersThatAreNotSent(t *testing.T) {
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		received := make(chan http.Header, 1)
		server := oteltest.NewServer(t, version, func(_ http.ResponseWriter, r *http.Request) { received <- r.Header })
		tel := oteltest.New(t)
		req := oteltest.NewRequest(t, t.Context(), http.MethodPost, server.URL, strings.NewReader("body"))
		req.Header = http.Header{
			"Host": {"other.example"}, "Content-Length": {"17"}, "Transfer-Encoding": {"chunked"}, "Trailer": {"X-T"},
			"User-Agent": {"first", "second"}, "X-None": nil, "X-Some": {"a"},
			"X-Twice": {"A", "B"}, "x-twice": {"c"}, "X-tWice": {"d"},
		}
		oteltest.MustSend(t, instrumented.Transport(tel, server.Base, otelhttpclient.WithRequestHeaders("*")), req)

		got := map[string][]string{}
		for _, kv := range tel.OnlySpan().Attributes {
			if name, ok := strings.CutPrefix(string(kv.Key), "http.request.header."); ok && name != "traceparent" {
				got[name] = kv.Value.AsStringSlice()
			}
		}
		wantHeaders(t, "request", got, map[string][]string{
			"user-agent": {"first"}, "x-some": {"a"}, "x-twice": {"A", "B", "d", "c"},
		})
		onWire := <-received
		for name, values := range got {
			sent := slices.Clone(onWire.Values(name))
			slices.Sort(sent)
			slices.Sort(values)
			if !slices.Equal(sent, values) {
				t.Errorf("%s: got %q recorded, want those that the server got: %q", name, values, sent)
			}
		}
	})
}

func TestAbsentUserAgentHeader(t *testing.T) {
	request, _ := headerExchange{request: http.Header{"User-Agent": {"", "second"}}}.capture(t, "1.1", otelhttpclient.WithRequestHeaders("*"))
	delete(request, "traceparent")
	wantHeaders(t, "request", request, map[string][]string{})
}

// A response has no such rules: what a server sends is what it has sent.
func TestResponseHeadersOfTheSameNames(t *testing.T) {
	tel := oteltest.New(t)
	rt := instrumented.Transport(tel, oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		resp := oteltest.Reply(req, 200, http.NoBody)
		resp.Header = http.Header{"Content-Length": {"17"}, "User-Agent": {"a", "b"}, "x-a": {"1"}, "X-A": {"2"}}
		return resp, nil
	}), otelhttpclient.WithResponseHeaders("content-length", "user-agent", "x-*"))
	oteltest.Get(t, t.Context(), rt, "https://example.com/")
	oteltest.WantAttribute(t, tel.OnlySpan().Attributes, "http.response.header.content-length", []string{"17"})
	oteltest.WantAttribute(t, tel.OnlySpan().Attributes, "http.response.header.user-agent", []string{"a", "b"})
	oteltest.WantAttribute(t, tel.OnlySpan().Attributes, "http.response.header.x-a", []string{"2", "1"})
}
