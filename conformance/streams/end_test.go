package streams

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"testing"
	"time"

	"github.com/otelhttpclient/otelhttpclient/conformance/internal/suite"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/instrumented"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

// net/http reads short bodies of redirects and closes all of them.
func TestSpansOfRedirectsEndOnce(t *testing.T) {
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		for _, size := range []int{0, 100, 100_000} {
			w := oteltest.NewServer(t, version, func(rw http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/4" {
					rw.Header().Set("Location", fmt.Sprint("/", r.URL.Path[1]-'0'+1))
					rw.WriteHeader(http.StatusFound)
				}
				_, _ = rw.Write(make([]byte, size))
			})
			suite.Compare(t, w.Base, 4, func(t *testing.T, run suite.Run) string {
				resp, err := (&http.Client{Transport: run}).Get(w.URL + "/1")
				if err != nil {
					t.Fatalf("Get = %v, want no error", err)
				}
				run.WantEnded(t, "with the hops behind", map[bool]int64{true: 4, false: 3}[size == 0])
				n, err := io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
				return fmt.Sprint(resp.Status, n, err, resp.Request.URL.Path)
			})
		}
	})
}

// Without a body, the span ends with the headers, and not again with Read or
// Close.
func TestSpansWithoutBodyEndOnce(t *testing.T) {
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		w := oteltest.NewServer(t, version, func(rw http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/204":
				rw.WriteHeader(204)
			case "/304":
				rw.WriteHeader(304)
			default:
				rw.Header().Set("Content-Length", "4")
				_, _ = io.WriteString(rw, "text")
			}
		})
		for _, row := range []struct{ method, path string }{{"HEAD", "/"}, {"GET", "/204"}, {"GET", "/304"}, {"HEAD", "/304"}} {
			t.Run(row.method+row.path, func(t *testing.T) {
				suite.Compare(t, w.Base, 1, func(t *testing.T, run suite.Run) string {
					resp := oteltest.Open(t, run, oteltest.NewRequest(t, t.Context(), row.method, w.URL+row.path, nil))
					run.WantEnded(t, "with the headers", 1)
					body, err := io.ReadAll(resp.Body)
					return fmt.Sprint(suite.ResponseText(resp, body, err), resp.Body.Close(), resp.Body.Close())
				})
			})
		}
	})
}

// A body that is neither read nor closed ends its span when it is garbage
// collected.
func TestForgottenBodies(t *testing.T) {
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		w := oteltest.NewServer(t, version, func(rw http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(rw, "x")
			rw.(http.Flusher).Flush()
			<-r.Context().Done()
		})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		tel := oteltest.New(t)
		rt := instrumented.Transport(tel, w.Client().Transport)
		func() {
			resp := oteltest.Open(t, rt, oteltest.NewRequest(t, ctx, "GET", w.URL, nil))
			_, _ = resp.Body.Read(make([]byte, 1))
		}()
		last := time.Now()
		oteltest.Eventually(t, "the span of the forgotten body ends", func() bool { runtime.GC(); return len(tel.Spans()) == 1 })
		span := tel.OnlySpan()
		oteltest.WantAttribute(t, span.Attributes, "otelhttpclient.response.body.abandoned", true)
		if span.EndTime.After(last) {
			t.Errorf("span ended at %v, want the time of the last activity, before %v", span.EndTime, last)
		}
	})
}
