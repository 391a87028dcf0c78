package otelhttpclient_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/otelhttpclient/otelhttpclient"
)

// TestDefaultThatWrapsItself: a program makes a wrapper around a Transport with
// a nil base its default transport, which is what the nil base means.
func TestDefaultThatWrapsItself(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Header.Get("Traceparent"))
	}))
	defer server.Close()
	original := http.DefaultTransport
	defer func() { http.DefaultTransport = original }()

	tel := newTelemetry(t)
	for name, options := range map[string][]otelhttpclient.Option{"with an SDK": tel.options(), "without": nil} {
		inner := otelhttpclient.NewTransport(nil, options...)
		http.DefaultTransport = roundTripFunc(inner.RoundTrip)

		req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, server.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatalf("%s: got error %v, want none", name, err)
		}
		if resp.Request != req {
			t.Errorf("%s: the response names another request than the caller's", name)
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
	}
	if got := len(tel.spans()); got != 1 {
		t.Errorf("got %d spans, want 1", got)
	}
}
