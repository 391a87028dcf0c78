package otelhttpclient_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"

	"github.com/otelhttpclient/otelhttpclient"
)

// Each test is named for the rule of docs/conventions.md that it checks.

func TestRuleMethodIsKnownOrOther(t *testing.T) {
	for _, test := range []struct{ method, want, original, name, reason string }{
		{"", "GET", "", "GET", "an empty Request.Method means GET"},
		{"QUERY", "QUERY", "", "QUERY", "known"},
		{"get", "_OTHER", "get", "HTTP", "methods are compared in exact case"},
		{"FROB", "_OTHER", "FROB", "HTTP", "unknown"},
	} {
		tel := newTelemetry(t)
		req := newConventionsRequest(t, t.Context(), "GET", "https://example.com/", nil)
		req.Method = test.method
		mustExchange(t, tel.transport(answerWith(200)), req)
		span := tel.onlySpan()
		wantAttribute(t, span.Attributes, "http.request.method", test.want)
		if test.original != "" {
			wantAttribute(t, span.Attributes, "http.request.method_original", test.original)
		} else {
			wantAttribute(t, span.Attributes, "http.request.method_original", nil)
		}
		if span.Name != test.name {
			t.Errorf("%q (%s): name = %q, want %q", test.method, test.reason, span.Name, test.name)
		}
	}
}

func TestRuleKnownMethodsFromEnvironment(t *testing.T) {
	t.Setenv("OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS", "FROB, get")
	span := spanOf(t, answerWith(200), "https://example.com/")
	wantAttribute(t, span.Attributes, "http.request.method", "_OTHER") // GET is not on the list
	span = spanOf(t, answerWith(200), "https://example.com/", otelhttpclient.WithKnownMethods("GET"))
	wantAttribute(t, span.Attributes, "http.request.method", "GET") // the option wins
}

func TestRuleServerAddressAndPort(t *testing.T) {
	for _, test := range []struct {
		url, host, address string
		port               int
		reason             string
	}{
		{"https://example.com/", "", "example.com", 443, "https implies 443"},
		{"http://example.com/", "", "example.com", 80, "http implies 80"},
		{"http://example.com:8080/", "", "example.com", 8080, "as written"},
		{"http://[::1]:8080/", "", "::1", 8080, "no brackets"},
		{"http://10.0.0.1:8080/", "api.internal", "api.internal", 80, "Request.Host is what is addressed"},
		{"http://10.0.0.1:8080/", "api.internal:81", "api.internal", 81, "with its port"},
	} {
		tel := newTelemetry(t)
		req := newConventionsRequest(t, t.Context(), "GET", test.url, nil)
		if test.host != "" {
			req.Host = test.host
		}
		mustExchange(t, tel.transport(answerWith(200)), req)
		span := tel.onlySpan()
		t.Log(test.url, test.host, test.reason)
		wantAttribute(t, span.Attributes, "server.address", test.address)
		wantAttribute(t, span.Attributes, "server.port", test.port)
		point := pointAttributes(tel.secondsOf("http.client.request.duration"))
		wantAttribute(t, point, "server.address", test.address)
		wantAttribute(t, point, "server.port", test.port)
	}
}

func TestRuleStatus(t *testing.T) {
	for _, test := range []struct {
		status int
		code   codes.Code
		want   any
	}{
		{200, codes.Unset, nil}, {304, codes.Unset, nil}, {400, codes.Error, "400"}, {404, codes.Error, "404"},
		{503, codes.Error, "503"}, {600, codes.Error, "600"}, {42, codes.Error, "42"},
	} {
		tel := newTelemetry(t)
		mustExchange(t, tel.transport(answerWith(test.status)), newConventionsRequest(t, t.Context(), "GET", "https://example.com/", nil))
		span := tel.onlySpan()
		wantStatus(t, span, test.code)
		if span.Status.Description != "" {
			t.Errorf("%d: description = %q, want none", test.status, span.Status.Description)
		}
		wantAttribute(t, span.Attributes, "error.type", test.want)
		wantAttribute(t, pointAttributes(tel.secondsOf("http.client.request.duration")), "error.type", test.want)
	}
}

