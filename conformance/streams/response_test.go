package streams

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"go.opentelemetry.io/otel/codes"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/instrumented"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

// A route is a way of a request on which base gets a copy of it, so that the
// response has to name the caller's.
type route struct {
	name    string
	through func(t *testing.T, base http.RoundTripper) http.RoundTripper
	context func(context.Context) context.Context // nil: as it is
}

func routes() []route {
	noMetrics := otelhttpclient.WithMeterProvider(metricnoop.NewMeterProvider())
	dropping := func(opts ...otelhttpclient.Option) func(t *testing.T, base http.RoundTripper) http.RoundTripper {
		return func(t *testing.T, base http.RoundTripper) http.RoundTripper {
			return instrumented.Transport(oteltest.NewSampled(t, sdktrace.NeverSample()), base, opts...)
		}
	}
	recording := func(opts ...otelhttpclient.Option) func(t *testing.T, base http.RoundTripper) http.RoundTripper {
		return func(t *testing.T, base http.RoundTripper) http.RoundTripper {
			return instrumented.Transport(oteltest.New(t), base, opts...)
		}
	}
	return []route{
		{name: "recorded", through: recording()},
		{name: "recorded until the headers", through: recording(otelhttpclient.WithSpanEnd(otelhttpclient.EndOnHeaders))},
		{name: "every option", through: func(t *testing.T, base http.RoundTripper) http.RoundTripper {
			return otelhttpclient.NewTransport(base, instrumented.EveryOption(oteltest.New(t))...)
		}},
		{name: "measured", through: dropping()},
		{name: "dropped by the sampler", through: dropping(noMetrics)},
		{name: "dropped by the sampler, with a hook", through: dropping(noMetrics,
			otelhttpclient.WithResponseHook(func(trace.Span, *http.Request, *http.Response, error) {}))},
		{name: "propagated only", through: recording(), context: func(ctx context.Context) context.Context {
			sc := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{1}})
			return otelhttpclient.ContextWithPropagationOnly(trace.ContextWithSpanContext(ctx, sc))
		}},
		{name: "below a Transport without a propagator", through: func(t *testing.T, base http.RoundTripper) http.RoundTripper {
			tel := oteltest.New(t)
			return instrumented.Transport(tel, instrumented.Transport(tel, base),
				otelhttpclient.WithPropagators(propagation.NewCompositeTextMapPropagator()))
		}},
		{name: "two Transports", through: func(t *testing.T, base http.RoundTripper) http.RoundTripper {
			tel := oteltest.New(t)
			return instrumented.Transport(tel, instrumented.Transport(tel, base))
		}},
	}
}

func (r route) request(t testing.TB, method, url string) *http.Request {
	ctx := t.Context()
	if r.context != nil {
		ctx = r.context(ctx)
	}
	return oteltest.NewRequest(t, ctx, method, url, nil)
}

// base may keep its response: caches and mocks do, and so does net/http since Go
// 1.27. Its fields are base's.
func TestResponseOfBaseIsNotWritten(t *testing.T) {
	for _, r := range routes() {
		for what, body := range map[string]io.ReadCloser{
			"body":         io.NopCloser(strings.NewReader("fine")),
			"io.Writer":    struct{ io.ReadWriteCloser }{},
			"http.NoBody":  http.NoBody,
			"without body": nil,
		} {
			t.Run(r.name+"/"+what, func(t *testing.T) {
				var kept *http.Response
				var before http.Response
				rt := r.through(t, oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
					kept = &http.Response{StatusCode: 200, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{}, ContentLength: -1, Body: body, Request: req}
					before = *kept
					return kept, nil
				}))
				req := r.request(t, "GET", "https://example.com/")
				resp := oteltest.Open(t, rt, req)
				if resp == kept {
					t.Error("the caller's response is base's, want one of its own")
				}
				if resp.Request != req {
					t.Errorf("the caller's response: Request is %p, want the caller's, %p", resp.Request, req)
				}
				if what == "body" {
					oteltest.ReadBody(t, resp)
				}
				if kept.Body != before.Body || kept.Request != before.Request {
					t.Errorf("base's response: got body %T and request %p, want as they were, %T and %p", kept.Body, kept.Request, before.Body, before.Request)
				}
			})
		}
	}
}

