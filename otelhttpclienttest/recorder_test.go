package otelhttpclienttest

import (
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"go.opentelemetry.io/otel/attribute"

	"github.com/otelhttpclient/otelhttpclient"
)

func TestRecorder(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") }))
	defer server.Close()
	rec := NewRecorder(nil, otelhttpclient.WithOptInMetrics(otelhttpclient.MetricResponseBodySize, otelhttpclient.MetricActiveRequests))
	defer rec.Client().CloseIdleConnections()
	const n = 10
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			resp, err := rec.Client().Get(server.URL)
			if err != nil {
				t.Error(err)
				return
			}
			defer resp.Body.Close()
			if _, err := io.Copy(io.Discard, resp.Body); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if spans, requests := len(rec.Spans()), len(rec.Requests()); spans != n || requests != n {
		t.Errorf("got %d spans and %d requests, want %d of each", spans, requests, n)
	}
	for _, c := range []struct {
		reason, metric string
		with           []attribute.KeyValue
		sum            float64
		count          uint64
	}{
		{"a histogram of integers", "http.client.response.body.size", nil, n * 5, n},
		{"an attribute", "http.client.response.body.size", []attribute.KeyValue{attribute.Int("http.response.status_code", 200)}, n * 5, n},
		{"another value", "http.client.response.body.size", []attribute.KeyValue{attribute.Int("http.response.status_code", 404)}, 0, 0},
		{"an up-down counter", "http.client.active_requests", nil, 0, 0},
		{"no such metric", "none", nil, 0, 0},
	} {
		if sum, count := rec.Sum(c.metric, c.with...); sum != c.sum || count != c.count {
			t.Errorf("%s: Sum(%q): got %v, %d, want %v, %d", c.reason, c.metric, sum, count, c.sum, c.count)
		}
	}
	if v := rec.Spans()[0].Attribute("none"); v.Type() != attribute.EMPTY {
		t.Errorf("Attribute of an absent key: got %v, want the zero Value", v)
	}
	if _, ended := rec.SpanOf(httptest.NewRequest(http.MethodGet, "/", nil)); ended {
		t.Error("SpanOf another request: got a span, want none")
	}
	rec.Reset()
	if len(rec.Spans()) != 0 || len(rec.Requests()) != 0 {
		t.Error("after Reset: got spans or requests, want none")
	}
}
