package contract

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/conformance/internal/suite"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

// "RoundTrip should not attempt to interpret the response. In particular,
// RoundTrip must return err == nil if it obtained a response, regardless of the
// response's HTTP status code. […] should not attempt to handle higher-level
// protocol details such as redirects, authentication, or cookies." And
// Response: "The http Client and Transport guarantee that Body is always
// non-nil".
func TestResponseIsNotInterpreted(t *testing.T) {
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		w := oteltest.NewServer(t, version, func(rw http.ResponseWriter, r *http.Request) {
			status, _ := strconv.Atoi(r.URL.Path[1:])
			rw.Header().Set("Location", "/elsewhere")
			rw.Header().Set("WWW-Authenticate", `Basic realm="r"`)
			rw.Header().Set("Set-Cookie", "a=b")
			rw.WriteHeader(status)
			if status != 204 && status != 304 {
				_, _ = io.WriteString(rw, "text")
			}
		})
		for _, method := range []string{"GET", "HEAD"} {
			for _, status := range []int{200, 204, 302, 304, 307, 401, 404, 407, 429, 500, 503, 599, 999} {
				t.Run(fmt.Sprint(method, status), func(t *testing.T) {
					suite.Compare(t, w.Base, 1, func(t *testing.T, run suite.Run) string {
						req := oteltest.NewRequest(t, t.Context(), method, fmt.Sprint(w.URL, "/", status), nil)
						resp, err := run.RoundTrip(req)
						if err != nil || resp.StatusCode != status {
							t.Fatalf("RoundTrip = %v, %v, want the status %d and no error", resp, err, status)
						}
						if resp.Body == nil {
							t.Fatal("the response's body is nil, want one")
						}
						body, err := io.ReadAll(resp.Body)
						_ = resp.Body.Close()
						return suite.ResponseText(resp, body, err)
					})
				})
			}
		}
	})
}

// unmodified returns a function that checks that a request has not changed
// since: the same values in the same places.
func unmodified(t *testing.T, req *http.Request) func(when string) {
	ctx, header, u, body, again := req.Context(), req.Header, req.URL, req.Body, reflect.ValueOf(req.GetBody).Pointer()
	want := req.Clone(ctx)
	want.GetBody = nil // functions are comparable with nil only
	return func(when string) {
		t.Helper()
		got := *req
		got.GetBody = nil
		if !reflect.DeepEqual(&got, want) {
			t.Errorf("the request %s:\n got %+v\nwant %+v", when, got, *want)
		}
		if req.Context() != ctx || req.URL != u || req.Body != body || reflect.ValueOf(req.GetBody).Pointer() != again ||
			reflect.ValueOf(req.Header).Pointer() != reflect.ValueOf(header).Pointer() {
			t.Errorf("the request %s has another context, URL, header, body or GetBody, want those of before", when)
		}
	}
}

// "RoundTrip should not modify the request, except for consuming and closing
// the Request's Body. RoundTrip may read fields of the request in a separate
// goroutine."
func TestRequestIsNotModified(t *testing.T) {
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		started, goOn := make(chan struct{}), make(chan struct{})
		w := oteltest.NewServer(t, version, func(rw http.ResponseWriter, r *http.Request) {
			started <- struct{}{}
			<-goOn
			_, _ = io.Copy(rw, r.Body)
		})
		suite.Compare(t, w.Base, 1, func(t *testing.T, run suite.Run) string {
			req := oteltest.NewRequest(t, t.Context(), "POST", w.URL+"/a%2Fb?x=1;2#f", strings.NewReader("text"))
			req.Host = "other.example"
			req.Header["X-Many"] = []string{"1", "2"}
			req.Header.Set("Traceparent", "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01")
			req.Header.Set("Baggage", "a=b")
			req.Form, req.PostForm = url.Values{"f": {"1"}}, url.Values{"p": {"1"}}
			req.Response = &http.Response{StatusCode: 307}
			check := unmodified(t, req)
			got := make(chan string)
			go func() { got <- suite.Exchange(run, req) }()
			<-started
			check("while it is under way") // the race detector reports writes
			goOn <- struct{}{}
			text := <-got
			check("afterwards")
			return text
		})
	})
}

// Nil fields of the caller's request stay nil, even if a hook sets them on its
// copy.
func TestNilFieldsStayNil(t *testing.T) {
	for name, opts := range suite.Variants() {
		run := suite.NewRun(t, oteltest.Answer(200), opts...)
		req := &http.Request{URL: &url.URL{Scheme: "http", Host: "example.com"}}
		if status, err := oteltest.Send(run, req); status != 200 || err != nil {
			t.Fatalf("%s: got %d, %v, want 200 and no error", name, status, err)
		}
		if want := (&http.Request{URL: &url.URL{Scheme: "http", Host: "example.com"}}); !reflect.DeepEqual(req, want) {
			t.Errorf("%s: the request became %+v, want %+v", name, *req, *want)
		}
	}
}

