package otelhttpclient_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/http/httputil"
	"net/url"
	"os"
	"reflect"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/oteltest"
	"github.com/otelhttpclient/otelhttpclient/internal/oteltest/instrumented"
)

// contractRun is a way to send requests: the bare transport, or a Transport
// around it.
type contractRun struct {
	http.RoundTripper
	tel     *oteltest.SDK            // nil: bare
	counted *oteltest.CountedTracers // tells of each End; the SDK's spans forgive a second
}

// contractSizes switches the sizes on, for which bodies are counted.
func contractSizes() otelhttpclient.Option {
	return otelhttpclient.WithOptInAttributes("http.request.body.size", "http.response.body.size")
}

// contractEverythingButSizes switches on what looks at requests, responses and
// connections, with hooks that do something.
func contractEverythingButSizes() []otelhttpclient.Option {
	return []otelhttpclient.Option{
		otelhttpclient.WithRequestHook(func(span trace.Span, req *http.Request) {
			// A hook may do to its copy what it likes.
			req.Header.Set("X-Hook", "was here")
			for _, values := range req.Header {
				values[0] += ""
			}
			if req.URL != nil {
				req.URL.Fragment = "hook"
			}
			req.Form = url.Values{"hook": {"x"}}
			span.SetAttributes(attribute.Int("hook.headers", len(req.Header)))
		}),
		otelhttpclient.WithResponseHook(func(span trace.Span, req *http.Request, resp *http.Response, err error) {
			if resp != nil {
				span.SetAttributes(attribute.Int("hook.status", resp.StatusCode))
			}
		}),
		otelhttpclient.WithClientTrace(func(context.Context) *httptrace.ClientTrace {
			return &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) {}, Got100Continue: func() {}, WroteRequest: func(httptrace.WroteRequestInfo) {}}
		}),
		otelhttpclient.WithRequestHeaders("*"), otelhttpclient.WithResponseHeaders("*"),
		otelhttpclient.WithConnectionTimings(),
		otelhttpclient.WithOptInAttributes("url.scheme", "user_agent.original", "network.transport", "url.template"),
		otelhttpclient.WithOptInMetrics(otelhttpclient.MetricResponseBodySize, otelhttpclient.MetricActiveRequests,
			otelhttpclient.MetricOpenConnections, otelhttpclient.MetricConnectionDuration),
	}
}

func contractEverything() []otelhttpclient.Option {
	return append(contractEverythingButSizes(), contractSizes(), otelhttpclient.WithOptInMetrics(otelhttpclient.MetricRequestBodySize))
}

func newContractRun(t *testing.T, base http.RoundTripper, opts ...otelhttpclient.Option) contractRun {
	t.Helper()
	tel := oteltest.New(t)
	counted := oteltest.CountTracers(tel.Tracers)
	opts = append([]otelhttpclient.Option{otelhttpclient.WithTracerProvider(counted)}, opts...)
	return contractRun{instrumented.Transport(tel, base, opts...), tel, counted}
}

func (r contractRun) bare() bool { return r.tel == nil }

// wantEnded checks how many spans have been ended by now, where there are any.
func (r contractRun) wantEnded(t *testing.T, when string, want int64) {
	t.Helper()
	if r.bare() {
		return
	}
	if got := r.counted.Ends(); got != want {
		t.Errorf("spans ended %s: got %d, want %d", when, got, want)
	}
}

// contractCompare runs a scenario with base alone, with a Transport around it,
// and with one that has everything switched on. What the scenario returns is
// what the program saw: it must be the same. Afterwards each of so many spans
// has ended once.
func contractCompare(t *testing.T, base http.RoundTripper, spans int64, scenario func(*testing.T, contractRun) string) {
	t.Helper()
	want := scenario(t, contractRun{RoundTripper: base})
	for name, opts := range map[string][]otelhttpclient.Option{"plain": nil, "everything on": contractEverything()} {
		t.Run(name, func(t *testing.T) {
			run := newContractRun(t, base, opts...)
			if got := scenario(t, run); got != want {
				t.Errorf("the program saw\n got %s\nwant %s, as without the Transport", got, want)
			}
			oteltest.Eventually(t, "the spans end", func() bool { return run.counted.Ends() >= spans })
			if starts := run.counted.Starts(); starts != spans {
				t.Errorf("spans started: got %d, want %d", starts, spans)
			}
			run.wantEnded(t, "after all", spans)
		})
	}
}

