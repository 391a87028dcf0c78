package streams

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"testing"

	"github.com/otelhttpclient/otelhttpclient/conformance/internal/suite"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/instrumented"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

// After a switch of protocols, with or without TLS, the body is the connection.
func TestUpgrade(t *testing.T) {
	for name, start := range map[string]func(*httptest.Server){"in the clear": (*httptest.Server).Start, "over TLS": (*httptest.Server).StartTLS} {
		for _, ending := range []string{"the server hangs up", "the program closes"} {
			t.Run(name+"/"+ending, func(t *testing.T) {
				server := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
					conn, buf, err := http.NewResponseController(rw).Hijack()
					if err != nil {
						t.Errorf("Hijack = %v, want no error", err)
						return
					}
					defer conn.Close()
					_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nwelcome\n")
					for {
						line, err := buf.ReadString('\n')
						if err != nil || line == "bye\n" {
							return
						}
						_, _ = io.WriteString(conn, line)
					}
				}))
				start(server)
				defer server.Close()
				base := server.Client().Transport
				suite.Compare(t, base, 1, func(t *testing.T, run suite.Run) string {
					req := oteltest.NewRequest(t, t.Context(), "GET", server.URL, nil)
					req.Header.Set("Connection", "Upgrade")
					req.Header.Set("Upgrade", "echo")
					resp := oteltest.Open(t, run, req)
					conn, ok := resp.Body.(io.ReadWriteCloser)
					if resp.StatusCode != 101 || !ok {
						t.Fatalf("got the status %d and a body that can be written %v, want 101 and true", resp.StatusCode, ok)
					}
					closeLater(t, conn)
					in := bufio.NewReader(conn)
					if line, err := in.ReadString('\n'); line != "welcome\n" {
						t.Fatalf("got %q, %v, want welcome", line, err)
					}
					for i := range 3 {
						want := fmt.Sprintln("line", i)
						if _, err := io.WriteString(conn, want); err != nil {
							t.Fatalf("Write = %v, want no error", err)
						}
						if line, err := in.ReadString('\n'); line != want {
							t.Fatalf("echo = %q, %v, want %q", line, err, want)
						}
					}
					run.WantEnded(t, "while the connection is open", 0)
					seen := suite.BodyInterfaces(resp.Body)
					if ending == "the server hangs up" {
						_, _ = io.WriteString(conn, "bye\n")
						_, err := in.ReadString('\n')
						seen += fmt.Sprintf(", at the end %v", err)
						run.WantEnded(t, "when the server hangs up", 1)
					}
					seen += fmt.Sprintf(", Close %v", conn.Close())
					_, err := conn.Write([]byte("x"))
					return fmt.Sprintf("%s, Write after Close fails %v", seen, err != nil)
				})
			})
		}
	}
}

// A switch of protocols works through a reverse proxy that uses the Transport.
func TestUpgradeThroughReverseProxy(t *testing.T) {
	back := oteltest.NewServer(t, "1.1", func(rw http.ResponseWriter, r *http.Request) {
		conn, buf, err := http.NewResponseController(rw).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		line, _ := buf.ReadString('\n')
		_, _ = io.WriteString(conn, line)
	})
	target, _ := url.Parse(back.URL)
	tel := oteltest.New(t)
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.Transport = instrumented.Transport(tel, nil)
	front := httptest.NewServer(proxy)
	defer front.Close()

	req := oteltest.NewRequest(t, t.Context(), "GET", front.URL, nil)
	req.Header.Set("Connection", "Upgrade")
	req.Header.Set("Upgrade", "echo")
	resp := oteltest.Open(t, http.DefaultTransport, req)
	if resp.StatusCode != 101 {
		t.Fatalf("status = %d, want 101", resp.StatusCode)
	}
	conn := resp.Body.(io.ReadWriteCloser)
	_, _ = io.WriteString(conn, "hello\n")
	if line, err := bufio.NewReader(conn).ReadString('\n'); line != "hello\n" {
		t.Errorf("echo = %q, %v, want hello", line, err)
	}
	_ = conn.Close()
	oteltest.Eventually(t, "the span of the upgrade ends", func() bool { return len(tel.Spans()) == 1 })
}
