package otelhttpclient

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/metric"

	"github.com/otelhttpclient/otelhttpclient/internal/callback"
	"github.com/otelhttpclient/otelhttpclient/internal/identity"
)

// download is the progress of a response body.
type download struct {
	received     atomic.Int64 // bytes
	lastActivity atomic.Int64 // nanoseconds since processStart
}

// processStart is what the monotonic clock is read against, which takes half the
// time of time.Now.
var processStart = time.Now()

// progress records an activity, in case the body is never closed, and the bytes
// that were received with it.
func (d *download) progress(n int64) {
	if n > 0 {
		d.received.Add(n)
	}
	d.lastActivity.Store(int64(time.Since(processStart)))
}

// lastActive returns the time of the latest activity. It is relative to start,
// so that it moves with that if the clock is set or the machine is suspended. If
// start has no monotonic time, it is relative to now.
func (d *download) lastActive(start time.Time) time.Time {
	now := time.Now()
	ago := now.Sub(processStart) - time.Duration(d.lastActivity.Load())
	at := now.Add(-ago)
	if start != start.Round(0) { // Round removes the monotonic time
		at = start.Add(at.Sub(start))
	}
	return at
}

// bodyOwner is told what happens to a response body. Its methods may be called
// concurrently.
type bodyOwner interface {
	over() bool       // nothing that follows counts
	progress(n int64) // bytes were received, or there was another activity
	finish(ending)
	lastActive() time.Time
}

// noOwner is the owner of a body that nothing is recorded of.
type noOwner struct{}

func (noOwner) over() bool            { return true }
func (noOwner) progress(int64)        {}
func (noOwner) finish(ending)         {}
func (noOwner) lastActive() time.Time { return time.Time{} }

func (x *exchange) over() bool            { return x.ended.Load() }
func (x *exchange) progress(n int64)      { x.download.progress(n) }
func (x *exchange) lastActive() time.Time { return x.download.lastActive(x.startTime()) }

// receivedBytes returns the size of the response body, if it is known: the span
// lasts until the body's end, net/http did not decompress it, and base did not
// return an error.
func (x *exchange) receivedBytes() (n int64, known bool) {
	if x.outcome.status == 0 || x.sizeUnknown {
		return 0, false
	}
	return x.download.received.Load(), x.bodyless || x.in.spanEnd == EndOnBody
}

// hasNoBody reports whether a response is known to have no body, so that its
// headers end the exchange. net/http's HTTP/2 client does not use http.NoBody;
// its length of 0 is certain, except in a 304, whose length is that of the body
// which was not sent. Other bases may leave the length at 0 for any body.
func hasNoBody(resp *http.Response) bool {
	return resp.Body == nil || resp.Body == http.NoBody ||
		resp.ProtoMajor == 2 && (resp.ContentLength == 0 || resp.StatusCode == http.StatusNotModified) && isHTTP2s(resp.Body)
}

// isHTTP2s reports whether a body belongs to the HTTP/2 client of net/http or of
// golang.org/x/net/http2.
func isHTTP2s(body io.ReadCloser) bool {
	path := identity.PackageOf(body)
	return path == "net/http" || strings.HasPrefix(path, "net/http/") || path == "golang.org/x/net/http2"
}

// measuredBody reports whether a body belongs to an exchange that is measured with
// this provider.
func measuredBody(body io.ReadCloser, provider metric.MeterProvider) bool {
	b, ok := body.(interface{ of() bodyOwner })
	if !ok {
		return false
	}
	x, ok := b.of().(*exchange)
	return ok && x.meter != nil && identity.Same(x.meter.provider, provider)
}

func (b *responseBody) of() bodyOwner { return b.owner }

// responseBody is the response that the caller gets, and its body. base's own
// response is never written: base may keep it, as caches and mocks do, and
// net/http looks at it after the body's end. Were the body in it, the collector
// would not find a body that the caller forgot.
//
// Only the caller refers to a responseBody, and the list of recent bodies for a short time.
type responseBody struct {
	response http.Response // first: SetFinalizer takes only the beginning of an allocation

	owner    bodyOwner
	base     io.ReadCloser
	original atomic.Pointer[http.Response] // base's, until its trailers are copied; nil: there are none

	link link
}

// copyResponse makes b a copy of base's response.
func (b *responseBody) copyResponse(resp *http.Response) *http.Response {
	b.response = *resp
	if mayHaveTrailers(resp) {
		b.original.Store(resp) // else it is freed
	}
	return &b.response
}

// wrap makes the response's body report to owner. Without an owner it is wrapped
// only if trailers may have to be copied.
func (b *responseBody) wrap(owner bodyOwner) {
	watched := owner != nil
	if !watched {
		if b.original.Load() == nil || hasNoBody(&b.response) {
			return
		}
		owner = noOwner{}
	}
	b.owner, b.base = owner, b.response.Body
	owner.progress(0)
	b.response.Body = b.withInterfaces()
	if watched {
		watch(b)
	}
}