// contractText tells what a program may see of a response. The date is the
// server's affair.
func contractText(resp *http.Response, body []byte, err error) string {
	header := resp.Header.Clone()
	header.Del("Date")
	return fmt.Sprintf("%s %s length %d encoding %q close %v uncompressed %v header %v trailer %v body %q err %v",
		resp.Proto, resp.Status, resp.ContentLength, resp.TransferEncoding, resp.Close, resp.Uncompressed, header, resp.Trailer, body, err)
}

// contractExchange makes a request and tells all that a program may see of it.
func contractExchange(rt http.RoundTripper, req *http.Request) string {
	resp, err := rt.RoundTrip(req)
	if err != nil {
		return fmt.Sprintf("response %v error %T %v", resp, err, err)
	}
	body, err := io.ReadAll(resp.Body)
	closed := resp.Body.Close()
	return fmt.Sprintf("%s, Close %v", contractText(resp, body, err), closed)
}

// "RoundTrip should not attempt to interpret the response. In particular,
// RoundTrip must return err == nil if it obtained a response, regardless of the
// response's HTTP status code. […] should not attempt to handle higher-level
// protocol details such as redirects, authentication, or cookies." And
// Response: "The http Client and Transport guarantee that Body is always
// non-nil".
func TestContractRoundTripDoesNotInterpretTheResponse(t *testing.T) {
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
					contractCompare(t, w.Base, 1, func(t *testing.T, run contractRun) string {
						req := oteltest.NewRequest(t, t.Context(), method, fmt.Sprint(w.URL, "/", status), nil)
						resp, err := run.RoundTrip(req)
						if err != nil || resp.StatusCode != status {
							t.Fatalf("RoundTrip = %v, %v, want the status %d and no error", resp, err, status)
						}
						if resp.Body == nil {
							t.Fatal("the response's body is nil, want it never to be")
						}
						body, err := io.ReadAll(resp.Body)
						_ = resp.Body.Close()
						return contractText(resp, body, err)
					})
				})
			}
		}
	})
}

// contractUnmodified returns a function that checks that a request is still as
// it is now: the same values in the same places.
func contractUnmodified(t *testing.T, req *http.Request) func(when string) {
	ctx, header, u, body, again := req.Context(), req.Header, req.URL, req.Body, reflect.ValueOf(req.GetBody).Pointer()
	want := req.Clone(ctx)
	want.GetBody = nil // functions cannot be compared but with nil
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
func TestContractRoundTripDoesNotModifyTheRequest(t *testing.T) {
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		started, goOn := make(chan struct{}), make(chan struct{})
		w := oteltest.NewServer(t, version, func(rw http.ResponseWriter, r *http.Request) {
			started <- struct{}{}
			<-goOn
			_, _ = io.Copy(rw, r.Body)
		})
		contractCompare(t, w.Base, 1, func(t *testing.T, run contractRun) string {
			req := oteltest.NewRequest(t, t.Context(), "POST", w.URL+"/a%2Fb?x=1;2#f", strings.NewReader("text"))
			req.Host = "other.example"
			req.Header["X-Many"] = []string{"1", "2"}
			req.Header.Set("Traceparent", "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01")
			req.Header.Set("Baggage", "a=b")
			req.Form, req.PostForm = url.Values{"f": {"1"}}, url.Values{"p": {"1"}}
			req.Response = &http.Response{StatusCode: 307}
			check := contractUnmodified(t, req)
			got := make(chan string)
			go func() { got <- contractExchange(run, req) }()
			<-started
			check("while it is under way") // the race detector sees a write meanwhile
			goOn <- struct{}{}
			text := <-got
			check("afterwards")
			return text
		})
	})
}

