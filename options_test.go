package otelhttpclient_test

import (
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/instrumented"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

func TestNilOptions(t *testing.T) {
	tel := oteltest.New(t)
	opts := instrumented.Options(tel, nil, otelhttpclient.WithTracerProvider(nil), otelhttpclient.WithMeterProvider(nil), otelhttpclient.WithPropagators(nil), otelhttpclient.WithSpanOptions(nil, nil), otelhttpclient.WithSpanOptions(), otelhttpclient.WithSpanNameFormatter(nil), otelhttpclient.WithClientTrace(nil), otelhttpclient.WithKnownMethods(), otelhttpclient.WithErrorCheck(nil), otelhttpclient.WithOptInAttributes(), otelhttpclient.WithOptInMetrics(), otelhttpclient.WithRequestHook(nil), otelhttpclient.WithResponseHook(nil), otelhttpclient.WithURLFilter(nil), otelhttpclient.WithSensitiveQuery(), otelhttpclient.WithFilter(nil), otelhttpclient.WithFilter(otelhttpclient.ExcludeURLs(nil)), otelhttpclient.WithRequestHeaders(), otelhttpclient.WithResponseHeaders(), otelhttpclient.WithSensitiveHeaders(), otelhttpclient.WithURLTemplate(nil), otelhttpclient.WithAttributes(nil))
	var sent string
	rt := otelhttpclient.NewTransport(oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		sent = req.Header.Get("Traceparent")
		return oteltest.Reply(req, http.StatusNotFound, io.NopCloser(strings.NewReader("none"))), nil
	}), opts...)
	oteltest.MustSend(t, rt, oteltest.NewRequest(t, t.Context(), http.MethodGet, "http://u:p@inventory.example/items?sig=1&a=b", nil))

	span := tel.OnlySpan()
	if want := oteltest.Traceparent(span.SpanContext); sent != want {
		t.Errorf("traceparent = %q, want %q", sent, want)
	}
	want := map[attribute.Key]attribute.Value{
		"http.request.method":       attribute.StringValue("GET"),
		"server.address":            attribute.StringValue("inventory.example"),
		"server.port":               attribute.IntValue(80),
		"url.full":                  attribute.StringValue("http://REDACTED:REDACTED@inventory.example/items?sig=REDACTED&a=b"),
		"http.response.status_code": attribute.IntValue(404),
		"error.type":                attribute.StringValue("404"),
		"network.protocol.version":  attribute.StringValue("1.1"),
	}
	if got := oteltest.Attributes(span.Attributes); !maps.Equal(got, want) || span.Name != "GET" || span.Status.Code != codes.Error {
		t.Errorf("span %q %v\n got %v\nwant %v", span.Name, span.Status, got, want)
	}
	if _, ok := tel.Metric("http.client.request.duration"); !ok {
		t.Error("http.client.request.duration is missing")
	}
}

const capture = "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_"

// The lists of headers in the environment add to those of the options.
func TestHeadersFromEnvironment(t *testing.T) {
	t.Setenv(capture+"CLIENT_REQUEST", " X-Tenant ,, x-plan-.*,[")
	t.Setenv(capture+"CLIENT_RESPONSE", "server-timing")
	t.Setenv(capture+"SANITIZE_FIELDS", "x-tenant")
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
	if texts := strings.Join(handled.Texts(), "\n"); !strings.Contains(texts, capture+"CLIENT_REQUEST") {
		t.Errorf("handled errors: got %q, want the variable named for its malformed entry", texts)
	}
}

