package errortype

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
)

func TestOf(t *testing.T) {
	expired, cancel := context.WithTimeout(context.Background(), 0)
	defer cancel()
	for _, c := range []struct {
		reason string
		ctx    context.Context
		err    error
		want   string
	}{
		{"an expired context", expired, fmt.Errorf("wrapped: %w", context.DeadlineExceeded), Timeout},
		{"a host that is not found", context.Background(), &net.DNSError{IsNotFound: true}, NameResolution},
		{"a resolver that is slow", context.Background(), &net.DNSError{IsTimeout: true}, Timeout},
		{"a failed dial", context.Background(), &net.OpError{Op: "dial", Err: errors.New("broken")}, Connection},
		{"a TLS error without a type", context.Background(), errors.New("tls: bad record"), SecureConnection},
		{"a connection that ends", context.Background(), fmt.Errorf("wrapped: %w", io.ErrUnexpectedEOF), ResponseEnded},
		{"a request body that ends early", context.Background(), &net.OpError{Op: "readfrom", Err: io.ErrUnexpectedEOF}, Other},
		{"a request body from a connection that ends", context.Background(), &net.OpError{Op: "readfrom", Err: &net.OpError{Op: "read", Err: io.EOF}}, "*net.OpError"},
		{"a connection that ends while a body is written", context.Background(), &net.OpError{Op: "readfrom", Err: &net.OpError{Op: "write", Err: net.ErrClosed}}, ResponseEnded},
		{"a connection that is closed while a body is written", context.Background(), &net.OpError{Op: "readfrom", Err: net.ErrClosed}, ResponseEnded},
		{"a malformed response", context.Background(), errors.New("malformed HTTP response"), HTTPProtocol},
		{"a proxy that refuses", context.Background(), errors.New("Forbidden"), ProxyTunnel},
		{"a wrapped reason phrase", context.Background(), fmt.Errorf("wrapped: %w", errors.New("Forbidden")), Other},
		{"a type of its own", context.Background(), fmt.Errorf("wrapped: %w", ownError{}), "github.com/otelhttpclient/otelhttpclient/internal/errortype.ownError"},
	} {
		if got := Of(c.ctx, "https", c.err); got != c.want {
			t.Errorf("%s: Of(%v): got %q, want %q", c.reason, c.err, got, c.want)
		}
	}
}

type ownError struct{}

func (ownError) Error() string { return "own" }

func TestCancelledByCaller(t *testing.T) {
	canceled, cancel := context.WithCancel(context.Background())
	cancel()
	because, cancelCause := context.WithCancelCause(context.Background())
	cause := errors.New("no longer needed")
	cancelCause(cause)
	expired, cancel := context.WithTimeout(context.Background(), 0)
	defer cancel()
	for _, c := range []struct {
		reason string
		ctx    context.Context
		err    error
		want   bool
	}{
		{"a canceled context", canceled, context.Canceled, true},
		{"a cause", because, fmt.Errorf("wrapped: %w", cause), true},
		{"another error at the time", canceled, io.EOF, false},
		{"a deadline", expired, context.DeadlineExceeded, false},
		{"Request.Cancel", context.Background(), errors.New("net/http: request canceled"), true},
	} {
		if got := CancelledByCaller(c.ctx, c.err); got != c.want {
			t.Errorf("%s: got %v, want %v", c.reason, got, c.want)
		}
	}
}

func BenchmarkOf(b *testing.B) {
	for name, err := range map[string]error{
		"refused": &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")},
		"EOF":     io.EOF,
		"unknown": fmt.Errorf("outer: %w", errors.New("inner")),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_ = Of(context.Background(), "https", err)
			}
		})
	}
}
