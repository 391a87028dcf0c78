package body

import (
	"io"
	"reflect"
	"sync/atomic"
)

// plainType caches the latest type of body without optional interfaces, usually
// net/http's own.
var plainType atomic.Pointer[reflect.Type]

// withInterfaces returns the body with the optional interfaces of the wrapped
// body, and no others: programs test for them.
func (b *body) withInterfaces() io.ReadCloser {
	t := reflect.TypeOf(b.base)
	if plain := plainType.Load(); plain != nil && *plain == t {
		return b
	}
	wrapper := b.newWrapper()
	if wrapper == io.ReadCloser(b) {
		setPlainType(t)
	}
	return wrapper
}

func setPlainType(t reflect.Type) { plainType.Store(&t) }

// newWrapper is withInterfaces without the cache.
func (b *body) newWrapper() io.ReadCloser {
	_, w := b.base.(io.Writer)
	_, c := b.base.(closeWriter)
	_, t := b.base.(io.WriterTo)
	writes, half, to := (*writer)(b), (*halfCloser)(b), (*writerTo)(b)
	switch {
	case w && c && t:
		return struct {
			*body
			io.Writer
			closeWriter
			io.WriterTo
		}{b, writes, half, to}
	case w && c:
		return struct {
			*body
			io.Writer
			closeWriter
		}{b, writes, half}
	case w && t:
		return struct {
			*body
			io.Writer
			io.WriterTo
		}{b, writes, to}
	case c && t:
		return struct {
			*body
			closeWriter
			io.WriterTo
		}{b, half, to}
	case w:
		return struct {
			*body
			io.Writer
		}{b, writes}
	case c:
		return struct {
			*body
			closeWriter
		}{b, half}
	case t:
		return struct {
			*body
			io.WriterTo
		}{b, to}
	}
	return b
}

type closeWriter interface{ CloseWrite() error }

type writer body

// Write writes to a connection after the protocol switch.
func (b *writer) Write(p []byte) (int, error) {
	n, err := b.base.(io.Writer).Write(p)
	b.progress.Add(0)
	return n, err
}

type halfCloser body

func (b *halfCloser) CloseWrite() error {
	b.progress.Add(0)
	return b.base.(closeWriter).CloseWrite()
}

type writerTo body

func (b *writerTo) WriteTo(w io.Writer) (n int64, err error) {
	whole := (*body)(b)
	out := &watchedWriter{Writer: w}
	panicked := true
	defer func() { whole.endIfPanicked(panicked) }()
	n, err = b.base.(io.WriterTo).WriteTo(out)
	panicked = false
	switch {
	case err == nil:
		whole.afterRead(n, io.EOF)
	case out.failed:
		// The destination failed. The body can still be read.
		b.progress.Add(n)
	default:
		whole.afterRead(n, err)
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
