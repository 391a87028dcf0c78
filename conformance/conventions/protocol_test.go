package conventions

import (
	"io"
	"net/http"
	"testing"

	"go.opentelemetry.io/otel/attribute"

	"github.com/otelhttpclient/otelhttpclient/internal/testkit/instrumented"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

func TestStatusCodeNeedsAResponse(t *testing.T) {
	tel := oteltest.New(t)
	_, err := oteltest.Send(instrumented.Transport(tel, &http.Transport{}), oteltest.NewRequest(t, t.Context(), "GET", oteltest.ClosedPort(t), nil))
	if err == nil {
		t.Fatal("error = nil, want that of a closed port")
	}
	oteltest.WantAttribute(t, tel.OnlySpan().Attributes, "http.response.status_code", nil)
	oteltest.WantAttribute(t, tel.DurationAttributes(), "http.response.status_code", nil)

	tel = oteltest.New(t)
	oteltest.MustSend(t, instrumented.Transport(tel, oteltest.Answer(204)), oteltest.NewRequest(t, t.Context(), "GET", "https://example.com/", nil))
	oteltest.WantAttribute(t, tel.OnlySpan().Attributes, "http.response.status_code", 204)
	oteltest.WantAttribute(t, tel.DurationAttributes(), "http.response.status_code", 204)
}

func TestProtocolNameAndVersion(t *testing.T) {
	for _, test := range []struct {
		proto         string
		major, minor  int
		name, version any
	}{
		{"HTTP/1.0", 1, 0, nil, "1.0"},
		{"HTTP/1.1", 1, 1, nil, "1.1"},
		{"HTTP/2.0", 2, 0, nil, "2"},
		{"HTTP/3.0", 3, 0, nil, "3"},
		{"SPDY/3.1", 3, 1, "spdy", "3.1"},
		{"SPDY/3", 3, 0, "spdy", "3"},
		{"", 0, 0, nil, nil},     // unknown
		{"file", 0, 0, nil, nil}, // a name needs a version
		{"HTTP/0.9", 0, 9, nil, nil},
		{"HTTP/1.7", 1, 7, nil, nil}, // an HTTP/1 server may write any
		{"HTTP/9.9", 9, 9, nil, nil},
		{"HTTP/2.5", 2, 5, nil, nil},
		{"ftp/17.4", 17, 4, nil, nil},
		{"no name/1.1", 1, 1, nil, nil},
		{"a-name-of-more-than-16-bytes/1.1", 1, 1, nil, nil},
	} {
		t.Run(test.proto, func(t *testing.T) {
			tel := oteltest.New(t)
			base := oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: 200, Proto: test.proto, ProtoMajor: test.major, ProtoMinor: test.minor, Body: http.NoBody, Request: req}, nil
			})
			oteltest.MustSend(t, instrumented.Transport(tel, base), oteltest.NewRequest(t, t.Context(), "GET", "https://example.com/", nil))
			for _, in := range [][]attribute.KeyValue{
				tel.OnlySpan().Attributes, tel.DurationAttributes(),
			} {
				oteltest.WantAttribute(t, in, "network.protocol.name", test.name)
				oteltest.WantAttribute(t, in, "network.protocol.version", test.version)
			}
		})
	}
}

func TestUnknownProtocolVersion(t *testing.T) {
	tel := oteltest.New(t)
	// The connection is established, but there is no answer with a version.
	url := oteltest.RawServer(t, oteltest.Write(""))
	if _, err := oteltest.Send(instrumented.Transport(tel, &http.Transport{}), oteltest.NewRequest(t, t.Context(), "GET", url, nil)); err == nil {
		t.Fatal("error = nil, want that of a connection that ended")
	}
	oteltest.WantAttribute(t, tel.OnlySpan().Attributes, "network.protocol.version", nil)
	oteltest.WantAttribute(t, tel.OnlySpan().Attributes, "network.peer.address", "127.0.0.1")
	oteltest.WantAttribute(t, tel.DurationAttributes(), "network.protocol.version", nil)
}

func TestProtocolVersionAndPeer(t *testing.T) {
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		w := oteltest.NewServer(t, version, func(rw http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(rw, "ok") })
		tel := oteltest.New(t)
		oteltest.MustSend(t, instrumented.Transport(tel, w.Base), oteltest.NewRequest(t, t.Context(), "GET", w.URL, nil))
		span := tel.OnlySpan()
		oteltest.WantAttribute(t, span.Attributes, "network.protocol.version", version)
		oteltest.WantAttribute(t, span.Attributes, "network.peer.address", w.Host())
		oteltest.WantAttribute(t, span.Attributes, "network.peer.port", w.Port())
		oteltest.WantKeys(t, "span", span.Attributes, "http.request.method", "server.address", "server.port", "url.full",
			"http.response.status_code", "network.protocol.version", "network.peer.address", "network.peer.port")
	})
}