// mayHaveTrailers reports whether trailers may come that are not in the
// response's map yet. In HTTP/1, only a body of unknown length has trailers.
func mayHaveTrailers(resp *http.Response) bool {
	return !hasNoBody(resp) && (resp.ProtoMajor != 1 || resp.ContentLength < 0)
}

// trailerLock is for bodies that several goroutines read: each returns the end
// after the trailers are there.
var trailerLock sync.Mutex

// copyTrailers copies the trailers that base has put into its response at the
// end of the body. It copies them once: a goroutine may read again while another
// looks at them.
func (b *responseBody) copyTrailers() {
	original := b.original.Load()
	if original == nil || original.Trailer == nil {
		return
	}
	trailerLock.Lock()
	defer trailerLock.Unlock()
	if b.original.Load() != nil {
		b.response.Trailer = original.Trailer
		b.original.Store(nil) // last: who sees it does not wait for the lock
	}
}

func (b *responseBody) Read(p []byte) (n int, err error) {
	callback.UnlessReturns(func() { n, err = b.base.Read(p) }, b.endByPanic)
	b.afterRead(int64(n), err)
	return n, err
}

func (b *responseBody) afterRead(n int64, err error) {
	b.owner.progress(n)
	if err == nil {
		return
	}
	// HTTP/2 has trailers even if the body is shorter than its Content-Length.
	// They are not looked at once the body was closed: since Go 1.27, net/http
	// reads on by itself then.
	if err == io.EOF || err == io.ErrUnexpectedEOF || !b.owner.over() {
		b.copyTrailers()
	}
	if err == io.EOF {
		err = nil
	}
	b.end(ending{err: err})
}

// Close reports the end first: closing a connection's body may block.
func (b *responseBody) Close() error {
	b.end(ending{})
	return b.base.Close()
}

func (b *responseBody) endByPanic() { b.end(ending{err: errPanic}) }

func (b *responseBody) end(e ending) {
	if b.owner.over() {
		return // Close follows EOF
	}
	unwatch(b)
	b.owner.finish(e)
}

// withInterfaces returns the body with the optional interfaces of the wrapped
// body, and no others: programs test for them.
func (b *responseBody) withInterfaces() io.ReadCloser {
	_, w := b.base.(io.Writer)
	_, c := b.base.(closeWriter)
	_, t := b.base.(io.WriterTo)
	writer, half, to := (*bodyWriter)(b), (*bodyCloseWriter)(b), (*bodyWriterTo)(b)
	switch {
	case w && c && t:
		return struct {
			*responseBody
			io.Writer
			closeWriter
			io.WriterTo
		}{b, writer, half, to}
	case w && c:
		return struct {
			*responseBody
			io.Writer
			closeWriter
		}{b, writer, half}
	case w && t:
		return struct {
			*responseBody
			io.Writer
			io.WriterTo
		}{b, writer, to}
	case c && t:
		return struct {
			*responseBody
			closeWriter
			io.WriterTo
		}{b, half, to}
	case w:
		return struct {
			*responseBody
			io.Writer
		}{b, writer}
	case c:
		return struct {
			*responseBody
			closeWriter
		}{b, half}
	case t:
		return struct {
			*responseBody
			io.WriterTo
		}{b, to}
	}
	return b
}

type closeWriter interface{ CloseWrite() error }

type bodyWriter responseBody

// Write writes to a connection that has switched protocols.
func (b *bodyWriter) Write(p []byte) (int, error) {
	n, err := b.base.(io.Writer).Write(p)
	b.owner.progress(0)
	return n, err
}

type bodyCloseWriter responseBody

func (b *bodyCloseWriter) CloseWrite() error {
	b.owner.progress(0)
	return b.base.(closeWriter).CloseWrite()
}

type bodyWriterTo responseBody

func (b *bodyWriterTo) WriteTo(w io.Writer) (n int64, err error) {
	body := (*responseBody)(b)
	out := &watchedWriter{Writer: w}
	callback.UnlessReturns(func() { n, err = b.base.(io.WriterTo).WriteTo(out) }, body.endByPanic)
	switch {
	case err == nil:
		body.afterRead(n, io.EOF)
	case out.failed:
		// The destination failed. The body can still be read.
		body.owner.progress(n)
	default:
		body.afterRead(n, err)
	}
	return n, err
}

// watchedWriter records whether the writer failed.
type watchedWriter struct {
	io.Writer
	failed bool
}

func (w *watchedWriter) Write(p []byte) (int, error) {
	n, err := w.Writer.Write(p)
	w.failed = w.failed || err != nil || n < len(p)
	return n, err
}
