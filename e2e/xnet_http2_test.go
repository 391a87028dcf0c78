//lint:file-ignore SA1019 programs still use the deprecated transport, and it has body types of its own

package e2e

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"golang.org/x/net/http2"
)

// With golang.org/x/net/http2 as base, the span of a response without a body ends
// at the headers.
func TestXNetHTTP2(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	base := &http2.Transport{TLSClientConfig: server.Client().Transport.(*http.Transport).TLSClientConfig.Clone()}
	defer base.CloseIdleConnections()

	r := newRecorder(t)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := r.transport(base).RoundTrip(req)
	if err != nil {
		t.Fatalf("RoundTrip() = %v, want no error", err)
	}
	defer resp.Body.Close()
	if resp.ProtoMajor != 2 {
		t.Errorf("protocol: got %s, want HTTP/2.0", resp.Proto)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := len(r.ended); n != 1 {
		t.Errorf("spans that ended at the headers, before the body was closed: got %d, want 1; the body is a %T", n, resp.Body)
	}
}