// Fields that are nil stay nil, and the base may do to them what it likes with
// a hook as without.
func TestContractRoundTripLeavesNilFieldsNil(t *testing.T) {
	for name, opts := range map[string][]otelhttpclient.Option{"plain": nil, "everything on": contractEverything()} {
		run := newContractRun(t, oteltest.Answer(200), opts...)
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
func TestContractRoundTripAlwaysClosesTheBody(t *testing.T) {
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
				contractCompare(t, base, spans, func(t *testing.T, run contractRun) string {
					body := oteltest.NewBody(strings.NewReader("text"))
					req := oteltest.NewRequest(t, t.Context(), "POST", w.URL+"/read", body)
					resp, err := run.RoundTrip(row.change(req))
					// With these it depends on who is first, the server or
					// the client, whether there is an error, and which.
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
func TestContractSafeForConcurrentUse(t *testing.T) {
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		w := oteltest.NewServer(t, version, func(rw http.ResponseWriter, r *http.Request) { _, _ = io.Copy(rw, r.Body) })
		const workers, each = 8, 16
		contractCompare(t, w.Base, workers*each, func(t *testing.T, run contractRun) string {
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

// What a request is sent for, and what a body can be got anew with, reaches
// base; the response names the caller's request.
func TestContractRequestFieldsReachBase(t *testing.T) {
	for name, opts := range map[string][]otelhttpclient.Option{"plain": nil, "everything on": contractEverything()} {
		cause, cancel := &http.Response{StatusCode: 302}, make(chan struct{})
		req := oteltest.NewRequest(t, t.Context(), "POST", "http://example.com/", strings.NewReader("text"))
		req.Response, req.Host, req.Close = cause, "other.example", true
		//lint:ignore SA1019 programs use it still
		req.Cancel = cancel
		req.TransferEncoding = []string{"chunked"}
		run := newContractRun(t, oteltest.RoundTripFunc(func(sent *http.Request) (*http.Response, error) {
			if sent.Response != cause {
				t.Errorf("%s: base got Response %p, want %p", name, sent.Response, cause)
			}
			if sent.ContentLength != 4 || sent.Host != "other.example" || !sent.Close || len(sent.TransferEncoding) != 1 {
				t.Errorf("%s: base got %+v, want length, host, Close and transfer encoding of the caller", name, *sent)
			}
			//lint:ignore SA1019 programs use it still
			if sent.Cancel != (<-chan struct{})(cancel) {
				t.Errorf("%s: base got another Cancel, want the caller's", name)
			}
			for range 2 {
				body, err := sent.GetBody()
				if err != nil {
					t.Fatalf("%s: GetBody = %v, want no error", name, err)
				}
				if text, err := io.ReadAll(body); string(text) != "text" || err != nil {
					t.Errorf("%s: GetBody gave %q, %v, want %q", name, text, err, "text")
				}
			}
			return oteltest.Reply(sent, 200, http.NoBody), nil
		}), opts...)
		resp := oteltest.Open(t, run, req)
		if resp.Request != req {
			t.Errorf("%s: the response names request %p, want the caller's, %p", name, resp.Request, req)
		}
	}
}

// net/http names the request that it was given in the response, or a copy of it
// that differs in the body alone: that is so with a body on an HTTP/2 connection
// that was used before. Neither may leave the Transport as it was sent, with
// the span in the context and with headers that the caller has not set.
func TestContractResponseNamesTheCallersRequest(t *testing.T) {
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		w := oteltest.NewServer(t, version, func(rw http.ResponseWriter, r *http.Request) { _, _ = io.Copy(rw, r.Body) })
		for name, opts := range map[string][]otelhttpclient.Option{"plain": nil, "everything on": contractEverything()} {
			run := newContractRun(t, w.Base, opts...)
			for nth := range 3 {
				req := oteltest.NewRequest(t, t.Context(), "POST", w.URL, strings.NewReader("text"))
				resp := oteltest.Open(t, run, req)
				oteltest.Discard(resp)
				if resp.Request != req {
					t.Errorf("%s, request %d: the response names a request with the headers %v, want the caller's own", name, nth, resp.Request.Header)
				}
			}
		}
	})
	// A base that sends another request says so in the response. That stands.
	other := oteltest.NewRequest(t, t.Context(), "GET", "http://other.example/", nil)
	for name, change := range map[string]func(*http.Request){
		"URL":    func(r *http.Request) { r.URL = other.URL },
		"header": func(r *http.Request) { r.Header = other.Header },
		"host":   func(r *http.Request) { r.Host = "other.example" },
		"method": func(r *http.Request) { r.Method = "PUT" },
	} {
		var rewritten *http.Request
		run := newContractRun(t, oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
			rewritten = req.WithContext(req.Context())
			change(rewritten)
			return oteltest.Reply(rewritten, 200, http.NoBody), nil
		}))
		resp, err := run.RoundTrip(oteltest.NewRequest(t, t.Context(), "GET", "http://example.com/", nil))
		if err != nil || resp.Request != rewritten {
			t.Errorf("another %s: the response names %p, %v, want the request that base has made, %p", name, resp.Request, err, rewritten)
		}
	}
}

// Only the sizes need a body to be counted, and only one of unknown length. net/http looks at a body's type:
// an *os.File is sent without a copy, and http.NoBody is none.
func TestContractBodiesReachBaseAsTheyAre(t *testing.T) {
	file, err := os.Open(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for name, opts := range map[string][]otelhttpclient.Option{
		"plain": nil, "everything but the sizes": contractEverythingButSizes(), "sizes": {contractSizes()},
	} {
		for i, body := range []io.ReadCloser{nil, http.NoBody, file, io.NopCloser(bytes.NewReader([]byte("x"))), oteltest.NewBody(strings.NewReader("x"))} {
			length := int64(1 - 2*(i%2)) // known or not
			req := &http.Request{Method: "POST", URL: &url.URL{Scheme: "https", Host: "example.com"}, Header: http.Header{}, Body: body, ContentLength: length}
			counted := name == "sizes" && length < 0 && body != nil && body != http.NoBody
			_, _ = newContractRun(t, oteltest.RoundTripFunc(func(sent *http.Request) (*http.Response, error) {
				if same := sent.Body == body; same == counted {
					t.Errorf("%s: base got the body %T, for %T; the same: got %v, want %v", name, sent.Body, body, same, !counted)
				}
				if sent.ContentLength != length || sent.GetBody != nil {
					t.Errorf("%s: base got length %d, GetBody set %v, want %d and not, as it was", name, sent.ContentLength, sent.GetBody != nil, length)
				}
				return nil, errors.New("enough")
			}), opts...).RoundTrip(req)
			if req.Body != body {
				t.Errorf("%s: the caller's request has the body %T, want its %T", name, req.Body, body)
			}
		}
	}
}

// contractConn tells what the connection was asked to send by itself.
type contractConn struct {
	net.Conn
	from chan io.Reader
}

func (c contractConn) ReadFrom(r io.Reader) (int64, error) {
	inner := r
	for {
		limited, ok := inner.(*io.LimitedReader)
		if !ok {
			break
		}
		inner = limited.R
	}
	c.from <- inner
	return io.Copy(struct{ io.Writer }{c.Conn}, r)
}

// A file goes from the disk to the network without passing through the program,
// for which the connection has to get the file itself.
func TestContractFilesReachTheConnection(t *testing.T) {
	file, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Repeat("0123456789", 10000)
	_, _ = file.WriteString(want)
	w := oteltest.NewServer(t, "1.1", func(rw http.ResponseWriter, r *http.Request) {
		if got, err := io.ReadAll(r.Body); string(got) != want || err != nil {
			t.Errorf("the server got %d bytes, %v, want the file's %d", len(got), err, len(want))
		}
	})
	from := make(chan io.Reader, 8)
	w.Base.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, address)
		return contractConn{c, from}, err
	}
	runs := map[string]contractRun{"bare": {RoundTripper: w.Base}, "plain": newContractRun(t, w.Base),
		"everything but the sizes": newContractRun(t, w.Base, contractEverythingButSizes()...)}
	for name, run := range runs {
		again, err := os.Open(file.Name())
		if err != nil {
			t.Fatal(err)
		}
		req := oteltest.NewRequest(t, t.Context(), "PUT", w.URL, again)
		req.ContentLength = int64(len(want))
		oteltest.MustSend(t, run, req)
		if got := <-from; got != io.Reader(again) {
			t.Errorf("%s: the connection was given %T to send, want the file itself", name, got)
		}
	}
}

type pieces struct{ io.Reader }

func (pieces) Close() error                { return nil }
func (pieces) Write(p []byte) (int, error) { return len(p), nil }
func (pieces) CloseWrite() error           { return nil }
func (pieces) WriteTo(w io.Writer) (int64, error) {
	n, err := io.WriteString(w, "x")
	return int64(n), err
}
func (p pieces) asCloser() io.ReadCloser { return struct{ io.ReadCloser }{p} }

type contractCloseWriter interface{ CloseWrite() error }

// all are bodies with each set of the optional interfaces.
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
			contractCloseWriter
		}{c, p},
		struct {
			io.ReadCloser
			io.WriterTo
		}{c, p},
		struct {
			io.ReadCloser
			io.Writer
			contractCloseWriter
		}{c, p, p},
		struct {
			io.ReadCloser
			io.Writer
			io.WriterTo
		}{c, p, p},
		struct {
			io.ReadCloser
			contractCloseWriter
			io.WriterTo
		}{c, p, p},
		p,
	}
}

