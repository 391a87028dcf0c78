package contract

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/otelhttpclient/otelhttpclient/conformance/internal/suite"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/instrumented"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

// pieces is a body with all optional interfaces.
type pieces struct{ io.Reader }

func (pieces) Close() error                { return nil }
func (pieces) Write(p []byte) (int, error) { return len(p), nil }
func (pieces) CloseWrite() error           { return nil }

func (pieces) WriteTo(w io.Writer) (int64, error) {
	n, err := io.WriteString(w, "x")
	return int64(n), err
}

func (p pieces) asCloser() io.ReadCloser { return struct{ io.ReadCloser }{p} }

// all returns bodies with each set of the optional interfaces.
func (p pieces) all() []io.ReadCloser {
	c := p.asCloser()
	return []io.ReadCloser{
		c,
		struct {
			io.ReadCloser
			io.Writer
		}{c, p},
		struct {
			io.ReadCloser
			suite.CloseWriter
		}{c, p},
		struct {
			io.ReadCloser
			io.WriterTo
		}{c, p},
		struct {
			io.ReadCloser
			io.Writer
			suite.CloseWriter
		}{c, p, p},
		struct {
			io.ReadCloser
			io.Writer
			io.WriterTo
		}{c, p, p},
		struct {
			io.ReadCloser
			suite.CloseWriter
			io.WriterTo
		}{c, p, p},
		p,
	}
}

// A body has exactly the optional interfaces of base's body, and they work.
func TestOptionalInterfaces(t *testing.T) {
	seen := map[string]bool{}
	for name, opts := range suite.Variants() {
		for _, body := range (pieces{strings.NewReader("x")}).all() {
			run := suite.NewRun(t, oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
				return oteltest.Reply(req, 200, body), nil
			}), opts...)
			resp := oteltest.Open(t, run, oteltest.NewRequest(t, t.Context(), "GET", "https://example.com/", nil))
			want := suite.BodyInterfaces(body)
			seen[want] = true
			if got := suite.BodyInterfaces(resp.Body); got != want {
				t.Errorf("%s: got %s, want %s", name, got, want)
			}
			if w, ok := resp.Body.(io.Writer); ok {
				if n, err := w.Write([]byte("abc")); n != 3 || err != nil {
					t.Errorf("%s: Write = %d, %v, want 3 and no error", name, n, err)
				}
			}
			if c, ok := resp.Body.(suite.CloseWriter); ok {
				if err := c.CloseWrite(); err != nil {
					t.Errorf("%s: CloseWrite = %v, want no error", name, err)
				}
			}
			run.WantEnded(t, "while the body is open", 0)
			if to, ok := resp.Body.(io.WriterTo); ok {
				var got strings.Builder
				if n, err := to.WriteTo(&got); n != 1 || err != nil || got.String() != "x" {
					t.Errorf("%s: WriteTo = %d, %v with %q, want 1, no error, and x", name, n, err, got.String())
				}
				run.WantEnded(t, "with WriteTo, which reads to the end", 1)
			}
			_ = resp.Body.Close()
			run.WantEnded(t, "with Close", 1)
		}
	}
	if len(seen) != 8 {
		t.Errorf("%d sets of interfaces were tried, want all 8", len(seen))
	}
}

// Programs compare bodies with http.NoBody. net/http's other empty bodies are
// not wrapped either.
func TestNoBodyStaysNoBody(t *testing.T) {
	for name, opts := range suite.Variants() {
		for _, major := range []int{1, 2} {
			run := suite.NewRun(t, oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
				resp := oteltest.Reply(req, 200, http.NoBody)
				resp.ProtoMajor = major
				return resp, nil
			}), opts...)
			resp, err := run.RoundTrip(oteltest.NewRequest(t, t.Context(), "GET", "https://example.com/", nil))
			if err != nil || resp.Body != http.NoBody {
				t.Errorf("%s, HTTP/%d: got the body %#v, %v, want http.NoBody", name, major, resp.Body, err)
			}
			run.WantEnded(t, "without a body", 1)
		}
	}
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		w := oteltest.NewServer(t, version, func(rw http.ResponseWriter, r *http.Request) { rw.WriteHeader(204) })
		suite.Compare(t, w.Base, 1, func(t *testing.T, run suite.Run) string {
			resp := oteltest.Open(t, run, oteltest.NewRequest(t, t.Context(), "GET", w.URL, nil))
			run.WantEnded(t, "with the headers", 1)
			return fmt.Sprintf("%T, http.NoBody %v", resp.Body, resp.Body == http.NoBody)
		})
	})
}

// Trailers work in both directions, announced or not, and when they are set
// while the body is sent. The request hook gets a copy of the request, which
// must share the caller's trailer.
func TestTrailers(t *testing.T) {
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		w := oteltest.NewServer(t, version, func(rw http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/announced" {
				rw.Header().Set("Trailer", "Announced")
			}
			_, _ = io.Copy(io.Discard, r.Body)
			_, _ = io.WriteString(rw, "x")
			rw.(http.Flusher).Flush()
			rw.Header().Set("Announced", "yes")
			rw.Header().Set(http.TrailerPrefix+"Got", r.Trailer.Get("Sum"))
		})
		trailers := func(t *testing.T, run suite.Run, path string) string {
			reader, writer := io.Pipe()
			req := oteltest.NewRequest(t, t.Context(), "POST", w.URL+path, reader)
			req.Trailer = http.Header{"Sum": nil}
			go func() {
				_, _ = io.WriteString(writer, "body")
				req.Trailer.Set("Sum", "42") // while the body is sent
				_ = writer.Close()
			}()
			resp := oteltest.Open(t, run, req)
			before := fmt.Sprint(resp.Trailer)
			oteltest.Discard(resp)
			if got := resp.Trailer.Get("Got"); got != "42" {
				t.Errorf("trailer = %q, want 42", got)
			}
			return fmt.Sprintf("trailer before the end %s, at the end %v", before, resp.Trailer)
		}
		// The map exists from the start if the trailer is announced, else at
		// the end only.
		for _, path := range []string{"/announced", "/unannounced"} {
			suite.Compare(t, w.Base, 1, func(t *testing.T, run suite.Run) string { return trailers(t, run, path) })
		}
	})
}

func TestNestedTransportsGiveOneSpan(t *testing.T) {
	tel := oteltest.New(t)
	oteltest.MustSend(t, instrumented.Transport(tel, instrumented.Transport(tel, instrumented.Transport(tel, oteltest.Answer(200)))), oteltest.NewRequest(t, t.Context(), "GET", "https://example.com/", nil))
	tel.OnlySpan()
	if p := tel.Seconds("http.client.request.duration"); p.Count != 1 {
		t.Errorf("measurements: got %d, want 1", p.Count)
	}
}

// CloseIdleConnections on the Transport closes base's connections.
func TestIdleConnectionsAreClosed(t *testing.T) {
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		closed := make(chan struct{}, 16) // unused connections may be closed, too
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
			if state == http.StateClosed {
				closed <- struct{}{}
			}
		}
		server.EnableHTTP2 = version == "2"
		server.StartTLS()
		defer server.Close()
		suite.Compare(t, server.Client().Transport, 1, func(t *testing.T, run suite.Run) string {
			oteltest.MustSend(t, run, oteltest.NewRequest(t, t.Context(), "GET", server.URL, nil))
			// The connection of HTTP/1.1 becomes idle just after the response.
			oteltest.Eventually(t, "the connection is closed", func() bool {
				(&http.Client{Transport: run.RoundTripper}).CloseIdleConnections()
				return len(closed) > 0
			})
			<-closed
			return ""
		})
	})
}
