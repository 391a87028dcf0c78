package conventions

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/instrumented"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

// failingConn is a connection that fails once it has written some bytes.
type failingConn struct {
	net.Conn
	read, write error
	after       int
	written     chan struct{} // closed then
	n           int
}

func (c *failingConn) Write(p []byte) (int, error) {
	if c.write != nil && c.n >= c.after {
		return 0, c.write
	}
	n, err := c.Conn.Write(p)
	if c.n < c.after && c.n+n >= c.after {
		close(c.written)
	}
	c.n += n
	return n, err
}

func (c *failingConn) Read(p []byte) (int, error) {
	if c.read == nil {
		return c.Conn.Read(p)
	}
	<-c.written
	return 0, c.read
}

// One fault has one error.type, whatever the request's body is: net/http marks
// some errors with private types, and sends some bodies in other ways.
func TestErrorTypeDoesNotDependOnTheBody(t *testing.T) {
	const size = 1 << 20
	content := strings.Repeat("x", size)
	path := filepath.Join(t.TempDir(), "content")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	file := func() io.Reader {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	own := func() io.Reader { return oteltest.NewBody(strings.NewReader(content)) }
	failing := func(err error, n int) func() io.Reader {
		return func() io.Reader { return oteltest.FailingBody(content[:n], err) }
	}
	pipe := func(err error, n int) func() io.Reader {
		return func() io.Reader {
			r, w := io.Pipe()
			go func() {
				io.WriteString(w, content[:n])
				w.CloseWithError(err)
			}()
			return r
		}
	}
	type body struct {
		name   string
		open   func() io.Reader
		length int64
	}
	fine := []body{
		{"no body", func() io.Reader { return nil }, 0},
		{"a short one", func() io.Reader { return strings.NewReader("content") }, 7},
		{"a long one", func() io.Reader { return strings.NewReader(content) }, size},
		{"a file", file, size},
		{"a file of unknown length", file, -1},
		{"of another type", own, size},
		{"of another type and of unknown length", own, -1},
	}
	plain, typed := errors.New("broken"), &typedError{errors.New("broken")}
	failingBodies := func(err error) []body {
		return []body{
			{"at once", failing(err, 0), size},
			{"at once, of unknown length", failing(err, 0), -1},
			{"halfway", failing(err, size/2), size},
			{"halfway, of unknown length", failing(err, size/2), -1},
			{"a pipe", pipe(err, size/2), size},
			{"a pipe of unknown length", pipe(err, size/2), -1},
		}
	}
	// While an upload goes on, net/http returns the error of the read or that of the
	// write, which the read's has caused.
	written := fine[:2]
	for _, fault := range []struct {
		name   string
		conn   failingConn
		bodies []body
		want   string
	}{
		{"the connection fails at once, reading", failingConn{read: plain, after: 1}, written, "_OTHER"},
		{"the connection fails at once, reading, with a type", failingConn{read: typed, after: 1}, written, "*conventions.typedError"},
		{"the connection fails at once, writing", failingConn{write: plain}, fine, "_OTHER"},
		{"the connection fails at once, writing, with a type", failingConn{write: typed}, fine, "*conventions.typedError"},
		{"the connection fails halfway, writing", failingConn{write: plain, after: size / 2}, fine[2:], "_OTHER"},
		{"the connection is reset", failingConn{read: &net.OpError{Op: "read", Err: net.ErrClosed}, after: 1}, fine, "response_ended"},
		{"the body fails", failingConn{}, failingBodies(plain), "_OTHER"},
		{"the body fails, with a type", failingConn{}, failingBodies(typed), "*conventions.typedError"},
	} {
		oteltest.OnBothVersions(t, func(t *testing.T, version string) {
			server := oteltest.NewServer(t, version, func(_ http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) })
			for _, b := range fault.bodies {
				for how, opts := range map[string][]otelhttpclient.Option{
					"plain": nil, "counted": {otelhttpclient.WithOptInAttributes("http.request.body.size")},
				} {
					tel := oteltest.New(t)
					base := server.Base.Clone()
					if fault.conn.read != nil || fault.conn.write != nil {
						base.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
							c, err := (&net.Dialer{}).DialContext(ctx, network, address)
							failing := fault.conn
							failing.Conn, failing.written = c, make(chan struct{})
							return &failing, err
						}
					}
					req := oteltest.NewRequest(t, t.Context(), "POST", server.URL, b.open())
					req.ContentLength = b.length
					_, err := oteltest.Send(instrumented.Transport(tel, base, opts...), req)
					base.CloseIdleConnections()
					want := fault.want
					if fault.conn.write != nil && errors.Is(err, net.ErrClosed) {
						want = "response_ended" // net/http returns the read's error, which the write's has caused
					}
					for what, got := range map[string]string{
						"span":    oteltest.Attributes(tel.OnlySpan().Attributes)["error.type"].AsString(),
						"metrics": oteltest.Attributes(tel.DurationAttributes())["error.type"].AsString(),
					} {
						if got != want {
							t.Errorf("%s: %s, %s: error.type of the %s: got %q, want %q (%[7]T: %[7]v)", fault.name, b.name, how, what, got, want, err)
						}
					}
				}
			}
		})
	}
}
