package conventions

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/instrumented"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

// spanOf returns the one span of a GET through base.
func spanOf(t *testing.T, base http.RoundTripper, url string, extra ...otelhttpclient.Option) tracetest.SpanStub {
	t.Helper()
	tel := oteltest.New(t)
	oteltest.MustSend(t, instrumented.Transport(tel, base, extra...), oteltest.NewRequest(t, t.Context(), "GET", url, nil))
	return tel.OnlySpan()
}

func TestAttributesAtCreation(t *testing.T) {
	sampler := &oteltest.RecordingSampler{Sampler: sdktrace.AlwaysSample()}
	tel := oteltest.NewSampled(t, sampler)
	ctx := otelhttpclient.ContextWithURLTemplate(t.Context(), "/items/{sku}")
	oteltest.MustSend(t, instrumented.Transport(tel, oteltest.Answer(200)), oteltest.NewRequest(t, ctx, "get", "https://example.com/items/1?a=b", nil))
	if len(sampler.Seen()) != 1 {
		t.Fatalf("the sampler was asked %d times, want once", len(sampler.Seen()))
	}
	seen := sampler.Seen()[0]
	if seen.Kind != trace.SpanKindClient || seen.Name != "HTTP /items/{sku}" {
		t.Errorf("at creation: kind %v and name %q, want %v and %q", seen.Kind, seen.Name, trace.SpanKindClient, "HTTP /items/{sku}")
	}
	oteltest.WantKeys(t, "the span at creation", seen.Attributes, "http.request.method", "http.request.method_original",
		"server.address", "server.port", "url.full", "url.template")
	for _, in := range [][]attribute.KeyValue{seen.Attributes, tel.OnlySpan().Attributes} {
		oteltest.WantAttribute(t, in, "http.request.method", "_OTHER")
		oteltest.WantAttribute(t, in, "http.request.method_original", "get")
		oteltest.WantAttribute(t, in, "server.address", "example.com")
		oteltest.WantAttribute(t, in, "server.port", 443)
		oteltest.WantAttribute(t, in, "url.full", "https://example.com/items/1?a=b")
	}
	if got := tel.OnlySpan().SpanKind; got != trace.SpanKindClient {
		t.Errorf("kind = %v, want %v", got, trace.SpanKindClient)
	}
}

func TestMethod(t *testing.T) {
	type row struct{ method, want, original, name, reason string }
	rows := []row{
		{"", "GET", "", "GET", "an empty Request.Method means GET"},
		{"get", "_OTHER", "get", "HTTP", "methods are compared in exact case"},
		{"FROB", "_OTHER", "FROB", "HTTP", "unknown"},
		{"_OTHER", "_OTHER", "_OTHER", "HTTP", "unknown, although it looks like what is recorded then"},
	}
	for _, known := range []string{"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE"} {
		rows = append(rows, row{known, known, "", known, "known"})
	}
	for _, test := range rows {
		t.Run(test.method, func(t *testing.T) {
			tel := oteltest.New(t)
			req := oteltest.NewRequest(t, t.Context(), "GET", "https://example.com/", nil)
			req.Method = test.method
			oteltest.MustSend(t, instrumented.Transport(tel, oteltest.Answer(200)), req)
			span := tel.OnlySpan()
			point := tel.DurationAttributes()
			oteltest.WantAttribute(t, span.Attributes, "http.request.method", test.want)
			oteltest.WantAttribute(t, point, "http.request.method", test.want)
			oteltest.WantAttribute(t, point, "http.request.method_original", nil)
			if test.original != "" {
				oteltest.WantAttribute(t, span.Attributes, "http.request.method_original", test.original)
			} else {
				oteltest.WantAttribute(t, span.Attributes, "http.request.method_original", nil)
			}
			if span.Name != test.name {
				t.Errorf("name = %q, want %q (%s)", span.Name, test.name, test.reason)
			}
		})
	}
}