// A base that always returns the same response gets no wrapper per request, and
// its requests may run concurrently.
func TestSameResponseAgain(t *testing.T) {
	for _, r := range routes() {
		t.Run(r.name, func(t *testing.T) {
			always := &http.Response{StatusCode: 200, Header: http.Header{}, ContentLength: -1, Body: emptyBody{}}
			rt := r.through(t, oteltest.RoundTripFunc(func(*http.Request) (*http.Response, error) { return always, nil }))
			oteltest.Concurrently(10, 10, func(int) {
				if status, err := oteltest.Send(rt, r.request(t, "GET", "https://example.com/")); status != 200 || err != nil {
					t.Errorf("got %d and error %v, want 200", status, err)
				}
			})
			if _, same := always.Body.(emptyBody); !same {
				t.Errorf("body of base's response after 100 requests: got %T, want as it was", always.Body)
			}
		})
	}
}

type emptyBody struct{}

func (emptyBody) Read([]byte) (int, error) { return 0, io.EOF }
func (emptyBody) Close() error             { return nil }

// net/http puts trailers into its own response at the end of the body.
func TestTrailersAreTheBares(t *testing.T) {
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		server := oteltest.NewServer(t, version, func(w http.ResponseWriter, req *http.Request) {
			if req.URL.Path == "/announced" {
				w.Header().Set("Trailer", "Grpc-Status, Never-Sent")
			}
			_, _ = io.WriteString(w, "fine")
			w.(http.Flusher).Flush()
			switch req.URL.Path {
			case "/announced":
				w.Header().Set("Grpc-Status", "0")
			case "/unannounced":
				w.Header().Set(http.TrailerPrefix+"Grpc-Status", "0")
			}
		})
		look := func(rt http.RoundTripper, req *http.Request) string {
			resp := oteltest.Open(t, rt, req)
			before, announced := fmt.Sprint(resp.Trailer), resp.Trailer
			body := oteltest.ReadBody(t, resp)
			return fmt.Sprint(before, " ", body, " ", resp.Trailer, " ", announced)
		}
		for _, r := range routes() {
			for _, path := range []string{"/announced", "/unannounced", "/none"} {
				t.Run(r.name+path, func(t *testing.T) {
					got := look(r.through(t, server.Base), r.request(t, "GET", server.URL+path))
					if want := look(server.Base, r.request(t, "GET", server.URL+path)); got != want {
						t.Errorf("trailers before, body, trailers after: got %s, want what base gives, %s", got, want)
					}
				})
			}
		}
	})
}

// As with net/http, every Read that returns the end has the trailers before it,
// and no later Read touches them. The race detector sees both.
func TestTrailersOfBodyWithSeveralReaders(t *testing.T) {
	for _, r := range routes() {
		t.Run(r.name, func(t *testing.T) {
			rt := r.through(t, oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
				resp := oteltest.Reply(req, 200, nil)
				resp.ContentLength, resp.Body = -1, &trailingBody{resp: resp}
				return resp, nil
			}))
			for range 200 {
				resp := oteltest.Open(t, rt, r.request(t, "GET", "https://example.com/"))
				var readers sync.WaitGroup
				for range 3 {
					readers.Go(func() {
						if _, err := resp.Body.Read(make([]byte, 1)); err != io.EOF {
							t.Errorf("reading: got error %v, want the end", err)
						}
						if got, want := resp.Trailer.Get("Grpc-Status"), "0"; got != want {
							t.Errorf("trailer at the end: got %q, want %q", got, want)
						}
						_, _ = resp.Body.Read(make([]byte, 1))
					})
				}
				readers.Wait()
				_ = resp.Body.Close()
			}
		})
	}
}

// trailingBody puts a trailer into its response at its end, as net/http does.
type trailingBody struct {
	mu   sync.Mutex
	resp *http.Response
}

func (b *trailingBody) Read([]byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.resp.Trailer == nil {
		b.resp.Trailer = http.Header{"Grpc-Status": {"0"}}
	}
	return 0, io.EOF
}

func (b *trailingBody) Close() error { return nil }

