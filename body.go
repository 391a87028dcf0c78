package otelhttpclient

import (
	"io"
	"net/http"
	"time"
)

// wrapResponse puts a body into the response with which the round trip ends.
func (rt *roundTrip) wrapResponse(resp *http.Response) *http.Response {
	b := &responseBody{rt: rt, base: resp.Body}
	rt.bodyStarted = time.Now()
	original := resp
	if resp.ProtoMajor == 2 {
		// net/http's HTTP/2 stream refers to the response that it has
		// returned for as long as the stream is open. A body that the
		// application forgets would never be found if it were in there.
		c := *resp
		resp = &c
		b.trailer = func() { c.Trailer = original.Trailer }
	}
	resp.Body = b.withInterfaces()
	nursery.add(b)
	return resp
}

// responseBody is the body that the caller gets. The round trip does not refer
// to it, nor does anything else but the caller (and for a short while the
// nursery), so that a body that is forgotten can be found.
type responseBody struct {
	rt      *roundTrip
	base    io.ReadCloser
	trailer func() // copies trailers that come with the end; nil: they come on their own

	place place // in the nursery
}

// touch notes the time of an activity, for a body that is never closed. It is
// counted from the body's beginning, so that a clock that is set, or a machine
// that is suspended, moves it as it moves the span's beginning.
func (b *responseBody) touch() {
	b.rt.lastActivity.Store(int64(time.Since(b.rt.bodyStarted)))
}

// lastActive is the time of the last activity of the body.
func (rt *roundTrip) lastActive() time.Time {
	return rt.bodyStarted.Add(time.Duration(rt.lastActivity.Load()))
}

func (b *responseBody) Read(p []byte) (n int, err error) {
	returned := false
	defer func() {
		if !returned {
			b.end(ending{err: errPanic})
		}
	}()
	n, err = b.base.Read(p)
	returned = true
	b.received(int64(n))
	b.afterRead(err)
	return n, err
}

func (b *responseBody) received(n int64) {
	if n > 0 {
		b.rt.received.Add(n)
	}
}

func (b *responseBody) afterRead(err error) {
	switch err {
	case nil:
		b.touch()
		return
	case io.EOF:
		err = nil
	}
	// Trailers come with the end, also with that of a body that is shorter
	// than its Content-Length.
	if b.trailer != nil {
		b.trailer()
	}
	b.end(ending{err: err})
}

// Close ends the span first: closing the connection's body may block.
func (b *responseBody) Close() error {
	b.end(ending{})
	return b.base.Close()
}

func (b *responseBody) end(e ending) {
	if b.rt.ended.Load() {
		return // as Close comes after EOF
	}
	nursery.remove(b)
	b.rt.finish(e)
}

// withInterfaces returns the body as a value that has the optional interfaces
// of the wrapped one, and no others: programs find out by them what they can
// do with a body.
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
	(*responseBody)(b).touch()
	return n, err
}

type bodyCloseWriter responseBody

func (b *bodyCloseWriter) CloseWrite() error {
	(*responseBody)(b).touch()
	return b.base.(closeWriter).CloseWrite()
}

type bodyWriterTo responseBody

func (b *bodyWriterTo) WriteTo(w io.Writer) (n int64, err error) {
	body := (*responseBody)(b)
	returned := false
	defer func() {
		if !returned {
			body.end(ending{err: errPanic})
		}
	}()
	out := &watchedWriter{Writer: w}
	n, err = b.base.(io.WriterTo).WriteTo(out)
	returned = true
	body.received(n)
	switch {
	case err == nil:
		body.afterRead(io.EOF)
	case out.failed:
		// The destination failed, not the body: it may be read on.
		body.touch()
	default:
		body.afterRead(err)
	}
	return n, err
}

// watchedWriter remembers whether it was the writer that failed.
type watchedWriter struct {
	io.Writer
	failed bool
}

func (w *watchedWriter) Write(p []byte) (int, error) {
	n, err := w.Writer.Write(p)
	w.failed = w.failed || err != nil || n < len(p)
	return n, err
}

// receivedBytes is how much of the response body was received, where that can
// be told: there is a response, the span has lasted until its body's end, and
// the body was not decompressed below.
func (rt *roundTrip) receivedBytes() (n int64, known bool) {
	if rt.status == 0 || rt.unknownSize {
		return 0, false
	}
	return rt.received.Load(), rt.bodyless || rt.in.spanEnd == EndOnBody
}
