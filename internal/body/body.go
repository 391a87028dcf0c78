// Package body wraps the bodies of responses and requests. It copies base's
// response and gives the copy a body that ends an exchange: when it is read to its
// end, fails, is closed, or becomes unreachable. It counts the bytes of both
// bodies. It is given the exchange as an [Owner]. It does not depend on what the
// exchange records.
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

// Owner is the exchange that a response body ends. It embeds a [Progress].
// Its methods may be called concurrently.
type Owner interface {
	StartTime() time.Time
	End(End) // a body calls it once
	progress() *Progress
}

// End describes the end of an exchange.
type End struct {
	Err       error     // from RoundTrip, or from reading the body
	At        time.Time // zero: now
	Abandoned bool      // the body was neither read to its end nor closed
}

// ErrPanic is the error of an exchange whose base panicked or called
// runtime.Goexit.
var ErrPanic = errors.New("base panicked")

// Response is the caller's copy of a response and its body, in one allocation.
// base's own response is never changed: base may keep it, as caches and mocks do,
// and net/http reads it after the body's end. If base's response referred to the
// body, a forgotten body would stay reachable.
//
// Only the caller refers to a Response, and for a short time the list of recent
// bodies.
type Response struct {
	response http.Response // first: SetFinalizer takes only the beginning of an allocation

	owner    Owner
	progress *Progress // the owner's, or nil
	base     io.ReadCloser
	original atomic.Pointer[http.Response] // base's response until its trailers are copied; nil: no trailers
	ended    atomic.Bool                   // the owner's End was called, or there is no owner

	// The place in the list of recent bodies.
	shard    uint8
	next     *body
	backLink **body           // the pointer to this body; nil: not in the list
	cleanup  *runtime.Cleanup // nil unless the body was in the list during a collection
}

// Copy makes r a copy of base's response, and returns it.
func (r *Response) Copy(resp *http.Response) *http.Response {
	r.response = *resp
	if mayHaveTrailers(resp) {
		r.original.Store(resp) // without trailers, resp can be freed
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
	addRecent(b)
}

// OwnerOf returns the owner of a wrapped body, or nil.
func OwnerOf(rc io.ReadCloser) Owner {
	if b, ok := rc.(interface{ ownedBy() Owner }); ok {
		return b.ownedBy()
	}
	return nil
}

// Absent reports whether a response is known to have no body, so that its headers
// end the exchange. A ContentLength of 0 or the status 304 do not suffice: on
// HTTP/2, trailers or a reset of the stream may follow.
func Absent(resp *http.Response) bool {
	return resp.Body == nil || resp.Body == http.NoBody || resp.ProtoMajor == 2 && isHTTP2sNoBody(resp.Body)
}

// isHTTP2sNoBody reports whether an HTTP/2 stream ended with its headers: then
// golang.org/x/net/http2, and net/http before Go 1.27, use a body of a type of
// their own.
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

// body is the [io.ReadCloser] of a [Response].
type body Response

func (b *body) ownedBy() Owner { return b.owner }

func (b *body) Read(p []byte) (n int, err error) {
	panicked := true
	defer func() { b.endIfPanicked(panicked) }()
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
	// After Close they are not copied: since Go 1.27, net/http then drains the body
	// itself.
	if err == io.EOF || err == io.ErrUnexpectedEOF || !b.ended.Load() {
		b.copyTrailers()
	}
	if err == io.EOF {
		err = nil
	}
	b.endExchange(End{Err: err})
}

// trailerLock is for bodies that several goroutines read: Read returns io.EOF only
// after the trailers are copied.
var trailerLock sync.Mutex

// copyTrailers copies the trailers that base stored in its response at the end of
// the body. It copies them once: a goroutine may read again while another uses
// them.
func (b *body) copyTrailers() {
	original := b.original.Load()
	if original == nil || original.Trailer == nil {
		return
	}
	trailerLock.Lock()
	defer trailerLock.Unlock()
	if b.original.Load() != nil {
		b.response.Trailer = original.Trailer
		b.original.Store(nil) // last: later readers skip the lock
	}
}

// Close ends the exchange first: base's Close may block.
func (b *body) Close() error {
	b.endExchange(End{})
	return b.base.Close()
}

func (b *body) endIfPanicked(panicked bool) {
	if panicked {
		b.endExchange(End{Err: ErrPanic})
	}
}

func (b *body) endExchange(e End) {
	if b.ended.Swap(true) {
		return // Close follows EOF
	}
	removeRecent(b)
	b.owner.End(e)
}