// A goroutine may read once more while another looks at the trailers.
func TestTrailersWhileReadAgain(t *testing.T) {
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		server := oteltest.NewServer(t, version, func(w http.ResponseWriter, req *http.Request) {
			_, _ = io.WriteString(w, "fine")
			w.(http.Flusher).Flush()
			w.Header().Set(http.TrailerPrefix+"Grpc-Status", "0")
		})
		for _, r := range routes() {
			resp := oteltest.Open(t, r.through(t, server.Base), r.request(t, "GET", server.URL))
			_, _ = io.Copy(io.Discard, resp.Body)
			var both sync.WaitGroup
			both.Go(func() { _, _ = resp.Body.Read(make([]byte, 1)) })
			both.Go(func() {
				if got, want := resp.Trailer.Get("Grpc-Status"), "0"; got != want {
					t.Errorf("%s: trailer: got %q, want %q", r.name, got, want)
				}
			})
			both.Wait()
			_ = resp.Body.Close()
		}
	})
}

// A body of which nothing is recorded, and that brings no trailers, is base's own.
func TestBodyThatNeedsNoWrapper(t *testing.T) {
	for _, r := range routes() {
		switch r.name {
		case "recorded until the headers", "dropped by the sampler", "propagated only":
		default:
			continue
		}
		body := oteltest.NewBody(strings.NewReader("fine"))
		rt := r.through(t, oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
			resp := oteltest.Reply(req, 200, body)
			resp.ProtoMajor, resp.ContentLength = 1, 4
			return resp, nil
		}))
		resp := oteltest.Open(t, rt, r.request(t, "GET", "https://example.com/"))
		if resp.Body != body {
			t.Errorf("%s: body: got a %T, want base's, a %T", r.name, resp.Body, body)
		}
	}
}

// Since Go 1.27, net/http reads the rest of a body that was closed, trailers
// included, on a goroutine of its own. The race detector sees who looks at them.
func TestReadAfterCloseTouchesNoTrailers(t *testing.T) {
	for _, r := range routes() {
		var draining sync.WaitGroup
		rt := r.through(t, oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
			resp := oteltest.Reply(req, 200, nil)
			resp.ContentLength, resp.Body = -1, drainedBody{resp, &draining}
			return resp, nil
		}))
		resp := oteltest.Open(t, rt, r.request(t, "GET", "https://example.com/"))
		_ = resp.Body.Close()
		if _, err := resp.Body.Read(make([]byte, 1)); err != http.ErrBodyReadAfterClose {
			t.Errorf("%s: Read after Close: got %v, want %v", r.name, err, http.ErrBodyReadAfterClose)
		}
		draining.Wait()
	}
}

// drainedBody gets its trailers after Close.
type drainedBody struct {
	resp     *http.Response
	draining *sync.WaitGroup
}

func (b drainedBody) Read([]byte) (int, error) { return 0, http.ErrBodyReadAfterClose }

func (b drainedBody) Close() error {
	b.draining.Go(func() { b.resp.Trailer = http.Header{"Grpc-Status": {"0"}} })
	return nil
}

// runtime.SetFinalizer takes the beginning of an allocation only. It ends the
// process otherwise.
func TestResponseTakesFinalizer(t *testing.T) {
	for _, r := range routes() {
		resp := oteltest.Open(t, r.through(t, oteltest.AnswerText(200, "fine")), r.request(t, "GET", "https://example.com/"))
		runtime.SetFinalizer(resp, func(*http.Response) {})
		oteltest.ReadBody(t, resp)
		runtime.SetFinalizer(resp, nil)
	}
}

// An idle connection holds neither response nor body, on any route.
func TestIdleConnectionHoldsNoResponse(t *testing.T) {
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		server := oteltest.NewServer(t, version, oteltest.Handler(200, "fine"))
		for _, r := range routes() {
			rt := r.through(t, server.Base)
			var freed atomic.Bool
			func() {
				resp := oteltest.Open(t, rt, r.request(t, "GET", server.URL))
				runtime.AddCleanup(resp, func(struct{}) { freed.Store(true) }, struct{}{})
				oteltest.ReadBody(t, resp)
			}()
			oteltest.Eventually(t, r.name+": the response is freed", func() bool { runtime.GC(); return freed.Load() })
		}
	})
}

