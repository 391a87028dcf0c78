package defaultclient

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

// bareAndInstrumented runs a test with a fresh default transport, and with an
// instrumented one. The results must be equal.
func bareAndInstrumented(t *testing.T, test func(t *testing.T)) {
	t.Run("bare", func(t *testing.T) {
		freshDefault(t)
		test(t)
	})
	t.Run("instrumented", func(t *testing.T) {
		freshDefault(t)
		instrumentDefault(t, oteltest.New(t))
		test(t)
	})
}

// wireConn counts the writes to a connection.
type wireConn struct {
	net.Conn
	writes, readFroms *atomic.Int64
}

func (c wireConn) Write(p []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(p)
}

func (c wireConn) ReadFrom(r io.Reader) (int64, error) {
	c.readFroms.Add(1)
	if l, ok := r.(*io.LimitedReader); ok {
		r = l.R
	}
	if _, ok := r.(*os.File); !ok {
		return 0, fmt.Errorf("ReadFrom got a %T, want an *os.File", r)
	}
	return io.Copy(c.Conn, r)
}

func TestInstrumentDefaultSendsBodies(t *testing.T) {
	path := filepath.Join(t.TempDir(), "upload")
	content := strings.Repeat("0123456789abcdef", 1<<12)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name              string
		body              func(t *testing.T) io.Reader
		want              string
		writes, readFroms int64
	}{
		{"small and in memory: one segment", func(*testing.T) io.Reader { return strings.NewReader("small") }, "small", 1, 0},
		{"file: sendfile", func(t *testing.T) io.Reader {
			f, err := os.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			return f
		}, content, 1, 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			server := oteltest.NewServer(t, "1.1", func(w http.ResponseWriter, r *http.Request) {
				if got, err := io.ReadAll(r.Body); err != nil || string(got) != row.want {
					t.Errorf("server got %d bytes, %v, want %d", len(got), err, len(row.want))
				}
			})
			bareAndInstrumented(t, func(t *testing.T) {
				var writes, readFroms atomic.Int64
				present(t).DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
					c, err := new(net.Dialer).DialContext(ctx, network, address)
					return wireConn{c, &writes, &readFroms}, err
				}
				req := oteltest.NewRequest(t, t.Context(), http.MethodPost, server.URL, row.body(t))
				req.ContentLength = int64(len(row.want))
				resp, err := http.DefaultClient.Do(req)
				if err != nil {
					t.Fatalf("Do = %v, want no error", err)
				}
				resp.Body.Close()
				if got := writes.Load(); got != row.writes {
					t.Errorf("calls of Write: got %d, want %d", got, row.writes)
				}
				if got := readFroms.Load(); got != row.readFroms {
					t.Errorf("calls of ReadFrom: got %d, want %d", got, row.readFroms)
				}
			})
		})
	}
}

func TestInstrumentDefaultClosesBodies(t *testing.T) {
	server := oteltest.NewServer(t, "1.1", oteltest.Handler(http.StatusOK, "fine"))
	bareAndInstrumented(t, func(t *testing.T) {
		for _, row := range []struct{ name, url, header string }{
			{"answered", server.URL, "ok"},
			{"connection refused", "http://127.0.0.1:1/", "ok"},
			{"invalid header", server.URL, "no\n"},
			{"no host", "http:///", "ok"},
		} {
			body := oteltest.NewBody(strings.NewReader("body"))
			req := oteltest.NewRequest(t, t.Context(), http.MethodPost, row.url, body)
			req.Header.Set("X-Test", row.header)
			resp, err := http.DefaultTransport.RoundTrip(req)
			if err == nil {
				oteltest.Discard(resp)
			}
			if (err == nil) != (row.name == "answered") {
				t.Errorf("%s: got error %v", row.name, err)
			}
			body.WantClosed(t)
			if got := body.Closes(); got != 1 {
				t.Errorf("%s: body closed %d times, want once", row.name, got)
			}
		}
	})
}

// The server closes the first connection after its second request. net/http
// resends the body from GetBody.
func TestInstrumentDefaultRewindsBodies(t *testing.T) {
	bareAndInstrumented(t, func(t *testing.T) {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		var bodies []string
		served := make(chan struct{})
		go func() {
			defer close(served)
			for answers := 1; answers >= 0; answers-- { // the first connection: one answer, then closed
				conn, err := listener.Accept()
				if err != nil {
					return
				}
				r := bufio.NewReader(conn)
				for i := 0; i < 2; i++ {
					req, err := http.ReadRequest(r)
					if err != nil {
						break
					}
					body, _ := io.ReadAll(req.Body)
					bodies = append(bodies, string(body))
					if answers == 1 && i == 1 {
						break
					}
					io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
					if answers == 0 {
						break
					}
				}
				conn.Close()
			}
		}()
		for _, text := range []string{"first", "second"} {
			req := oteltest.NewRequest(t, t.Context(), http.MethodPut, "http://"+listener.Addr().String(), strings.NewReader(text))
			req.Header.Set("Idempotency-Key", text)
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatalf("Do(%s) = %v, want no error", text, err)
			}
			resp.Body.Close()
		}
		<-served
		if got, want := strings.Join(bodies, " "), "first second second"; got != want {
			t.Errorf("bodies: got %q, want %q", got, want)
		}
	})
}

func TestInstrumentDefaultResponseRequest(t *testing.T) {
	plain, secure := plainServer(t), secureServer(t)
	freshDefault(t).TLSClientConfig = rootsOf(secure)
	uninstrument := instrumentDefault(t, oteltest.New(t))
	front := present(t)
	for _, state := range []string{"instrumented", "uninstrumented"} {
		for _, url := range []string{plain.URL, secure.URL} {
			for _, body := range []io.ReadCloser{nil, http.NoBody, io.NopCloser(strings.NewReader("body"))} {
				req := oteltest.NewRequest(t, t.Context(), http.MethodPost, url, body)
				req.Body = body
				resp := oteltest.Open(t, front, req)
				oteltest.Discard(resp)
				if body == nil || body == http.NoBody {
					if resp.Request != req {
						t.Errorf("%s: Response.Request without a body is not the caller's request", state)
					}
				} else if got := resp.Request; got.Body != body && state == "instrumented" || got.URL != req.URL || got.Context() != req.Context() || got.Header.Get("Traceparent") != "" {
					t.Errorf("%s: Response.Request with a body: got %v, want a copy of the caller's, %v", state, got, req)
				}
			}
		}
		uninstrument()
	}
	front.CloseIdleConnections()
}
