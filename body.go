package otelhttpclient

import (
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/metric"
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

func (x *exchange) over() bool            { return x.ended.Load() }
func (x *exchange) progress(n int64)      { x.download.progress(n) }
func (x *exchange) lastActive() time.Time { return x.download.lastActive(x.startTime()) }

// receivedBytes returns the size of the response body, if it is known: the span
// lasts until the body's end, and net/http did not decompress it.
func (x *exchange) receivedBytes() (n int64, known bool) {
	if x.outcome.status == 0 || x.decompressed {
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
	path := packageOf(body)
	return path == "net/http" || strings.HasPrefix(path, "net/http/") || path == "golang.org/x/net/http2"
}

// wrapBody returns the response with a body that reports to owner.
func wrapBody(resp *http.Response, owner bodyOwner) *http.Response {
	b := &responseBody{owner: owner, base: resp.Body}
	owner.progress(0)
	original := resp
	if resp.ProtoMajor == 2 {
		// An HTTP/2 stream of net/http refers to its response while it is
		// open. The collector could not find a forgotten body in there.
		c := *resp
		resp = &c
		b.trailer = func() { c.Trailer = original.Trailer }
	}
	resp.Body = b.withInterfaces()
	nursery.add(b)
	return resp
}

// measuredBody reports whether a body belongs to an exchange that is measured with
// this provider.
func measuredBody(body io.ReadCloser, provider metric.MeterProvider) bool {
	b, ok := body.(interface{ of() bodyOwner })
	if !ok {
		return false
	}
	x, ok := b.of().(*exchange)
	return ok && x.meter != nil && same(x.meter.provider, provider)
}

func (b *responseBody) of() bodyOwner { return b.owner }

// responseBody is the body that the caller gets. Only the caller refers to it,
// and the nursery for a short time, so that the collector can find it if the
// caller forgets it.
type responseBody struct {
	owner   bodyOwner
	base    io.ReadCloser
	trailer func() // copies the trailers at the end; nil: not needed

	place place // in the nursery
}

func (b *responseBody) Read(p []byte) (n int, err error) {
	unlessReturns(func() { n, err = b.base.Read(p) }, b.endByPanic)
	b.afterRead(int64(n), err)
	return n, err
}

func (b *responseBody) afterRead(n int64, err error) {
	b.owner.progress(n)
	switch err {
	case nil:
		return
	case io.EOF:
		err = nil
	}
	// The trailers are there at the end, even of a body that is shorter than
	// its Content-Length.
	if b.trailer != nil {
		b.trailer()
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
	nursery.remove(b)
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
	unlessReturns(func() { n, err = b.base.(io.WriterTo).WriteTo(out) }, body.endByPanic)
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
