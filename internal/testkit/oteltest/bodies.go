package oteltest

import (
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// Body is a request body of a type that net/http does not know. It counts its
// reads and closes.
type Body struct {
	io.Reader
	reads, closes atomic.Int64
	closed        chan struct{}
}

// NewBody returns a body that reads from r. It does not close r.
func NewBody(r io.Reader) *Body {
	return &Body{Reader: r, closed: make(chan struct{})}
}

// Read reads from the reader.
func (b *Body) Read(p []byte) (int, error) {
	b.reads.Add(1)
	return b.Reader.Read(p)
}

// Close counts the call.
func (b *Body) Close() error {
	if b.closes.Add(1) == 1 {
		close(b.closed)
	}
	return nil
}

// Reads returns the number of calls of Read.
func (b *Body) Reads() int64 { return b.reads.Load() }

// Closes returns the number of calls of Close.
func (b *Body) Closes() int64 { return b.closes.Load() }

// WantClosed checks that the body is closed within 5 seconds, as a transport
// may close it after RoundTrip has returned.
func (b *Body) WantClosed(t testing.TB) {
	t.Helper()
	select {
	case <-b.closed:
	case <-time.After(5 * time.Second):
		t.Error("the request body is not closed within 5 s, want it closed")
	}
}

// FailingBody returns a body of a text that ends with err instead of io.EOF.
func FailingBody(text string, err error) io.ReadCloser {
	return &failingBody{strings.NewReader(text), err}
}

type failingBody struct {
	io.Reader
	err error
}

func (b *failingBody) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err == io.EOF {
		err = b.err
	}
	return n, err
}

func (b *failingBody) Close() error { return nil }

// MuteError is an error whose Error method panics.
type MuteError struct{}

// Error panics.
func (MuteError) Error() string { panic("in Error") }