// recordedHeaders returns which of these headers a Transport captures, with their
// values.
func recordedHeaders(t *testing.T, names []string, opts ...otelhttpclient.Option) map[string]string {
	t.Helper()
	tel := oteltest.New(t)
	var sent http.Header
	rt := instrumented.Transport(tel, oteltest.KeepHeader(&sent), opts...)
	req := oteltest.NewRequest(t, t.Context(), http.MethodGet, "http://inventory.example/", nil)
	for _, name := range names {
		req.Header[name] = []string{"v"}
	}
	oteltest.MustSend(t, rt, req)
	got := map[string]string{}
	for key, value := range oteltest.Attributes(tel.OnlySpan().Attributes) {
		if name, ok := strings.CutPrefix(string(key), "http.request.header."); ok && name != "traceparent" {
			got[name] = strings.Join(value.AsStringSlice(), ",")
		}
	}
	return got
}

// The variables for headers take names and regular expressions, as OpenTelemetry
// for Python documents them. What cannot be used, or is hardly meant, is reported
// with the variable's name.
func TestCapturedHeadersFromEnvironment(t *testing.T) {
	names := []string{"Accept", "Accept-Language", "X-Voucher", "X-", "Max-X-Age", "$WSCS"}
	rows := []struct {
		value    string
		want     string // names
		reported bool
		reason   string
	}{
		{"accept", "accept", false, "a name matches whole"},
		{"ACCEPT, x-VOUCHER", "accept x-voucher", false, "case does not matter"},
		{"Accept.*,X-.*", "accept accept-language x- x-voucher", false, "Python's example; an expression matches the whole name"},
		{".*", "$wscs accept accept-language max-x-age x- x-voucher", false, "Python's way to capture all"},
		{"cept|voucher", "", false, "neither alternative matches a whole name"},
		{"x-vouchers?", "x-voucher", false, "a question mark is no wildcard"},
		{`x-\w*,[a-z]*`, "accept x- x-voucher", false, "a star after a class repeats the class"},
		{"(?i:X)-(vou|pou)cher", "x-voucher", false, "groups and flags"},
		{"$WSCS", "$wscs", false, "a name with a letter of the expression language"},
		{"x-*", "x-", true, "as in Python, the star repeats the dash"},
		{"*voucher*,accept", "accept", true, "a glob is no regular expression"},
		{"(?!x-).*", "", true, "Go has no look-ahead"},
		{"[,accept", "accept", true, "one bad entry, one good"},
		{"a)(b", "", true, "each entry is an expression of its own"},
		{`\Qx`, "", true, "the quotation does not end"},
		{"accept;x-voucher", "", true, "semicolons do not separate"},
		{"accept x-voucher", "", true, "spaces do not separate"},
		{`"accept"`, "", true, "quotation marks of an env file"},
		{"x-v.{1,9}", "", true, "a comma ends an entry, also between braces"},
	}
	for _, row := range rows {
		t.Run(row.value, func(t *testing.T) {
			for _, sanitized := range []bool{false, true} {
				variable, opts := capture+"CLIENT_REQUEST", []otelhttpclient.Option(nil)
				if sanitized {
					variable, opts = capture+"SANITIZE_FIELDS", []otelhttpclient.Option{otelhttpclient.WithRequestHeaders("*")}
				}
				t.Setenv(capture+"CLIENT_REQUEST", "")
				t.Setenv(capture+"SANITIZE_FIELDS", "")
				t.Setenv(variable, row.value)
				handled := oteltest.HandleErrors(t)
				got := recordedHeaders(t, names, opts...)
				var chosen, all []string
				for name, value := range got {
					all = append(all, name)
					if !sanitized || value == "REDACTED" {
						chosen = append(chosen, name)
					}
				}
				want := strings.Fields(row.want)
				if sanitized && row.reported {
					want = all // what is to be hidden is unknown
				}
				slices.Sort(chosen)
				slices.Sort(want)
				if !slices.Equal(chosen, want) {
					t.Errorf("%s: got the headers %q, want %q: %s", variable, chosen, want, row.reason)
				}
				texts := strings.Join(handled.Texts(), "\n")
				if reported := strings.Contains(texts, variable); reported != row.reported {
					t.Errorf("%s: reported %q, want a report that names the variable: %v: %s", variable, texts, row.reported, row.reason)
				}
			}
		})
	}
}