func TestServerAddressAndPort(t *testing.T) {
	for _, test := range []struct {
		url, host, address string
		port               int
		reason             string
	}{
		{"https://example.com/", "", "example.com", 443, "https implies 443"},
		{"http://example.com/", "", "example.com", 80, "http implies 80"},
		{"http://example.com:8080/", "", "example.com", 8080, "as written"},
		{"http://[::1]:8080/", "", "::1", 8080, "no brackets"},
		{"https://[2001:db8::1]/", "", "2001:db8::1", 443, "no brackets, without a port either"},
		{"http://10.0.0.1:8080/", "api.internal", "api.internal", 80, "Request.Host is what is addressed"},
		{"http://10.0.0.1:8080/", "api.internal:81", "api.internal", 81, "with its port"},
	} {
		t.Run(test.reason, func(t *testing.T) {
			tel := oteltest.New(t)
			req := oteltest.NewRequest(t, t.Context(), "GET", test.url, nil)
			if test.host != "" {
				req.Host = test.host
			}
			oteltest.MustSend(t, instrumented.Transport(tel, oteltest.Answer(200)), req)
			for _, in := range [][]attribute.KeyValue{
				tel.OnlySpan().Attributes, tel.DurationAttributes(),
			} {
				oteltest.WantAttribute(t, in, "server.address", test.address)
				oteltest.WantAttribute(t, in, "server.port", test.port)
			}
		})
	}
}

func TestURLFull(t *testing.T) {
	for _, test := range []struct{ url, want, reason string }{
		{"https://example.com", "https://example.com", "as written"},
		{"https://example.com/a?b=c#d", "https://example.com/a?b=c#d", "the fragment is known"},
		{"https://me:pw@example.com/", "https://REDACTED:REDACTED@example.com/", "user and password"},
		{"https://me@example.com/", "https://REDACTED:REDACTED@example.com/", "a user alone may be a token"},
		{"https://example.com/?sig=abc&a=b", "https://example.com/?sig=REDACTED&a=b", "the key is kept"},
		{"https://example.com/?AWSAccessKeyId=abc", "https://example.com/?AWSAccessKeyId=REDACTED", "named by the conventions"},
		{"https://example.com/?Signature=abc", "https://example.com/?Signature=REDACTED", "named by the conventions"},
		{"https://example.com/?X-Goog-Signature=abc", "https://example.com/?X-Goog-Signature=REDACTED", "named by the conventions"},
	} {
		t.Run(test.url, func(t *testing.T) {
			t.Log(test.reason)
			oteltest.WantAttribute(t, spanOf(t, oteltest.Answer(200), test.url).Attributes, "url.full", test.want)
		})
	}
}

func TestOptInAttributes(t *testing.T) {
	byDefault := []string{"http.request.method", "server.address", "server.port", "url.full",
		"http.response.status_code", "network.protocol.version", "network.peer.address", "network.peer.port"}
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		w := oteltest.NewServer(t, version, func(rw http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			rw.Header()["X-Shop-Cache"] = []string{"hit", "near"}
			_, _ = io.WriteString(rw, "fine")
		})
		scheme, _, _ := strings.Cut(w.URL, ":")
		for _, test := range []struct {
			key    attribute.Key
			option otelhttpclient.Option
			want   any
		}{
			{"", nil, nil},
			{"http.request.body.size", otelhttpclient.WithOptInAttributes("http.request.body.size"), 12},
			{"http.response.body.size", otelhttpclient.WithOptInAttributes("http.response.body.size"), 4},
			{"network.transport", otelhttpclient.WithOptInAttributes("network.transport"), "tcp"},
			{"url.scheme", otelhttpclient.WithOptInAttributes("url.scheme"), scheme},
			{"user_agent.original", otelhttpclient.WithOptInAttributes("user_agent.original"), "shop/1"},
			{"http.request.header.x-shop-id", otelhttpclient.WithRequestHeaders("X-Shop-ID"), []string{"7", "8"}},
			{"http.response.header.x-shop-cache", otelhttpclient.WithResponseHeaders("X-Shop-Cache"), []string{"hit", "near"}},
		} {
			t.Run("with "+string(test.key), func(t *testing.T) {
				tel := oteltest.New(t)
				req := oteltest.NewRequest(t, t.Context(), "POST", w.URL, strings.NewReader("how are you?"))
				req.Header = http.Header{"User-Agent": {"shop/1"}, "X-Shop-Id": {"7", "8"}}
				oteltest.MustSend(t, instrumented.Transport(tel, w.Base, test.option), req)
				want := slices.Clone(byDefault)
				span := tel.OnlySpan()
				if test.key != "" {
					want = append(want, string(test.key))
					oteltest.WantAttribute(t, span.Attributes, test.key, test.want)
				}
				oteltest.WantKeys(t, "span", span.Attributes, want...)
				if _, isList := test.want.([]string); isList {
					if got := oteltest.Attributes(span.Attributes)[test.key].Type(); got != attribute.STRINGSLICE {
						t.Errorf("%s is of type %v, want %v", test.key, got, attribute.STRINGSLICE)
					}
				}
			})
		}
	})
}