// "RoundTrip must always close the body, including on errors, but depending on
// the implementation may do so in a separate goroutine even after RoundTrip
// returns."
func TestRequestBodyIsClosed(t *testing.T) {
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		w := oteltest.NewServer(t, version, func(rw http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/dropped":
				panic(http.ErrAbortHandler)
			case "/unread":
				rw.WriteHeader(413)
			default:
				_, _ = io.Copy(io.Discard, r.Body)
			}
		})
		cancelled, cancel := context.WithCancel(t.Context())
		cancel()
		failing := oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
			_ = req.Body.Close()
			return nil, errors.New("base failed")
		})
		refused := oteltest.ClosedPort(t)
		for _, row := range []struct {
			name   string
			base   http.RoundTripper // nil: the server's
			change func(*http.Request) *http.Request
		}{
			{"success", nil, func(r *http.Request) *http.Request { return r }},
			{"answered unread", nil, func(r *http.Request) *http.Request { r.URL.Path = "/unread"; return r }},
			{"connection dropped", nil, func(r *http.Request) *http.Request { r.URL.Path = "/dropped"; return r }},
			{"dial refused", nil, func(r *http.Request) *http.Request { r.URL.Host = refused[len("http://"):]; return r }},
			{"nil URL", nil, func(r *http.Request) *http.Request { r.URL = nil; return r }},
			{"no host", nil, func(r *http.Request) *http.Request { r.URL.Host = ""; return r }},
			{"unknown scheme", nil, func(r *http.Request) *http.Request { r.URL.Scheme = "gopher"; return r }},
			{"bad method", nil, func(r *http.Request) *http.Request { r.Method = "GET /"; return r }},
			{"bad header", nil, func(r *http.Request) *http.Request { r.Header["a b"] = []string{"c"}; return r }},
			{"cancelled context", nil, func(r *http.Request) *http.Request { return r.WithContext(cancelled) }},
			{"body fails", nil, func(r *http.Request) *http.Request {
				r.Body.(*oteltest.Body).Reader = oteltest.FailingBody("te", errors.New("body failed"))
				return r
			}},
			{"body shorter than its length", nil, func(r *http.Request) *http.Request { r.ContentLength = 100; return r }},
			{"body longer than its length", nil, func(r *http.Request) *http.Request { r.ContentLength = 1; return r }},
			{"base fails", failing, func(r *http.Request) *http.Request { return r }},
			{"not traced", nil, func(r *http.Request) *http.Request {
				return r.WithContext(otelhttpclient.ContextWithoutTracing(r.Context()))
			}},
		} {
			t.Run(row.name, func(t *testing.T) {
				base, spans := row.base, int64(1)
				if base == nil {
					base = w.Base
				}
				if row.name == "not traced" {
					spans = 0
				}
				suite.Compare(t, base, spans, func(t *testing.T, run suite.Run) string {
					body := oteltest.NewBody(strings.NewReader("text"))
					req := oteltest.NewRequest(t, t.Context(), "POST", w.URL+"/read", body)
					resp, err := run.RoundTrip(row.change(req))
					// The error of these depends on whether the server or the
					// client is faster.
					race := row.name == "connection dropped" || strings.Contains(row.name, "its length")
					if err == nil {
						oteltest.Discard(resp)
						body.WantClosed(t)
						if race {
							return "any"
						}
						return resp.Status
					}
					body.WantClosed(t)
					if resp != nil {
						t.Errorf("response = %v with an error, want none", resp)
					}
					if race {
						return "any"
					}
					return fmt.Sprintf("%T %v", err, err)
				})
			})
		}
	})
}

// "A RoundTripper must be safe for concurrent use by multiple goroutines."
func TestConcurrentUse(t *testing.T) {
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		w := oteltest.NewServer(t, version, func(rw http.ResponseWriter, r *http.Request) { _, _ = io.Copy(rw, r.Body) })
		const workers, each = 8, 16
		suite.Compare(t, w.Base, workers*each, func(t *testing.T, run suite.Run) string {
			var all sync.WaitGroup
			for worker := range workers {
				all.Go(func() {
					for i := range each {
						want := fmt.Sprint(worker, "/", i)
						req, _ := http.NewRequestWithContext(t.Context(), "POST", w.URL, strings.NewReader(want))
						resp, err := run.RoundTrip(req)
						if err != nil {
							t.Errorf("RoundTrip = %v, want no error", err)
							return
						}
						if got, err := io.ReadAll(resp.Body); string(got) != want || err != nil {
							t.Errorf("echo = %q, %v, want %q", got, err, want)
						}
						_ = resp.Body.Close()
					}
				})
			}
			all.Wait()
			return ""
		})
	})
}