func contractInterfaces(b any) string {
	_, w := b.(io.Writer)
	_, c := b.(contractCloseWriter)
	_, to := b.(io.WriterTo)
	return fmt.Sprintf("Writer %v, CloseWrite %v, WriterTo %v", w, c, to)
}

// TestContractOptionalInterfaces: a body has those of base's, and no others,
// and they do what those of base's do.
func TestContractOptionalInterfaces(t *testing.T) {
	seen := map[string]bool{}
	for name, opts := range map[string][]otelhttpclient.Option{"plain": nil, "everything on": contractEverything()} {
		for _, body := range (pieces{strings.NewReader("x")}).all() {
			run := newContractRun(t, oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
				return oteltest.Reply(req, 200, body), nil
			}), opts...)
			resp := oteltest.Open(t, run, oteltest.NewRequest(t, t.Context(), "GET", "https://example.com/", nil))
			want := contractInterfaces(body)
			seen[want] = true
			if got := contractInterfaces(resp.Body); got != want {
				t.Errorf("%s: got %s, want %s", name, got, want)
			}
			if w, ok := resp.Body.(io.Writer); ok {
				if n, err := w.Write([]byte("abc")); n != 3 || err != nil {
					t.Errorf("%s: Write = %d, %v, want 3 and no error", name, n, err)
				}
			}
			if c, ok := resp.Body.(contractCloseWriter); ok {
				if err := c.CloseWrite(); err != nil {
					t.Errorf("%s: CloseWrite = %v, want no error", name, err)
				}
			}
			run.wantEnded(t, "while the body is open", 0)
			if to, ok := resp.Body.(io.WriterTo); ok {
				var got strings.Builder
				if n, err := to.WriteTo(&got); n != 1 || err != nil || got.String() != "x" {
					t.Errorf("%s: WriteTo = %d, %v with %q, want 1, no error, and x", name, n, err, got.String())
				}
				run.wantEnded(t, "with WriteTo, which reads to the end", 1)
			}
			_ = resp.Body.Close()
			run.wantEnded(t, "with Close", 1)
		}
	}
	if len(seen) != 8 {
		t.Errorf("%d sets of interfaces were tried, want all 8", len(seen))
	}
}

