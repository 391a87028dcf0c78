package otelhttpclient_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/otelhttpclient/otelhttpclient"
)

// wire is a server, and a transport of its own that speaks to it.
type wire struct {
	*httptest.Server
	base    *http.Transport
	version string // as network.protocol.version has it
}

// quiet is where servers may complain of what the tests do to them.
var quiet = log.New(io.Discard, "", 0)

// newWire starts a server of the version "1.1" or "2".
func newWire(t *testing.T, version string, h http.HandlerFunc) *wire {
	t.Helper()
	w := &wire{version: version}
	if version == "2" {
		w.Server = httptest.NewUnstartedServer(h)
		w.EnableHTTP2 = true
		w.Config.ErrorLog = quiet
		w.StartTLS()
		w.base = w.Client().Transport.(*http.Transport)
	} else {
		w.Server = httptest.NewUnstartedServer(h)
		w.Config.ErrorLog = quiet
		w.Start()
		w.base = &http.Transport{}
	}
	t.Cleanup(func() {
		w.base.CloseIdleConnections()
		w.CloseClientConnections()
		w.Close()
	})
	return w
}

func (w *wire) host() string { return w.Listener.Addr().(*net.TCPAddr).IP.String() }
func (w *wire) port() int    { return w.Listener.Addr().(*net.TCPAddr).Port }

// onBothVersions runs a test on HTTP/1.1 and on HTTP/2.
func onBothVersions(t *testing.T, f func(t *testing.T, version string)) {
	t.Helper()
	for _, version := range []string{"1.1", "2"} {
		t.Run("HTTP/"+version, func(t *testing.T) { f(t, version) })
	}
}

// newRawServer accepts connections and gives each of them, after the header of
// a request has come, to serve, which is to close it.
func newRawServer(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				var got []byte
				for b := make([]byte, 4096); !strings.Contains(string(got), "\r\n\r\n"); {
					n, err := c.Read(b)
					if err != nil {
						return
					}
					got = append(got, b[:n]...)
				}
				serve(c)
			}()
		}
	}()
	return "http://" + l.Addr().String()
}

func newConventionsRequest(t *testing.T, ctx context.Context, method, url string, body io.Reader) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	return req
}

// exchange makes a request and reads the answer to its end. It returns the
// status, or 0, and the error of either.
func exchange(rt http.RoundTripper, req *http.Request) (status int, err error) {
	resp, err := rt.RoundTrip(req)
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	return resp.StatusCode, err
}

// mustExchange is exchange for what does not fail.
func mustExchange(t *testing.T, rt http.RoundTripper, req *http.Request) {
	t.Helper()
	if _, err := exchange(rt, req); err != nil {
		t.Fatalf("%s %s: %v, want no error", req.Method, req.URL, err)
	}
}

// answerWith is a base that answers with a status and no body.
func answerWith(status int) roundTripFunc {
	return func(req *http.Request) (*http.Response, error) {
		return &http.Response{
			StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
			Header: http.Header{}, Body: http.NoBody, Request: req,
		}, nil
	}
}

// transport is a Transport that leads to this SDK.
func (tel *telemetry) transport(base http.RoundTripper, extra ...otelhttpclient.Option) *otelhttpclient.Transport {
	return otelhttpclient.NewTransport(base, tel.options(extra...)...)
}

// spanOf is the one span of a GET through base.
func spanOf(t *testing.T, base http.RoundTripper, url string, extra ...otelhttpclient.Option) tracetest.SpanStub {
	t.Helper()
	tel := newTelemetry(t)
	mustExchange(t, tel.transport(base, extra...), newConventionsRequest(t, t.Context(), "GET", url, nil))
	return tel.onlySpan()
}

// wantAttribute checks one attribute; a nil want: it is absent.
func wantAttribute(t *testing.T, in []attribute.KeyValue, key attribute.Key, want any) {
	t.Helper()
	v, ok := attrs(in)[key]
	switch {
	case want == nil && ok:
		t.Errorf("%s = %v, want it absent", key, v.AsInterface())
	case want != nil && !ok:
		t.Errorf("%s is absent, want %v", key, want)
	case want != nil && fmt.Sprint(v.AsInterface()) != fmt.Sprint(want):
		t.Errorf("%s = %v, want %v", key, v.AsInterface(), want)
	}
}

// wantStatus checks the span's status.
func wantStatus(t *testing.T, s tracetest.SpanStub, code codes.Code) {
	t.Helper()
	if s.Status.Code != code {
		t.Errorf("span status = %v %q, want %v", s.Status.Code, s.Status.Description, code)
	}
}

// wantKeys checks that attributes have these keys, no more and no less.
func wantKeys(t *testing.T, what string, in []attribute.KeyValue, want ...string) {
	t.Helper()
	var got []string
	for _, kv := range in {
		got = append(got, string(kv.Key))
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("attributes of %s:\n got %q\nwant %q", what, got, want)
	}
}

