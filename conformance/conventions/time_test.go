package conventions

import (
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/otelhttpclient/otelhttpclient/internal/testkit/instrumented"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

func TestSpanStartAndEnd(t *testing.T) {
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		for _, test := range []struct {
			name string
			end  func(*http.Response)
		}{
			{"read to its end", func(resp *http.Response) { _, _ = io.Copy(io.Discard, resp.Body) }},
			{"closed", func(resp *http.Response) { _ = resp.Body.Close() }},
		} {
			t.Run(test.name, func(t *testing.T) {
				arrived := make(chan time.Time, 1)
				w := oteltest.NewServer(t, version, func(rw http.ResponseWriter, _ *http.Request) {
					arrived <- time.Now()
					_, _ = io.WriteString(rw, "ok")
				})
				tel := oteltest.New(t)
				resp := oteltest.Open(t, instrumented.Transport(tel, w.Base), oteltest.NewRequest(t, t.Context(), "GET", w.URL, nil))
				defer resp.Body.Close()
				if n := len(tel.Spans()); n != 0 {
					t.Errorf("%d spans have ended with the headers, want none", n)
				}
				before := time.Now()
				test.end(resp)
				span := tel.OnlySpan()
				if got := <-arrived; span.StartTime.After(got) {
					t.Errorf("started at %v, want before the request has arrived, at %v", span.StartTime, got)
				}
				if span.EndTime.Before(before) {
					t.Errorf("ended at %v, want after the body was, not before %v", span.EndTime, before)
				}
			})
		}
	})
}

// Without a body, the span ends with the headers, even if the caller does not
// close the body.
func TestSpanEndWithoutBody(t *testing.T) {
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		for _, test := range []struct {
			method string
			status int
			length string
		}{
			{"HEAD", 200, "100"}, // of a GET
			{"GET", 200, ""},
			{"GET", 204, ""},
			{"GET", 304, ""},
			{"GET", 304, "100"}, // of the body that is not sent
		} {
			t.Run(test.method+" "+http.StatusText(test.status)+" "+test.length, func(t *testing.T) {
				w := oteltest.NewServer(t, version, func(rw http.ResponseWriter, _ *http.Request) {
					if test.length != "" {
						rw.Header().Set("Content-Length", test.length)
					}
					rw.WriteHeader(test.status)
				})
				tel := oteltest.New(t)
				resp := oteltest.Open(t, instrumented.Transport(tel, w.Base), oteltest.NewRequest(t, t.Context(), test.method, w.URL, nil))
				if version == "2" && test.length != "" && test.method == "GET" {
					_ = resp.Body.Close() // net/http's server ends the stream after the headers
				}
				tel.OnlySpan()
				_ = resp.Body.Close()
				tel.OnlySpan() // still
			})
		}
	})
}
