package streams

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/otelhttpclient/otelhttpclient/conformance/internal/suite"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

// stuckBody is a body whose Read and Close report that they are called and then
// block.
type stuckBody struct {
	entered chan string
	goOn    chan struct{}
}

func (b stuckBody) Read([]byte) (int, error) {
	b.entered <- "Read"
	<-b.goOn
	return 0, io.EOF
}

func (b stuckBody) Close() error {
	b.entered <- "Close"
	<-b.goOn
	return nil
}

// A blocked Close delays neither other calls nor the end of the span: the
// Transport holds no lock while it calls base.
func TestBlockedClose(t *testing.T) {
	for name, opts := range map[string]bool{"plain": false, "everything on": true} {
		t.Run(name, func(t *testing.T) {
			body := stuckBody{make(chan string), make(chan struct{})}
			base := oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) { return oteltest.Reply(req, 200, body), nil })
			run := suite.NewRun(t, base)
			if opts {
				run = suite.NewRun(t, base, suite.Everything()...)
			}
			resp := oteltest.Open(t, run, oteltest.NewRequest(t, t.Context(), "GET", "http://example.com/", nil))
			var all sync.WaitGroup
			enter := func(want string, call func()) {
				t.Helper()
				all.Go(call)
				if got := oteltest.Within(t, want+" reaches base", body.entered); got != want {
					t.Errorf("base's body got a %s, want a %s", got, want)
				}
			}
			enter("Read", func() { _, _ = resp.Body.Read(make([]byte, 1)) })
			run.WantEnded(t, "while a Read is under way", 0)
			enter("Close", func() { _ = resp.Body.Close() })
			run.WantEnded(t, "while Close is under way", 1)
			enter("Close", func() { _ = resp.Body.Close() })
			enter("Read", func() { _, _ = resp.Body.Read(make([]byte, 1)) })
			close(body.goOn)
			all.Wait()
			run.WantEnded(t, "when all have returned", 1)
			if p := run.SDK.Seconds("http.client.request.duration"); p.Count != 1 {
				t.Errorf("measurements: got %d, want 1", p.Count)
			}
		})
	}
}

// Programs that abandon a stream close it while another goroutine reads.
func TestConcurrentReadAndClose(t *testing.T) {
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		w := oteltest.NewServer(t, version, func(rw http.ResponseWriter, r *http.Request) {
			_, _ = rw.Write(make([]byte, 1<<12))
			rw.(http.Flusher).Flush()
			<-r.Context().Done()
		})
		const requests = 50
		suite.Compare(t, w.Base, requests, func(t *testing.T, run suite.Run) string {
			for range requests {
				resp := oteltest.Open(t, run, oteltest.NewRequest(t, t.Context(), "GET", w.URL, nil))
				reading := make(chan struct{})
				var all sync.WaitGroup
				all.Go(func() {
					var once sync.Once
					for piece := make([]byte, 1<<10); ; {
						_, err := resp.Body.Read(piece)
						once.Do(func() { close(reading) })
						if err != nil {
							return
						}
					}
				})
				for range 2 {
					all.Go(func() { <-reading; _ = resp.Body.Close() })
				}
				all.Wait()
			}
			return ""
		})
	})
}

// bodyAtOnce returns its data together with an error.
type bodyAtOnce struct {
	data string
	err  error
}

func (b *bodyAtOnce) Read(p []byte) (int, error) {
	n := copy(p, b.data)
	b.data = b.data[n:]
	return n, b.err
}

func (b *bodyAtOnce) Close() error { return nil }

// A reader may return data together with io.EOF or another error. Both count.
func TestDataAndEndInOneRead(t *testing.T) {
	for _, want := range []error{io.EOF, errors.New("body failed"), io.ErrUnexpectedEOF, fmt.Errorf("wrapped: %w", io.EOF)} {
		t.Run(want.Error(), func(t *testing.T) {
			base := oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
				return oteltest.Reply(req, 200, &bodyAtOnce{"text", want}), nil
			})
			suite.Compare(t, base, 1, func(t *testing.T, run suite.Run) string {
				resp := oteltest.Open(t, run, oteltest.NewRequest(t, t.Context(), "GET", "http://example.com/", nil))
				piece := make([]byte, 16)
				n, err := resp.Body.Read(piece)
				if string(piece[:n]) != "text" || err != want { //nolint:errorlint // the same value
					t.Errorf("Read = %q, %v, want %q and %v itself", piece[:n], err, "text", want)
				}
				run.WantEnded(t, "with that Read", 1)
				if !run.Bare() {
					if m, ok := run.SDK.Metric("http.client.response.body.size"); ok {
						if p := run.SDK.Bytes(m.Name); p.Sum != 4 {
							t.Errorf("size = %d, want 4", p.Sum)
						}
					}
				}
				return fmt.Sprint(resp.Body.Close(), resp.Body.Close())
			})
		})
	}
}

// After a body has broken off, reads return the same error, and Close works.
func TestReadErrorThenClose(t *testing.T) {
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		w := oteltest.NewServer(t, version, func(rw http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(rw, "text")
			rw.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		})
		suite.Compare(t, w.Base, 1, func(t *testing.T, run suite.Run) string {
			resp := oteltest.Open(t, run, oteltest.NewRequest(t, t.Context(), "GET", w.URL, nil))
			text, err := io.ReadAll(resp.Body)
			if err == nil {
				t.Error("reading the body = no error, want one")
			}
			run.WantEnded(t, "with the error", 1)
			_, again := resp.Body.Read(make([]byte, 1))
			// Stream numbers differ between requests.
			kind := func(err error) string { return strings.Split(fmt.Sprintf("%T %v", err, err), "stream ID")[0] }
			return fmt.Sprintf("%q, %s, %s, Close %v", text, kind(err), kind(again), resp.Body.Close())
		})
	})
}