// secondsOf is the one data point of a histogram of float64.
func (tel *telemetry) secondsOf(name string) metricdata.HistogramDataPoint[float64] {
	tel.t.Helper()
	m, ok := tel.metric(name)
	h, isHistogram := m.Data.(metricdata.Histogram[float64])
	if !ok || !isHistogram || len(h.DataPoints) != 1 {
		tel.t.Fatalf("%s = %+v, want a float64 histogram with one data point", name, m.Data)
	}
	return h.DataPoints[0]
}

// bytesOf is the one data point of a histogram of int64.
func (tel *telemetry) bytesOf(name string) metricdata.HistogramDataPoint[int64] {
	tel.t.Helper()
	m, ok := tel.metric(name)
	h, isHistogram := m.Data.(metricdata.Histogram[int64])
	if !ok || !isHistogram || len(h.DataPoints) != 1 {
		tel.t.Fatalf("%s = %+v, want an int64 histogram with one data point", name, m.Data)
	}
	return h.DataPoints[0]
}

// countOf is the value of an up-down counter, summed over its data points that
// have this attribute; an empty key: over all.
func (tel *telemetry) countOf(name string, with attribute.KeyValue) (n int64) {
	tel.t.Helper()
	m, _ := tel.metric(name)
	sum, _ := m.Data.(metricdata.Sum[int64])
	for _, p := range sum.DataPoints {
		if v, _ := p.Attributes.Value(with.Key); with.Key == "" || v == with.Value {
			n += p.Value
		}
	}
	return n
}

// eventually waits for what no channel tells.
func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); !f(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 5 s, want it soon", what)
		}
	}
}

// neverSample has no span recorded.
var neverSample = sdktrace.NeverSample()

// closedPort is the URL of a port that nobody listens at.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return "http://" + l.Addr().String()
}

// untrusting is a transport that does not know the test server's authority.
func untrusting() *http.Transport {
	return &http.Transport{TLSClientConfig: &tls.Config{}, ForceAttemptHTTP2: true}
}

func pointAttributes(p metricdata.HistogramDataPoint[float64]) []attribute.KeyValue {
	return p.Attributes.ToSlice()
}

// ruleErrors are errors of package net/http and of those below, by the
// error.type that each has when it is alone.
func ruleErrors() map[string]error {
	return map[string]error{
		"timeout":                 context.DeadlineExceeded,
		"name_resolution_error":   &net.DNSError{Err: "no such host", Name: "shop.invalid", IsNotFound: true},
		"secure_connection_error": x509.UnknownAuthorityError{},
		"connection_error":        &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")},
		"response_ended":          io.ErrUnexpectedEOF,
		"http_protocol_error":     textproto.ProtocolError("malformed MIME header line"),
	}
}

// ruleAllMetrics switches all opt-in metrics on.
func ruleAllMetrics() otelhttpclient.Option {
	return otelhttpclient.WithOptInMetrics(otelhttpclient.MetricRequestBodySize, otelhttpclient.MetricResponseBodySize,
		otelhttpclient.MetricActiveRequests, otelhttpclient.MetricOpenConnections, otelhttpclient.MetricConnectionDuration)
}

// ruleMetricNames are the names of all metrics that have been recorded.
func ruleMetricNames(t *testing.T, tel *telemetry) map[string]bool {
	t.Helper()
	var rm metricdata.ResourceMetrics
	if err := tel.reader.Collect(t.Context(), &rm); err != nil {
		t.Fatalf("Collect = %v, want no error", err)
	}
	names := map[string]bool{}
	for _, sm := range rm.ScopeMetrics {
		for _, m := range sm.Metrics {
			names[m.Name] = true
		}
	}
	return names
}

// ruleWantCounts checks all data points of an up-down counter, by their
// attributes.
func ruleWantCounts(t *testing.T, tel *telemetry, name, when string, want map[attribute.Set]int64) {
	t.Helper()
	m, _ := tel.metric(name)
	sum, _ := m.Data.(metricdata.Sum[int64])
	got := map[attribute.Set]int64{}
	for _, p := range sum.DataPoints {
		got[p.Attributes] = p.Value
	}
	if maps.Equal(got, want) {
		return
	}
	text := func(counts map[attribute.Set]int64) (s string) {
		for set, n := range counts {
			s += fmt.Sprintf("\n  %d of %s", n, set.Encoded(attribute.DefaultEncoder()))
		}
		return s
	}
	t.Errorf("%s when %s:\n got%s\nwant%s", name, when, text(got), text(want))
}

// ruleWantBytes checks the one size that a histogram has recorded; nil: none.
func ruleWantBytes(t *testing.T, tel *telemetry, name string, want any) {
	t.Helper()
	if want == nil {
		if m, ok := tel.metric(name); ok {
			t.Errorf("%s = %+v, want nothing recorded", name, m.Data)
		}
		return
	}
	if p := tel.bytesOf(name); p.Count != 1 || fmt.Sprint(p.Sum) != fmt.Sprint(want) {
		t.Errorf("%s: got %d of %d bytes, want 1 of %v", name, p.Count, p.Sum, want)
	}
}

func ruleSizeAttributes(tel *telemetry, name string) []attribute.KeyValue {
	tel.t.Helper()
	p := tel.bytesOf(name)
	return p.Attributes.ToSlice()
}