// Programs compare with http.NoBody, and net/http's own bodies of nothing are
// not wrapped either.
func TestContractNoBodyStaysNoBody(t *testing.T) {
	for name, opts := range map[string][]otelhttpclient.Option{"plain": nil, "everything on": contractEverything()} {
		for _, major := range []int{1, 2} {
			run := newContractRun(t, oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
				resp := oteltest.Reply(req, 200, http.NoBody)
				resp.ProtoMajor = major
				return resp, nil
			}), opts...)
			resp, err := run.RoundTrip(oteltest.NewRequest(t, t.Context(), "GET", "https://example.com/", nil))
			if err != nil || resp.Body != http.NoBody {
				t.Errorf("%s, HTTP/%d: got the body %#v, %v, want http.NoBody", name, major, resp.Body, err)
			}
			run.wantEnded(t, "without a body", 1)
		}
	}
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		w := oteltest.NewServer(t, version, func(rw http.ResponseWriter, r *http.Request) { rw.WriteHeader(204) })
		contractCompare(t, w.Base, 1, func(t *testing.T, run contractRun) string {
			resp := oteltest.Open(t, run, oteltest.NewRequest(t, t.Context(), "GET", w.URL, nil))
			run.wantEnded(t, "with the headers", 1)
			return fmt.Sprintf("%T, http.NoBody %v", resp.Body, resp.Body == http.NoBody)
		})
	})
}

