package oteltest

import (
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// Server is a server on loopback, and a transport of its own to reach it.
type Server struct {
	*httptest.Server
	Base *http.Transport
}

// Quiet is a log for servers whose tests provoke complaints.
var Quiet = log.New(io.Discard, "", 0)

// NewServer starts a server: HTTP/2 over TLS for the version "2", else
// HTTP/1.1 without TLS.
func NewServer(t testing.TB, version string, h http.HandlerFunc) *Server {
	t.Helper()
	s := &Server{Server: httptest.NewUnstartedServer(h)}
	s.Config.ErrorLog = Quiet
	if version == "2" {
		s.EnableHTTP2 = true
		s.StartTLS()
		s.Base = s.Client().Transport.(*http.Transport)
	} else {
		s.Start()
		s.Base = &http.Transport{}
	}
	t.Cleanup(func() {
		s.Base.CloseIdleConnections()
		s.CloseClientConnections()
		s.Close()
	})
	return s
}

// Host returns the server's address.
func (s *Server) Host() string { return s.Listener.Addr().(*net.TCPAddr).IP.String() }

// Port returns the server's port.
func (s *Server) Port() int { return s.Listener.Addr().(*net.TCPAddr).Port }

// OnBothVersions runs a test with HTTP/1.1 and with HTTP/2.
func OnBothVersions(t *testing.T, f func(t *testing.T, version string)) {
	t.Helper()
	for _, version := range []string{"1.1", "2"} {
		t.Run("HTTP/"+version, func(t *testing.T) { f(t, version) })
	}
}

// Handler returns a handler that answers with a status and a text.
func Handler(status int, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text)
	}
}

// Stall returns a handler that waits until the client has gone. With headers,
// it sends them and the beginning of a body, "beginning", first.
func Stall(headers bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if headers {
			_, _ = io.WriteString(w, "beginning")
			w.(http.Flusher).Flush()
		}
		<-r.Context().Done()
	}
}

// Abort returns a handler that breaks the connection or the stream. With
// headers, it sends them and a part of the body, "beginning", first.
func Abort(headers bool) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if headers {
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, "beginning")
			w.(http.Flusher).Flush()
		}
		panic(http.ErrAbortHandler)
	}
}

// RawServer accepts connections and returns its URL. It reads the header of one
// request from each, calls serve, and closes the connection.
func RawServer(t testing.TB, serve func(net.Conn)) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				var got []byte
				for b := make([]byte, 4096); !strings.Contains(string(got), "\r\n\r\n"); {
					n, err := c.Read(b)
					if err != nil {
						return
					}
					got = append(got, b[:n]...)
				}
				serve(c)
			}()
		}
	}()
	return "http://" + l.Addr().String()
}

// Write returns a function for RawServer that writes a text.
func Write(text string) func(net.Conn) {
	return func(c net.Conn) { _, _ = io.WriteString(c, text) }
}

// ClosedPort returns the URL of a port that refuses connections.
func ClosedPort(t testing.TB) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return "http://" + l.Addr().String()
}