func TestRuleProtocolVersionAndPeerOnBothVersions(t *testing.T) {
	onBothVersions(t, func(t *testing.T, version string) {
		w := newWire(t, version, func(rw http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(rw, "ok") })
		tel := newTelemetry(t)
		mustExchange(t, tel.transport(w.Client().Transport), newConventionsRequest(t, t.Context(), "GET", w.URL, nil))
		span := tel.onlySpan()
		want := strings.TrimPrefix(version, "HTTP/")
		wantAttribute(t, span.Attributes, "network.protocol.version", want)
		wantAttribute(t, span.Attributes, "network.peer.address", w.host())
		wantAttribute(t, span.Attributes, "network.peer.port", w.port())
		wantKeys(t, "span", span.Attributes, "http.request.method", "server.address", "server.port", "url.full",
			"http.response.status_code", "network.protocol.version", "network.peer.address", "network.peer.port")
		wantKeys(t, "duration", pointAttributes(tel.secondsOf("http.client.request.duration")),
			"http.request.method", "server.address", "server.port", "http.response.status_code", "network.protocol.version")
	})
}

func TestRuleSizesAreThoseReallySentAndReceived(t *testing.T) {
	onBothVersions(t, func(t *testing.T, version string) {
		w := newWire(t, version, func(rw http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			rw.(http.Flusher).Flush() // without a length
			_, _ = io.WriteString(rw, strings.Repeat("y", 3000))
		})
		tel := newTelemetry(t)
		rt := tel.transport(w.Client().Transport,
			otelhttpclient.WithOptInAttributes("http.request.body.size", "http.response.body.size"),
			otelhttpclient.WithOptInMetrics(otelhttpclient.MetricRequestBodySize, otelhttpclient.MetricResponseBodySize, otelhttpclient.MetricActiveRequests))
		body := struct{ io.Reader }{strings.NewReader(strings.Repeat("x", 5000))} // a stream
		mustExchange(t, rt, newConventionsRequest(t, t.Context(), "POST", w.URL, body))
		span := tel.onlySpan()
		wantAttribute(t, span.Attributes, "http.request.body.size", 5000)
		wantAttribute(t, span.Attributes, "http.response.body.size", 3000)
		if p := tel.bytesOf("http.client.request.body.size"); p.Count != 1 || p.Sum != 5000 {
			t.Errorf("request sizes: got %d of %d bytes, want 1 of 5000", p.Count, p.Sum)
		}
		if p := tel.bytesOf("http.client.response.body.size"); p.Count != 1 || p.Sum != 3000 {
			t.Errorf("response sizes: got %d of %d bytes, want 1 of 3000", p.Count, p.Sum)
		}
		if got := tel.countOf("http.client.active_requests", attribute.String("http.request.method", "POST")); got != 0 {
			t.Errorf("active requests: got %d, want 0", got)
		}
	})
}

func TestRuleOldNamesBesideTheStableOnes(t *testing.T) {
	t.Setenv("OTEL_SEMCONV_STABILITY_OPT_IN", "http/dup")
	tel := newTelemetry(t)
	mustExchange(t, tel.transport(answerWith(200)), newConventionsRequest(t, t.Context(), "GET", "https://example.com/?sig=abc", nil))
	span := tel.onlySpan()
	wantAttribute(t, span.Attributes, "http.method", "GET")
	wantAttribute(t, span.Attributes, "http.url", "https://example.com/?sig=REDACTED")
	wantAttribute(t, span.Attributes, "http.status_code", 200)
	wantAttribute(t, span.Attributes, "net.peer.name", "example.com")
	wantAttribute(t, span.Attributes, "net.peer.port", 443)
	wantAttribute(t, span.Attributes, "http.request.method", "GET")
	if m, ok := tel.metric("http.client.duration"); !ok || m.Unit != "ms" {
		t.Errorf("http.client.duration: got %v in %q, want it in ms", ok, m.Unit)
	}
}