// url.template is recorded if the caller supplies a template.
func TestURLTemplate(t *testing.T) {
	oteltest.WantAttribute(t, spanOf(t, oteltest.Answer(200), "https://example.com/items/1").Attributes, "url.template", nil)
	span := spanOf(t, oteltest.Answer(200), "https://example.com/items/1",
		otelhttpclient.WithURLTemplate(func(*http.Request) string { return "/items/{sku}" }))
	oteltest.WantAttribute(t, span.Attributes, "url.template", "/items/{sku}")
}

func TestKnownMethodsFromEnvironment(t *testing.T) {
	t.Setenv("OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS", "FROB,get")
	for _, test := range []struct{ method, want, reason string }{
		{"FROB", "FROB", "on the list"},
		{"get", "get", "on the list"},
		{"GET", "_OTHER", "the list is a full override"},
		{"frob", "_OTHER", "the list is case-sensitive"},
	} {
		tel := oteltest.New(t)
		oteltest.MustSend(t, instrumented.Transport(tel, oteltest.Answer(200)), oteltest.NewRequest(t, t.Context(), test.method, "https://example.com/", nil))
		t.Log(test.method, test.reason)
		oteltest.WantAttribute(t, tel.OnlySpan().Attributes, "http.request.method", test.want)
	}
	span := spanOf(t, oteltest.Answer(200), "https://example.com/", otelhttpclient.WithKnownMethods("GET"))
	oteltest.WantAttribute(t, span.Attributes, "http.request.method", "GET") // the option wins
}

func TestName(t *testing.T) {
	for _, test := range []struct{ method, template, want, reason string }{
		{"GET", "", "GET", "never the path"},
		{"GET", "/items/{sku}", "GET /items/{sku}", "a template is known"},
		{"FROB", "", "HTTP", "_OTHER"},
		{"FROB", "/items/{sku}", "HTTP /items/{sku}", "_OTHER, and a template"},
	} {
		tel := oteltest.New(t)
		ctx := otelhttpclient.ContextWithURLTemplate(t.Context(), test.template)
		oteltest.MustSend(t, instrumented.Transport(tel, oteltest.Answer(200)), oteltest.NewRequest(t, ctx, test.method, "https://example.com/items/1", nil))
		if got := tel.OnlySpan().Name; got != test.want {
			t.Errorf("name = %q, want %q (%s)", got, test.want, test.reason)
		}
	}
}

func TestScope(t *testing.T) {
	want := instrumentation.Scope{Name: "github.com/otelhttpclient/otelhttpclient", Version: otelhttpclient.Version, SchemaURL: semconv.SchemaURL}
	tel := oteltest.New(t)
	oteltest.MustSend(t, instrumented.Transport(tel, oteltest.Answer(200)), oteltest.NewRequest(t, t.Context(), "GET", "https://example.com/", nil))
	if got := tel.OnlySpan().InstrumentationScope; got != want {
		t.Errorf("scope of the span = %+v, want %+v", got, want)
	}
	if scopes := tel.Collect(); len(scopes) != 1 || scopes[0].Scope != want {
		t.Errorf("scopes of the metrics = %+v, want only %+v", scopes, want)
	}
}
