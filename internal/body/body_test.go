package body

import (
	"io"
	"net/http"
	"strconv"
	"testing"
	"time"
	"unsafe"

	"github.com/otelhttpclient/otelhttpclient/internal/identity"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

// TestSizeOfBody checks that the body and the caller's response are in one
// allocation of this size class.
func TestSizeOfBody(t *testing.T) {
	if strconv.IntSize != 64 {
		t.Skip("sizes of 64-bit platforms")
	}
	if got, want := unsafe.Sizeof(Response{}), uintptr(224); got > want {
		t.Errorf("Response: %d bytes, want at most %d", got, want)
	}
	if got := unsafe.Offsetof(Response{}.response); got != 0 {
		t.Errorf("response: at %d, want 0, for runtime.SetFinalizer", got)
	}
}

// The type of a body shows that it is one of HTTP/2.
func TestBodiesOfHTTP2(t *testing.T) {
	server := oteltest.NewServer(t, "2", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/body" {
			_, _ = io.WriteString(w, "body")
		}
	})
	for path, want := range map[string]bool{"/": true, "/body": false} {
		resp := oteltest.Open(t, server.Base, oteltest.NewRequest(t, t.Context(), http.MethodGet, server.URL+path, nil))
		if !isHTTP2s(resp.Body) {
			t.Errorf("%s: body of HTTP/2: got type %T of %q, want a package that isHTTP2s knows", path, resp.Body, identity.PackageOf(resp.Body))
		}
		if got := Absent(resp); got != want {
			t.Errorf("%s: got no body %v, want %v: type %T, length %d", path, got, want, resp.Body, resp.ContentLength)
		}
		oteltest.Discard(resp)
	}
}

// owner is an Owner that records how it ended.
type owner struct {
	Progress
	start time.Time
	ends  []End
}

func (o *owner) StartTime() time.Time { return o.start }
func (o *owner) End(e End)            { o.ends = append(o.ends, e) }

// wrapped returns a response with a body of the text, which ends the owner.
func wrapped(body io.Reader, o Owner) *http.Response {
	r := new(Response)
	resp := r.Copy(&http.Response{StatusCode: http.StatusOK, ContentLength: -1, ProtoMajor: 1, Body: struct{ io.ReadCloser }{io.NopCloser(body)}})
	r.Wrap(o)
	return resp
}
