// Package body is about the bodies of responses and requests. It gives the caller
// of a Transport a response of its own, whose body ends an exchange: when it is
// read to its end, fails, is closed, or is found forgotten. It counts what is
// received, and what is sent of a request's body. It is given the exchange as an
// [Owner], and does not know what that records.
package body

import (
	"errors"
	"io"
	"net/http"
	"reflect"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// Owner is an exchange that ends with a response's body. It embeds a [Progress].
// Its methods may be called concurrently.
type Owner interface {
	StartTime() time.Time
	End(End) // once
	progress() *Progress
}

// End is how an exchange ends.
type End struct {
	Err       error     // of RoundTrip, or of reading the body
	At        time.Time // zero: now
	Abandoned bool      // the body was neither read to its end nor closed
}

// ErrPanic is the error of an exchange whose base panicked or called
// runtime.Goexit.
var ErrPanic = errors.New("base panicked")

// Response is the response that the caller gets, and its body, in one allocation.
// base's own response is never written: base may keep it, as caches and mocks do,
// and net/http reads it after the body's end. If the body were in it, a forgotten
// body would stay reachable.
//
// Only the caller refers to a Response, and the list of recent bodies for a short
// time.
type Response struct {
	response http.Response // first: SetFinalizer takes only the beginning of an allocation

	owner    Owner
	progress *Progress // the owner's; nil without an owner
	base     io.ReadCloser
	original atomic.Pointer[http.Response] // base's, until its trailers are copied; nil: there are none
	ended    atomic.Bool                   // nothing that follows counts

	// See recent.
	shard      uint8
	next       *body
	pointsHere **body           // nil: not in the list
	cleanup    *runtime.Cleanup // nil unless the body was in the list during a collection
}

// Copy makes r a copy of base's response, and returns it.
func (r *Response) Copy(resp *http.Response) *http.Response {
	r.response = *resp
	if mayHaveTrailers(resp) {
		r.original.Store(resp) // else it is freed
	}
	return &r.response
}

// Wrap makes the body end the owner's exchange. Without an owner, the body is
// wrapped only if trailers may have to be copied.
func (r *Response) Wrap(owner Owner) {
	if owner == nil && (r.original.Load() == nil || Absent(&r.response)) {
		return
	}
	b := (*body)(r)
	b.base = r.response.Body
	r.response.Body = b.withInterfaces()
	if owner == nil {
		b.ended.Store(true)
		return
	}
	b.owner, b.progress = owner, owner.progress()
	b.progress.Add(0)
	watch(b)
}

// OwnerOf returns the owner of a wrapped body, or nil.
func OwnerOf(rc io.ReadCloser) Owner {
	if b, ok := rc.(interface{ ownedBy() Owner }); ok {
		return b.ownedBy()
	}
	return nil
}

// Absent reports whether a response is known to have no body, so that its headers
// end the exchange. A ContentLength of 0, or the status 304, is no proof: on HTTP/2
// trailers may follow, or a reset of the stream.
func Absent(resp *http.Response) bool {
	return resp.Body == nil || resp.Body == http.NoBody || resp.ProtoMajor == 2 && isHTTP2sNoBody(resp.Body)
}

// isHTTP2sNoBody reports whether a body is that of the HTTP/2 client of
// golang.org/x/net/http2, or of net/http before Go 1.27, for a stream that has ended
// with its headers.
func isHTTP2sNoBody(body io.ReadCloser) bool {
	switch reflect.TypeOf(body).String() {
	case "http.http2noBodyReader", "http2.noBodyReader":
		return true
	}
	return false
}

// mayHaveTrailers reports whether trailers may come that are not in the
// response's map yet. In HTTP/1, only a body of unknown length has trailers.
func mayHaveTrailers(resp *http.Response) bool {
	return (resp.ProtoMajor != 1 || resp.ContentLength < 0) && !Absent(resp)
}

// body is a [Response] as the body of its response.
type body Response

func (b *body) ownedBy() Owner { return b.owner }

func (b *body) Read(p []byte) (n int, err error) {
	panicked := true
	defer func() { b.endIf(panicked) }()
	n, err = b.base.Read(p)
	panicked = false
	b.afterRead(int64(n), err)
	return n, err
}

func (b *body) afterRead(n int64, err error) {
	b.progress.Add(n)
	if err == nil {
		return
	}
	// HTTP/2 has trailers even if the body is shorter than its Content-Length.
	// They are not copied once the body is closed: since Go 1.27, net/http itself
	// then reads on.
	if err == io.EOF || err == io.ErrUnexpectedEOF || !b.ended.Load() {
		b.copyTrailers()
	}
	if err == io.EOF {
		err = nil
	}
	b.end(End{Err: err})
}

// trailerLock is for bodies that several goroutines read: each returns the end
// after the trailers are copied.
var trailerLock sync.Mutex

// copyTrailers copies the trailers that base has put into its response at the
// end of the body. It copies them once: one goroutine may read again while another
// uses them.
func (b *body) copyTrailers() {
	original := b.original.Load()
	if original == nil || original.Trailer == nil {
		return
	}
	trailerLock.Lock()
	defer trailerLock.Unlock()
	if b.original.Load() != nil {
		b.response.Trailer = original.Trailer
		b.original.Store(nil) // last: later readers do not wait for the lock
	}
}

// Close reports the end first: closing a connection's body may block.
func (b *body) Close() error {
	b.end(End{})
	return b.base.Close()
}

func (b *body) endIf(panicked bool) {
	if panicked {
		b.end(End{Err: ErrPanic})
	}
}

func (b *body) end(e End) {
	if b.ended.Swap(true) {
		return // Close follows EOF
	}
	unwatch(b)
	b.owner.End(e)
}