// TestContractTrailers: in both directions, announced or not, and filled in
// while the body is on its way. A request hook has a copy of the request, which
// must not cut the caller's trailer off.
func TestContractTrailers(t *testing.T) {
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
		trailers := func(t *testing.T, run contractRun, path string) string {
			reader, writer := io.Pipe()
			req := oteltest.NewRequest(t, t.Context(), "POST", w.URL+path, reader)
			req.Trailer = http.Header{"Sum": nil}
			go func() {
				_, _ = io.WriteString(writer, "body")
				req.Trailer.Set("Sum", "42") // while the body is being sent
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
		// With an announcement there is a map for the trailer from the
		// beginning. Without, there is one only at the end.
		for _, path := range []string{"/announced", "/unannounced"} {
			contractCompare(t, w.Base, 1, func(t *testing.T, run contractRun) string { return trailers(t, run, path) })
		}
	})
}

// TestContractUpgradeThroughReverseProxy: a switch of protocols, with a proxy
// in front that uses the Transport.
func TestContractUpgradeThroughReverseProxy(t *testing.T) {
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

func TestContractCallersTraceRuns(t *testing.T) {
	w := oteltest.NewServer(t, "1.1", func(http.ResponseWriter, *http.Request) {})
	got := false
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { got = true }})
	tel := oteltest.New(t)
	oteltest.MustSend(t, instrumented.Transport(tel, w.Client().Transport), oteltest.NewRequest(t, ctx, "GET", w.URL, nil))
	if !got {
		t.Error("the caller's GotConn was not called")
	}
	oteltest.WantAttribute(t, tel.OnlySpan().Attributes, "network.peer.port", w.Port())
}

func TestContractNestedTransportsGiveOneSpan(t *testing.T) {
	tel := oteltest.New(t)
	oteltest.MustSend(t, instrumented.Transport(tel, instrumented.Transport(tel, instrumented.Transport(tel, oteltest.Answer(200)))), oteltest.NewRequest(t, t.Context(), "GET", "https://example.com/", nil))
	tel.OnlySpan()
	if p := tel.Seconds("http.client.request.duration"); p.Count != 1 {
		t.Errorf("measurements: got %d, want 1", p.Count)
	}
}

// TestContractForgottenBodies: on both versions the collector finds them.
func TestContractForgottenBodies(t *testing.T) {
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
