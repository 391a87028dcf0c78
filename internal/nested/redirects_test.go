package nested

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
		keptRedirects.Range(func(any, any) bool { n++; return true })
		return n
	}
	for range 10 {
		req, _ := http.NewRequestWithContext(t.Context(), "GET", "https://example.com/", nil)
		resp := &http.Response{StatusCode: 302, Header: http.Header{"Location": {"/b"}}, Body: http.NoBody}
		KeepRedirect(resp, req)
		req.Response = resp
		if got := countRedirects(req); got != 1 {
			t.Errorf("redirects: got %d, want 1", got)
		}
	}
	if kept() == 0 {
		t.Error("0 are kept, want some until they are garbage")
	}
	for deadline := time.Now().Add(10 * time.Second); kept() > 0; {
		if time.Now().After(deadline) {
			t.Fatalf("%d are kept, want none", kept())
		}
		runtime.GC()
		time.Sleep(time.Millisecond)
	}
}
