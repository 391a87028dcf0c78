package streams

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otelhttpclient/otelhttpclient/conformance/internal/suite"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

// Each attempt of http.Client has a span and a size of its own.
func TestRedirectsReplayTheBody(t *testing.T) {
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		for _, status := range []int{307, 308} {
			got := make(chan string, 8)
			w := oteltest.NewServer(t, version, func(rw http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				got <- string(body)
				if r.URL.Path != "/3" {
					http.Redirect(rw, r, map[string]string{"/1": "/2", "/2": "/3"}[r.URL.Path], status)
				}
			})
			suite.Compare(t, w.Base, 3, func(t *testing.T, run suite.Run) string {
				resp, err := (&http.Client{Transport: run}).Post(w.URL+"/1", "text/plain", strings.NewReader("replayed"))
				if err != nil {
					t.Fatalf("Post = %v, want no error", err)
				}
				oteltest.Discard(resp)
				for attempt := range 3 {
					if body := oteltest.Within(t, "the body arrives", got); body != "replayed" {
						t.Errorf("attempt %d: the server got %q, want %q", attempt, body, "replayed")
					}
				}
				if !run.Bare() {
					wantRequestSizes(t, run, 3, 3*8)
				}
				return resp.Request.URL.Path
			})
		}
	})
}

// wantRequestSizes checks the number and the sum of the measured request sizes,
// if the run measures them.
func wantRequestSizes(t *testing.T, run suite.Run, count uint64, sum int64) {
	t.Helper()
	m, _ := run.SDK.Metric("http.client.request.body.size")
	sizes, wanted := m.Data.(metricdata.Histogram[int64])
	if !wanted {
		return
	}
	gotCount, gotSum := uint64(0), int64(0)
	for _, p := range sizes.DataPoints {
		gotCount += p.Count
		gotSum += p.Sum
	}
	if gotCount != count || gotSum != sum {
		t.Errorf("request sizes: got %d of %d bytes in all, want %d of %d", gotCount, gotSum, count, sum)
	}
}

// net/http resends a request if the reused connection turns out to be dead,
// with a body from GetBody. For the program and for the telemetry it is one
// attempt.
func TestDeadConnectionReplaysTheBody(t *testing.T) {
	const text = "replayed"
	bodies := make(chan string, 8)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				// The first request on a connection is answered. The second
				// is read, and then the connection is closed. The replay is
				// the first on a new connection.
				for in, nth := bufio.NewReader(c), 1; ; nth++ {
					req, err := http.ReadRequest(in)
					if err != nil {
						return
					}
					body, _ := io.ReadAll(req.Body)
					bodies <- string(body)
					if nth == 2 {
						return
					}
					_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
				}
			}()
		}
	}()
	base := &http.Transport{}
	defer base.CloseIdleConnections()
	suite.Compare(t, base, 2, func(t *testing.T, run suite.Run) string {
		base.CloseIdleConnections() // of the run before
		var seen strings.Builder
		for range 2 {
			body := oteltest.NewBody(strings.NewReader(text))
			req := oteltest.NewRequest(t, t.Context(), "POST", "http://"+l.Addr().String(), body)
			req.ContentLength = int64(len(text))
			req.Header.Set("Idempotency-Key", "1") // otherwise net/http does not resend it
			again := 0
			req.GetBody = func() (io.ReadCloser, error) { again++; return io.NopCloser(strings.NewReader(text)), nil }
			fmt.Fprintf(&seen, "%s; GetBody called %d times; ", suite.Exchange(run, req), again)
			body.WantClosed(t)
		}
		for range 3 { // the first, the lost second, its replay
			if got := oteltest.Within(t, "the body arrives", bodies); got != text {
				t.Errorf("the server got %q, want %q", got, text)
			}
		}
		if !run.Bare() {
			wantRequestSizes(t, run, 2, int64(2*len(text)))
		}
		return seen.String()
	})
}

// An HTTP/2 server may refuse a stream that it has not processed. net/http
// resends the request with a body from GetBody.
func TestRefusedStreamsReplayTheBody(t *testing.T) {
	const text = "replayed"
	for name, refuse := range map[string]func(io.Writer, uint32){
		"REFUSED_STREAM": func(w io.Writer, stream uint32) {
			oteltest.Frame{Kind: oteltest.FrameRSTStream, Stream: stream, Payload: []byte{0, 0, 0, 7}}.Write(w)
		},
		// Last processed stream 0, no error.
		"GOAWAY": func(w io.Writer, _ uint32) {
			oteltest.Frame{Kind: oteltest.FrameGoAway, Payload: make([]byte, 8)}.Write(w)
		},
	} {
		t.Run(name, func(t *testing.T) {
			outcome := func(t *testing.T, run func(http.RoundTripper) suite.Run) string {
				address, base, bodies := newRefusingServer(t, refuse)
				rt := run(base)
				body, again := oteltest.NewBody(strings.NewReader(text)), 0
				req := oteltest.NewRequest(t, t.Context(), "POST", address, body)
				req.ContentLength = int64(len(text))
				req.GetBody = func() (io.ReadCloser, error) { again++; return io.NopCloser(strings.NewReader(text)), nil }
				seen := suite.Exchange(rt, req)
				body.WantClosed(t)
				for range 2 {
					if got := oteltest.Within(t, "the body arrives", bodies); got != text {
						t.Errorf("the server got %q, want %q", got, text)
					}
				}
				if !rt.Bare() {
					rt.WantEnded(t, "after the replay", 1)
					wantRequestSizes(t, rt, 1, int64(len(text)))
				}
				return fmt.Sprintf("%s; GetBody called %d times", seen, again)
			}
			want := outcome(t, func(base http.RoundTripper) suite.Run { return suite.Run{RoundTripper: base} })
			if strings.HasSuffix(want, "GetBody called 0 times") {
				t.Fatalf("bare: %s, want a replay", want)
			}
			for _, all := range []bool{false, true} {
				got := outcome(t, func(base http.RoundTripper) suite.Run {
					if all {
						return suite.NewRun(t, base, suite.Everything()...)
					}
					return suite.NewRun(t, base)
				})
				if got != want {
					t.Errorf("everything on %v:\n got %s\nwant %s, as without the Transport", all, got, want)
				}
			}
		})
	}
}