// base must not return both. If it does, what it returned is recorded, and the
// response is the caller's.
func TestResponseWithError(t *testing.T) {
	broken := errors.New("broken")
	for _, tt := range []struct {
		status    int
		errorType string
		text      string
		why       string
	}{
		{200, "_OTHER", "broken", "the error is all that went wrong"},
		{503, "503", "", "the status is the first that went wrong"},
	} {
		for _, hooked := range []bool{false, true} {
			t.Run(fmt.Sprint(tt.status, ", hooked: ", hooked), func(t *testing.T) {
				tel := oteltest.New(t)
				opts := []otelhttpclient.Option{instrumented.AllMetrics()}
				if hooked {
					opts = append(opts, otelhttpclient.WithResponseHook(func(_ trace.Span, _ *http.Request, resp *http.Response, err error) {
						if resp != nil || err != broken {
							t.Errorf("hook: got response %v and error %v, want nil and %v", resp, err, broken)
						}
					}))
				}
				rt := instrumented.Transport(tel, oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
					return oteltest.Reply(req, tt.status, io.NopCloser(strings.NewReader("body"))), broken
				}), opts...)
				req := oteltest.NewRequest(t, t.Context(), "GET", "https://example.com/", nil)
				resp, err := rt.RoundTrip(req)
				if err != broken || resp == nil || resp.Request != req {
					t.Fatalf("got %v and error %v, want a response to the caller's request and %v", resp, err, broken)
				}
				if got := oteltest.ReadBody(t, resp); got != "body" {
					t.Errorf("body: got %q, want base's", got)
				}
				span := tel.OnlySpan()
				oteltest.WantAttribute(t, span.Attributes, "http.response.status_code", tt.status)
				oteltest.WantAttribute(t, span.Attributes, "error.type", tt.errorType)
				oteltest.WantStatus(t, span, codes.Error)
				if got := span.Status.Description; got != tt.text {
					t.Errorf("description: got %q, want %q: %s", got, tt.text, tt.why)
				}
				oteltest.WantAttribute(t, tel.DurationAttributes(), "http.response.status_code", tt.status)
				oteltest.WantAttribute(t, tel.DurationAttributes(), "error.type", tt.errorType)
				if _, ok := tel.Metric("http.client.response.body.size"); ok {
					t.Error("http.client.response.body.size is recorded, want none of a body that is not awaited")
				}
			})
		}
	}
}

// What is needed of the request at the end is read before base has it: base may
// keep the request and change it, as no caller sees it. The race detector sees
// what is read later.
func TestBaseChangesItsRequest(t *testing.T) {
	change := func(req *http.Request) {
		req.Method, req.Host, req.URL, req.Body, req.ContentLength = "HEAD", "other.example", nil, nil, 0
		req.Header = http.Header{"Expect": {"100-continue"}}
	}
	for _, r := range routes() {
		t.Run(r.name, func(t *testing.T) {
			changed := make(chan struct{})
			rt := r.through(t, oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
				_, _ = io.Copy(io.Discard, req.Body)
				another := *req // as net/http's HTTP/2 client makes it
				go func() {
					defer close(changed)
					change(req)
				}()
				return oteltest.Reply(&another, 200, io.NopCloser(strings.NewReader("fine"))), nil
			}))
			ctx := t.Context()
			if r.context != nil {
				ctx = r.context(ctx)
			}
			req := oteltest.NewRequest(t, ctx, "POST", "https://inventory.example/", strings.NewReader("12345678"))
			resp, _ := oteltest.MustSend(t, rt, req)
			if resp.Request != req {
				t.Errorf("the response's request: got %p, want the caller's, %p", resp.Request, req)
			}
			oteltest.Within(t, "the change", changed)
		})
	}

	tel := oteltest.New(t)
	rt := instrumented.Transport(tel, oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		if trace := httptrace.ContextClientTrace(req.Context()); trace != nil {
			trace.GotConn(httptrace.GotConnInfo{})
			trace.WroteRequest(httptrace.WroteRequestInfo{})
		}
		resp := oteltest.Reply(req, 200, io.NopCloser(strings.NewReader("fine")))
		change(req)
		return resp, nil
	}), otelhttpclient.WithOptInAttributes("http.request.body.size", "http.response.body.size"))
	resp := oteltest.Open(t, rt, oteltest.NewRequest(t, t.Context(), "POST", "https://example.com/", strings.NewReader("12345678")))
	if got := len(tel.Spans()); got != 0 {
		t.Errorf("spans that have ended at the headers: got %d, want 0: the request was no HEAD", got)
	}
	oteltest.ReadBody(t, resp)
	oteltest.WantAttribute(t, tel.OnlySpan().Attributes, "http.request.body.size", 8)
	oteltest.WantAttribute(t, tel.OnlySpan().Attributes, "http.response.body.size", 4)
}