// Sensitive fields of the environment are hidden wherever headers are, and win
// against exceptions.
func TestSanitizedFieldsAreHiddenEverywhere(t *testing.T) {
	t.Setenv(capture+"SANITIZE_FIELDS", ".*voucher.*,idempotency-key")
	got := recordedHeaders(t, []string{"X-Voucher-Code", "Idempotency-Key", "Authorization", "X-Plan"}, otelhttpclient.WithRequestHeaders("*"))
	for name, want := range map[string]string{"x-voucher-code": "REDACTED", "idempotency-key": "REDACTED", "authorization": "REDACTED", "x-plan": "v"} {
		if got[name] != want {
			t.Errorf("%s: got %q, want %q", name, got[name], want)
		}
	}
	tel := oteltest.New(t)
	rt := instrumented.Transport(tel, oteltest.RoundTripFunc(func(*http.Request) (*http.Response, error) {
		return nil, errors.New("rejected header X-Voucher-Code: 4711 0815")
	}))
	_, _ = rt.RoundTrip(oteltest.NewRequest(t, t.Context(), http.MethodGet, "http://inventory.example/", nil))
	if got, want := tel.OnlySpan().Status.Description, "rejected header X-Voucher-Code: REDACTED"; got != want {
		t.Errorf("status: got %q, want %q", got, want)
	}
}

// What is hardly meant is reported, whatever the variable.
func TestEnvironmentNeverFailsSilently(t *testing.T) {
	const (
		stability = "OTEL_SEMCONV_STABILITY_OPT_IN"
		methods   = "OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS"
		excluded  = "OTEL_GO_EXCLUDED_URLS"
	)
	rows := []struct {
		variable, value string
		reported        bool
		reason          string
	}{
		{stability, "http", false, "stable names only, the default"},
		{stability, " http/dup , database", false, "space and other categories"},
		{stability, "database/dup,gen_ai_latest_experimental", false, "other categories"},
		{stability, "HTTP/DUP", true, "values are case-sensitive"},
		{stability, "http/old", true, "the category has no such value"},
		{stability, "http/dup;database", true, "semicolons do not separate"},
		{methods, "GET,PURGE", false, "a method of one's own"},
		{methods, "PATCH,patch", false, "some send patch"},
		{methods, "get,post", true, "methods are case-sensitive"},
		{methods, "GET POST", true, "spaces do not separate"},
		{methods, "GET;POST", true, "semicolons do not separate"},
		{excluded, "/healthz$,/ready{2}", false, "expressions"},
		{excluded, "/ready$,*", true, "a glob is no expression"},
		{excluded, "/items/[0-9]{1,3}", true, "a comma ends an expression, even between braces"},
	}
	for _, row := range rows {
		t.Run(row.variable+"="+row.value, func(t *testing.T) {
			t.Setenv(row.variable, row.value)
			handled := oteltest.HandleErrors(t)
			otelhttpclient.NewTransport(nil)
			texts := strings.Join(handled.Texts(), "\n")
			if got := strings.Contains(texts, row.variable); got != row.reported || texts != "" && !got {
				t.Errorf("reported %q, want a report that names the variable: %v: %s", texts, row.reported, row.reason)
			}
		})
	}
}

// A list of methods that has none leaves the default in place.
func TestUnusableMethodsFromEnvironment(t *testing.T) {
	t.Setenv("OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS", "GET POST")
	oteltest.HandleErrors(t)
	tel := oteltest.New(t)
	var sent http.Header
	oteltest.MustSend(t, instrumented.Transport(tel, oteltest.KeepHeader(&sent)), oteltest.NewRequest(t, t.Context(), http.MethodGet, "http://inventory.example/", nil))
	if got, want := tel.OnlySpan().Name, "GET"; got != want {
		t.Errorf("span: got %q, want %q", got, want)
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
