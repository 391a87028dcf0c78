package otelhttpclient

import (
	"net/http"
	"runtime"
	"testing"
	"time"
)

// TestRedirectsAreNotKept: what is kept of a redirect is freed with the response,
// even if its request refers to it.
func TestRedirectsAreNotKept(t *testing.T) {
	kept := func() (n int) {
		redirectsKept.Range(func(any, any) bool { n++; return true })
		return n
	}
	rt := NewTransport(stub(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 302, Header: http.Header{"Location": {"/b"}}, Body: http.NoBody}, nil
	}))
	for range 10 {
		req, _ := http.NewRequestWithContext(t.Context(), "GET", "https://example.com/", nil)
		resp, err := rt.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		req.Response = resp
	}
	for deadline := time.Now().Add(10 * time.Second); kept() > 0; {
		if time.Now().After(deadline) {
			t.Fatalf("%d are kept, want none", kept())
		}
		runtime.GC()
		time.Sleep(time.Millisecond)
	}
}

type stub func(*http.Request) (*http.Response, error)

func (s stub) RoundTrip(req *http.Request) (*http.Response, error) { return s(req) }
