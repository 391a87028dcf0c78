package body

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"time"
	"unsafe"

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

// The type of a body shows that its stream has ended with the headers.
func TestBodiesOfHTTP2(t *testing.T) {
	server := oteltest.NewServer(t, "2", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/body" {
			_, _ = io.WriteString(w, "body")
		}
	})
	for path, want := range map[string]bool{"/": true, "/body": false} {
		resp := oteltest.Open(t, server.Base, oteltest.NewRequest(t, t.Context(), http.MethodGet, server.URL+path, nil))
		if got := Absent(resp); got != want {
			t.Errorf("%s: got no body %v, want %v: type %T, length %d", path, got, want, resp.Body, resp.ContentLength)
		}
		oteltest.Discard(resp)
	}
}

// A body without an owner is wrapped only for its trailers.
func TestWrapWithoutOwner(t *testing.T) {
	trailer := http.Header{"A": {"1"}}
	for name, length := range map[string]int64{"no trailers": 4, "trailers": -1} {
		base := &http.Response{ProtoMajor: 1, ContentLength: length, Body: io.NopCloser(strings.NewReader("fine"))}
		r := new(Response)
		resp := r.Copy(base)
		r.Wrap(nil)
		base.Trailer = trailer
		if wrapped := resp.Body != base.Body; wrapped != (length < 0) {
			t.Errorf("%s: wrapped: %v", name, wrapped)
		}
		if text, err := io.ReadAll(resp.Body); string(text) != "fine" || err != nil || resp.Body.Close() != nil {
			t.Errorf("%s: got %q, %v", name, text, err)
		}
		if (resp.Trailer != nil) != (length < 0) {
			t.Errorf("%s: got trailers %v", name, resp.Trailer)
		}
		if OwnerOf(resp.Body) != nil {
			t.Errorf("%s: got an owner, want none", name)
		}
	}
}

// A body ends once: by EOF, an error, a panic or Close, whichever is first.
func TestEnds(t *testing.T) {
	broken := errors.New("broken")
	for name, row := range map[string]struct {
		body io.Reader
		use  func(io.ReadCloser)
		want error
	}{
		"end":    {strings.NewReader("fine"), func(b io.ReadCloser) { _, _ = io.ReadAll(b) }, nil},
		"error":  {iotest.ErrReader(broken), func(b io.ReadCloser) { _, _ = io.ReadAll(b) }, broken},
		"closed": {iotest.ErrReader(broken), func(b io.ReadCloser) { b.Close(); _, _ = io.ReadAll(b) }, nil},
		"panic": {nil, func(b io.ReadCloser) {
			defer func() { _ = recover() }()
			_, _ = b.Read(nil)
		}, ErrPanic},
	} {
		o := &owner{ended: make(chan End, 10)}
		resp := wrapped(row.body, o)
		if OwnerOf(resp.Body) != o {
			t.Errorf("%s: got owner %v, want %v", name, OwnerOf(resp.Body), o)
		}
		row.use(resp.Body)
		resp.Body.Close()
		if n, e := len(o.ended), <-o.ended; n != 1 || e != (End{Err: row.want}) {
			t.Errorf("%s: %d ends, the first %+v, want one with error %v", name, n, e, row.want)
		}
	}
}

// owner is an Owner that records how it ended.
type owner struct {
	Progress
	start time.Time
	ended chan End
}

func (o *owner) StartTime() time.Time { return o.start }
func (o *owner) End(e End)            { o.ended <- e }

// wrapped returns a response with a body of the text, which ends the owner.
func wrapped(body io.Reader, o Owner) *http.Response {
	r := new(Response)
	resp := r.Copy(&http.Response{StatusCode: http.StatusOK, ContentLength: -1, ProtoMajor: 1, Body: struct{ io.ReadCloser }{io.NopCloser(body)}})
	r.Wrap(o)
	return resp
}
