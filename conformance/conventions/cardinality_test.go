package conventions

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/iotest"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/instrumented"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

// series returns how many series a histogram of seconds has.
func series(tel *oteltest.SDK, name string) int {
	m, _ := tel.Metric(name)
	h, _ := m.Data.(metricdata.Histogram[float64])
	return len(h.DataPoints)
}

// The SDK has room for 2,000 series. If one server fills them, those of all others
// are lost.
func TestServerCannotChooseSeries(t *testing.T) {
	t.Setenv("OTEL_SEMCONV_STABILITY_OPT_IN", "http/dup")
	const many = 3000
	for _, row := range []struct {
		name   string
		answer func(resp *http.Response, i int)
		most   int // series
	}{
		{"any integer as the status", func(resp *http.Response, i int) { resp.StatusCode = 600 + i }, 1},
		{"negative ones", func(resp *http.Response, i int) { resp.StatusCode = -i }, 1},
		{"three digits", func(resp *http.Response, i int) { resp.StatusCode = i%900 + 100 }, 300},
		{"versions of HTTP", func(resp *http.Response, i int) {
			resp.ProtoMajor, resp.ProtoMinor = i%10, i/10%10
			resp.Proto = fmt.Sprintf("HTTP/%d.%d", resp.ProtoMajor, resp.ProtoMinor)
		}, 5},
		{"every status with every version", func(resp *http.Response, i int) {
			resp.StatusCode = 200 + i%400
			version := [][2]int{{1, 1}, {1, 0}, {2, 0}, {3, 0}, {1, 7}}[i/400%5]
			resp.ProtoMajor, resp.ProtoMinor = version[0], version[1]
			resp.Proto = fmt.Sprintf("HTTP/%d.%d", resp.ProtoMajor, resp.ProtoMinor)
		}, 500},
	} {
		t.Run(row.name, func(t *testing.T) {
			tel := oteltest.NewCounting(t)
			n := 0
			rt := instrumented.Transport(tel, oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
				n++
				resp := oteltest.Reply(req, 200, http.NoBody)
				row.answer(resp, n)
				return resp, nil
			}), instrumented.AllMetrics())
			for range many {
				oteltest.Get(t, t.Context(), rt, "https://h.example/")
			}
			for _, name := range []string{"http.client.request.duration", "http.client.duration"} {
				if got := series(tel, name); got == 0 || got > row.most {
					t.Errorf("%s: got %d series, want 1 to %d", name, got, row.most)
				}
			}
		})
	}
}

// net/http's client refuses a redirect to an unknown scheme. The attempt has a span
// and a measurement.
func TestServerCannotChooseSchemes(t *testing.T) {
	tel := oteltest.New(t)
	n := 0
	server := oteltest.NewServer(t, "1.1", func(w http.ResponseWriter, _ *http.Request) {
		n++
		w.Header().Set("Location", fmt.Sprintf("scheme%d://h.example/", n))
		w.WriteHeader(http.StatusFound)
	})
	client := &http.Client{Transport: instrumented.Transport(tel, server.Base, otelhttpclient.WithOptInAttributes(semconv.URLSchemeKey))}
	for range 10 {
		if _, err := client.Get(server.URL); err == nil {
			t.Fatal("a redirect to an unknown scheme: got no error, want net/http's")
		}
	}
	if got := series(tel, "http.client.request.duration"); got != 2 {
		t.Errorf("series: got %d, want 2: those of the server, and of the redirects", got)
	}

	tel = oteltest.New(t)
	rt := instrumented.Transport(tel, oteltest.Answer(200), otelhttpclient.WithOptInAttributes(semconv.URLSchemeKey))
	oteltest.Get(t, t.Context(), rt, "own://h.example/")
	oteltest.WantAttribute(t, tel.DurationAttributes(), semconv.URLSchemeKey, "own")
}

// The span has the status as it was received, the metric only what HTTP has.
func TestStatusThatHTTPDoesNotHave(t *testing.T) {
	for status, want := range map[int]struct{ metric, errorType any }{
		99: {nil, "_OTHER"}, 100: {100, nil}, 599: {599, "599"}, 600: {nil, "_OTHER"}, -5: {nil, "_OTHER"}, 1234567: {nil, "_OTHER"},
	} {
		tel := oteltest.New(t)
		oteltest.Get(t, t.Context(), instrumented.Transport(tel, oteltest.Answer(status)), "https://h.example/")
		span, metric := tel.OnlySpan().Attributes, tel.DurationAttributes()
		oteltest.WantAttribute(t, span, "http.response.status_code", status)
		oteltest.WantAttribute(t, metric, "http.response.status_code", want.metric)
		for _, in := range [][]attribute.KeyValue{span, metric} {
			oteltest.WantAttribute(t, in, "error.type", want.errorType)
		}
	}
}

// An HTTP/1 server writes any three digits and any version.
func TestStatusLineOfARawServer(t *testing.T) {
	url := oteltest.RawServer(t, func(c net.Conn) {
		_, _ = c.Write([]byte("HTTP/1.7 999 Whatever\r\nContent-Length: 100\r\n\r\nbegin"))
	})
	tel := oteltest.New(t)
	status, err := oteltest.Send(instrumented.Transport(tel, &http.Transport{}), oteltest.NewRequest(t, context.Background(), "GET", url, nil))
	if status != 999 || err == nil {
		t.Fatalf("got status %d and error %v, want 999 and a short body", status, err)
	}
	span := tel.OnlySpan()
	if span.Status.Description != "" {
		t.Errorf("description: got %q, want none: the response was an error before its body failed", span.Status.Description)
	}
	oteltest.WantAttribute(t, span.Attributes, "error.type", "_OTHER")
	oteltest.WantAttribute(t, span.Attributes, "network.protocol.version", nil)
	oteltest.WantAttribute(t, tel.DurationAttributes(), "network.protocol.version", nil)
	oteltest.WantAttribute(t, tel.DurationAttributes(), "http.response.status_code", nil)
}

// The SDK keeps 128 attributes of a span and drops the rest. Headers that are
// captured leave room for what is known at the end.
func TestCapturedHeadersLeaveRoom(t *testing.T) {
	tel := oteltest.New(t)
	many := http.Header{}
	for i := range 200 {
		many.Set(fmt.Sprintf("X-%d", i), "v")
	}
	rt := instrumented.Transport(tel, oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		resp := oteltest.Reply(req, http.StatusOK, io.NopCloser(iotest.ErrReader(io.ErrUnexpectedEOF)))
		resp.Header = many
		return resp, nil
	}), otelhttpclient.WithRequestHeaders("*"), otelhttpclient.WithResponseHeaders("*"))
	req := oteltest.NewRequest(t, t.Context(), http.MethodGet, "https://h.example/", nil)
	req.Header = many.Clone()
	resp := oteltest.Open(t, rt, req)
	_, _ = io.ReadAll(resp.Body)
	span := tel.OnlySpan()
	if got := oteltest.Attributes(span.Attributes)["error.type"].AsString(); got != "response_ended" || span.DroppedAttributes > 0 {
		t.Errorf("error.type: got %q with %d attributes dropped, want response_ended and none", got, span.DroppedAttributes)
	}
}
