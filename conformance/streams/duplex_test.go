package streams

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/otelhttpclient/otelhttpclient/conformance/internal/suite"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

// closeLater closes a body after 5 s, so that a test of data that is held back
// fails instead of hanging.
func closeLater(t *testing.T, body io.Closer) {
	guard := time.AfterFunc(5*time.Second, func() { _ = body.Close() })
	t.Cleanup(func() { guard.Stop() })
}

// With "Expect: 100-continue", the body is not read before the server asks for
// it.
func TestExpectContinue(t *testing.T) {
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		w := oteltest.NewServer(t, version, func(rw http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/refuse" {
				rw.WriteHeader(http.StatusExpectationFailed)
				return
			}
			_, _ = io.Copy(rw, r.Body) // the first Read sends 100 Continue
		})
		w.Base.ExpectContinueTimeout = time.Hour // wait for the server
		for _, row := range []struct {
			path   string
			status int
			want   string
		}{
			{"/want", 200, "asked to go on true, body read true"},
			{"/refuse", 417, "asked to go on false, body read false"},
		} {
			t.Run(row.path[1:], func(t *testing.T) {
				suite.Compare(t, w.Base, 1, func(t *testing.T, run suite.Run) string {
					var asked atomic.Bool
					ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got100Continue: func() { asked.Store(true) }})
					body := oteltest.NewBody(strings.NewReader("text"))
					req := oteltest.NewRequest(t, ctx, "POST", w.URL+row.path, body)
					req.ContentLength = 4
					req.Header.Set("Expect", "100-continue")
					resp := oteltest.Open(t, run, req)
					text, err := io.ReadAll(resp.Body)
					_ = resp.Body.Close()
					body.WantClosed(t)
					if resp.StatusCode != row.status {
						t.Errorf("status = %d, want %d", resp.StatusCode, row.status)
					}
					seen := fmt.Sprintf("asked to go on %v, body read %v", asked.Load(), body.Reads() > 0)
					if seen != row.want {
						t.Errorf("got %s, want %s", seen, row.want)
					}
					return suite.ResponseText(resp, text, err) + seen
				})
			})
		}
	})
}

// Both directions are used at once: each line is answered before the next is
// sent.
func TestFullDuplex(t *testing.T) {
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		w := oteltest.NewServer(t, version, func(rw http.ResponseWriter, r *http.Request) {
			if err := http.NewResponseController(rw).EnableFullDuplex(); err != nil && version == "1.1" {
				t.Errorf("EnableFullDuplex = %v, want no error", err)
			}
			rw.(http.Flusher).Flush()
			for in := bufio.NewReader(r.Body); ; {
				line, err := in.ReadString('\n')
				if err != nil {
					return
				}
				_, _ = io.WriteString(rw, "echo "+line)
				rw.(http.Flusher).Flush()
			}
		})
		suite.Compare(t, w.Base, 1, func(t *testing.T, run suite.Run) string {
			reader, writer := io.Pipe()
			body := oteltest.NewBody(reader)
			resp := oteltest.Open(t, run, oteltest.NewRequest(t, t.Context(), "POST", w.URL, body))
			closeLater(t, resp.Body)
			in := bufio.NewReader(resp.Body)
			for i := range 10 {
				if _, err := fmt.Fprintln(writer, "line", i); err != nil {
					t.Fatalf("line %d: write = %v, want no error", i, err)
				}
				want := fmt.Sprintln("echo line", i)
				if got, err := in.ReadString('\n'); got != want || err != nil {
					t.Fatalf("got %q, %v, want %q", got, err, want)
				}
			}
			run.WantEnded(t, "while both directions are open", 0)
			_ = writer.Close()
			rest, err := io.ReadAll(in)
			run.WantEnded(t, "with the end of the response", 1)
			_ = resp.Body.Close()
			body.WantClosed(t)
			if !run.Bare() {
				wantRequestSizes(t, run, 1, int64(10*len("line 0\n")))
			}
			return suite.ResponseText(resp, rest, err)
		})
	})
}

// pipeBody is a request body that is written while it is sent.
type pipeBody struct {
	*io.PipeReader
	closed chan struct{}
	once   sync.Once
}

func (p *pipeBody) Close() error {
	defer p.once.Do(func() { close(p.closed) })
	return p.PipeReader.Close()
}

// A server may reject an upload in progress. RoundTrip returns, and the writer
// of the upload gets io.ErrClosedPipe.
func TestEarlyAnswerUnblocksTheWriter(t *testing.T) {
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		w := oteltest.NewServer(t, version, func(rw http.ResponseWriter, r *http.Request) {
			_, _ = io.ReadFull(r.Body, make([]byte, 4))
			rw.Header().Set("Connection", "close")
			rw.WriteHeader(http.StatusRequestEntityTooLarge)
			_, _ = io.WriteString(rw, "too large")
		})
		suite.Compare(t, w.Base, 1, func(t *testing.T, run suite.Run) string {
			reader, writer := io.Pipe()
			body := &pipeBody{PipeReader: reader, closed: make(chan struct{})}
			read, failed := make(chan struct{}), make(chan error, 1)
			go func() {
				_, err := io.WriteString(writer, "text")
				<-read // otherwise the server's reset may overtake its answer
				for piece := make([]byte, 1<<10); err == nil; {
					_, err = writer.Write(piece)
				}
				failed <- err
			}()
			resp := oteltest.Open(t, run, oteltest.NewRequest(t, t.Context(), "POST", w.URL, body))
			text, err := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			run.WantEnded(t, "with the answer, while the upload is not over", 1)
			close(read)
			writeErr := oteltest.Within(t, "the writer is unblocked", failed)
			oteltest.Within(t, "the body is closed", body.closed)
			if !errors.Is(writeErr, io.ErrClosedPipe) {
				t.Errorf("the writer got %v, want %v", writeErr, io.ErrClosedPipe)
			}
			return suite.ResponseText(resp, text, err)
		})
	})
}
