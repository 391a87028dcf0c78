package nested

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/instrumented"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

// durations returns how many durations of requests were recorded.
func durations(tel *oteltest.SDK) (n uint64) {
	m, _ := tel.Metric("http.client.request.duration")
	h, _ := m.Data.(metricdata.Histogram[float64])
	for _, p := range h.DataPoints {
		n += p.Count
	}
	return n
}

// statusesMeasured returns the status codes of the durations, sorted.
func statusesMeasured(tel *oteltest.SDK) (list []int64) {
	m, _ := tel.Metric("http.client.request.duration")
	h, _ := m.Data.(metricdata.Histogram[float64])
	for _, p := range h.DataPoints {
		for range p.Count {
			v, _ := p.Attributes.Value("http.response.status_code")
			list = append(list, v.AsInt64())
		}
	}
	slices.Sort(list)
	return list
}

// statusesOf returns the status codes of spans, sorted.
func statusesOf(spans tracetest.SpanStubs) (list []int64) {
	for _, s := range spans {
		list = append(list, oteltest.Attributes(s.Attributes)["http.response.status_code"].AsInt64())
	}
	slices.Sort(list)
	return list
}

// attemptsCase is a layer between two Transports that sends a request several
// times.
type attemptsCase struct {
	name     string
	layer    func(below http.RoundTripper, req *http.Request) (*http.Response, error)
	answers  []int   // of the attempts, in order
	statuses []int64 // of the attempts, sorted
}

// again sends a request until the answer is below 300.
func again(next func(*http.Request, *http.Response) *http.Request) func(http.RoundTripper, *http.Request) (*http.Response, error) {
	return func(below http.RoundTripper, req *http.Request) (*http.Response, error) {
		for {
			resp, err := below.RoundTrip(req)
			if err != nil || resp.StatusCode < 300 {
				return resp, err
			}
			oteltest.Discard(resp)
			req = next(req, resp)
		}
	}
}

func attemptsCases() []attemptsCase {
	clone := func(req *http.Request, _ *http.Response) *http.Request { return req.Clone(req.Context()) }
	return []attemptsCase{
		{"sent once", again(clone), []int{200}, []int64{200}},
		{"sent once more", again(clone), []int{503, 200}, []int64{200, 503}},
		{"sent twice more", again(clone), []int{503, 429, 200}, []int64{200, 429, 503}},
		{"the very request", again(func(req *http.Request, _ *http.Response) *http.Request { return req }), []int{503, 200}, []int64{200, 503}},
		{"built anew", again(func(req *http.Request, _ *http.Response) *http.Request {
			anew, _ := http.NewRequestWithContext(req.Context(), req.Method, req.URL.String(), nil)
			return anew
		}), []int{503, 200}, []int64{200, 503}},
		{"a challenge", again(func(req *http.Request, _ *http.Response) *http.Request {
			c := req.Clone(req.Context())
			c.Header.Set("Authorization", "Bearer x")
			return c
		}), []int{401, 200}, []int64{200, 401}},
		{"redirects", func(below http.RoundTripper, req *http.Request) (*http.Response, error) {
			return (&http.Client{Transport: below}).Do(req)
		}, []int{302, 307, 200}, []int64{200, 302, 307}},
		{"a redirect, then once more", func(below http.RoundTripper, req *http.Request) (*http.Response, error) {
			client := &http.Client{Transport: below, Timeout: time.Minute}
			return again(clone)(oteltest.RoundTripFunc(client.Do), req)
		}, []int{302, 503, 200}, []int64{200, 302, 503}},
		{"side by side", func(below http.RoundTripper, req *http.Request) (*http.Response, error) {
			results := make(chan *http.Response, 3)
			for range cap(results) {
				go func() {
					resp, _ := below.RoundTrip(req.Clone(req.Context()))
					results <- resp
				}()
			}
			oteltest.Discard(<-results)
			oteltest.Discard(<-results)
			return <-results, nil
		}, []int{200, 200, 200}, []int64{200, 200, 200}},
	}
}

// answersInOrder answers with these status codes, one after the other.
func answersInOrder(statuses []int) http.RoundTripper {
	var mu sync.Mutex
	return oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		mu.Lock()
		status := statuses[0]
		statuses = statuses[1:]
		mu.Unlock()
		resp, err := oteltest.AnswerText(status, "text")(req)
		if status/100 == 3 {
			resp.Header = http.Header{"Location": {"/elsewhere"}}
		}
		return resp, err
	})
}

// TestAttemptsBetweenTransports: if a layer between two Transports sends a
// request several times, each attempt has a span and a measurement.
func TestAttemptsBetweenTransports(t *testing.T) {
	for _, c := range attemptsCases() {
		for _, sampled := range []bool{true, false} {
			for _, tracers := range []string{"same", "other"} {
				for _, meters := range []string{"same", "other", "none above"} {
					t.Run(fmt.Sprintf("%s, sampled %v, %s tracers, %s meters", c.name, sampled, tracers, meters), func(t *testing.T) {
						sampler := sdktrace.AlwaysSample()
						if !sampled {
							sampler = sdktrace.NeverSample()
						}
						outer, inner := oteltest.NewSampled(t, sampler), oteltest.New(t)
						of := func(tracers, meters *oteltest.SDK) []otelhttpclient.Option {
							return []otelhttpclient.Option{
								otelhttpclient.WithTracerProvider(tracers.Tracers), otelhttpclient.WithMeterProvider(meters.Meters),
								otelhttpclient.WithPropagators(outer.Propagators), otelhttpclient.WithOptInMetrics(otelhttpclient.MetricActiveRequests),
							}
						}
						spansBelow, metricsBelow := outer, outer
						if tracers == "other" {
							spansBelow = inner
						}
						if meters != "same" {
							metricsBelow = inner
						}
						above := of(outer, outer)
						if meters == "none above" {
							above = append(above, otelhttpclient.WithMeterProvider(metricnoop.NewMeterProvider()))
						}
						below := otelhttpclient.NewTransport(answersInOrder(slices.Clone(c.answers)), of(spansBelow, metricsBelow)...)
						rt := otelhttpclient.NewTransport(oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
							return c.layer(below, req)
						}), above...)
						oteltest.MustSend(t, rt, oteltest.NewRequest(t, t.Context(), http.MethodGet, "https://example.com/", nil))

						// The operation's own span, and one for each of several
						// attempts.
						var wantOuter, wantInner []int64
						resent := len(c.statuses) > 1
						if sampled {
							wantOuter = []int64{200}
						}
						switch {
						case tracers == "other" && (resent || !sampled):
							wantInner = c.statuses
						case tracers == "same" && sampled && resent:
							wantOuter = slices.Sorted(slices.Values(append(slices.Clone(c.statuses), 200)))
						}
						if got := statusesOf(outer.Spans()); !slices.Equal(got, wantOuter) {
							t.Errorf("spans of the provider above: got %v, want %v", got, wantOuter)
						}
						if got := statusesOf(inner.Spans()); !slices.Equal(got, wantInner) {
							t.Errorf("spans of the other provider: got %v, want %v", got, wantInner)
						}
						if got := statusesMeasured(metricsBelow); !slices.Equal(got, c.statuses) {
							t.Errorf("durations: got %v, want %v: one for each attempt", got, c.statuses)
						}
						if got := statusesMeasured(outer); meters == "other" && !slices.Equal(got, []int64{200}) {
							t.Errorf("durations of the provider above: got %v, want [200]", got)
						}
						for _, tel := range []*oteltest.SDK{outer, inner} {
							if got := tel.Count("http.client.active_requests", attribute.KeyValue{}); got != 0 {
								t.Errorf("active requests: got %d, want 0", got)
							}
							if s, e := tel.Started(), tel.Ended(); s != e {
								t.Errorf("spans: %d started, %d ended", s, e)
							}
						}
					})
				}
			}
		}
	}
}

// TestEarlierAttemptIsDescribed: it is described like any other, with its own
// times.
func TestEarlierAttemptIsDescribed(t *testing.T) {
	for what, c := range map[string]struct {
		first     http.HandlerFunc
		errorType string
		status    int64
		text      string // of the span's status
	}{
		"an error response": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Reason", "busy")
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = io.WriteString(w, "later")
		}, "503", 503, ""},
		"no response": {oteltest.Abort(false), "response_ended", 0, "EOF"},
		"half of one": {oteltest.Abort(true), "response_ended", 200, "unexpected EOF"},
	} {
		t.Run(what, func(t *testing.T) {
			oteltest.OnBothVersions(t, func(t *testing.T, version string) {
				tel := oteltest.New(t)
				var mu sync.Mutex
				sent := 0
				server := oteltest.NewServer(t, version, func(w http.ResponseWriter, r *http.Request) {
					mu.Lock()
					sent++
					first := sent == 1
					mu.Unlock()
					if first {
						c.first(w, r)
						return
					}
					_, _ = io.WriteString(w, "fine")
				})
				headers := otelhttpclient.WithResponseHeaders("x-reason")
				hook := otelhttpclient.WithResponseHook(func(trace.Span, *http.Request, *http.Response, error) {})
				below := instrumented.Transport(tel, server.Base, headers, otelhttpclient.WithRequestHeaders("x-attempt"), hook)
				var ended, resent time.Time
				rt := instrumented.Transport(tel, oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
					// The same request each time, changed in between.
					req = req.Clone(req.Context())
					req.Header.Set("X-Attempt", "1")
					resp, err := below.RoundTrip(req)
					if err == nil {
						oteltest.Discard(resp)
					}
					ended = time.Now()
					time.Sleep(20 * time.Millisecond)
					req.Header.Set("X-Attempt", "2")
					req.URL.Path = "/second"
					resent = time.Now()
					return below.RoundTrip(req)
				}))
				ctx := otelhttpclient.ContextWithAttributes(t.Context(), attribute.String("tenant", "acme"))
				oteltest.MustSend(t, rt, oteltest.NewRequest(t, ctx, http.MethodGet, server.URL+"/first", nil))

				spans := tel.Spans()
				if len(spans) != 3 {
					t.Fatalf("%d spans, want one of the operation and one for each of 2 attempts", len(spans))
				}
				first, second, operation := spans[0], spans[1], spans[2]
				for _, s := range spans[:2] {
					if got, want := s.Parent.SpanID(), operation.SpanContext.SpanID(); got != want {
						t.Errorf("parent = %v, want the operation's span, %v", got, want)
					}
					if s.Name != "GET" || s.SpanKind != trace.SpanKindClient {
						t.Errorf("span %q of kind %v, want GET, client", s.Name, s.SpanKind)
					}
				}
				if !first.EndTime.Before(resent) || first.EndTime.After(ended.Add(time.Millisecond)) || first.StartTime.Before(operation.StartTime) {
					t.Errorf("the first attempt lasts from %v to %v, want until about %v", first.StartTime, first.EndTime, ended)
				}
				a := oteltest.Attributes(first.Attributes)
				want := map[attribute.Key]any{
					"http.request.method": "GET", "url.full": server.URL + "/first", "server.address": server.Host(), "server.port": server.Port(),
					"network.peer.address": server.Host(), "network.peer.port": server.Port(), "error.type": c.errorType, "tenant": "acme",
				}
				if c.status != 0 {
					want["http.response.status_code"] = int(c.status)
					want["network.protocol.version"] = map[string]string{"1.1": "1.1", "2": "2"}[version]
				}
				for key, value := range want {
					oteltest.WantAttribute(t, first.Attributes, key, value)
				}
				if got := a["http.request.header.x-attempt"].AsStringSlice(); !slices.Equal(got, []string{"1"}) {
					t.Errorf("captured request header = %q, want that of the first attempt", got)
				}
				if got := a["http.response.header.x-reason"].AsStringSlice(); c.status == 503 && !slices.Equal(got, []string{"busy"}) {
					t.Errorf("captured response header = %q, want [busy]", got)
				}
				if _, ok := a["http.request.resend_count"]; ok {
					t.Error("http.request.resend_count is set, want none on the first attempt")
				}
				if version == "1.1" && (first.Status.Code != codes.Error || first.Status.Description != c.text) {
					t.Errorf("status = %+v, want an error with the text %q", first.Status, c.text)
				}
				oteltest.WantAttribute(t, second.Attributes, "url.full", server.URL+"/second")
				oteltest.WantAttribute(t, second.Attributes, "http.request.resend_count", 1)
				if got := statusesMeasured(tel); len(got) != 2 {
					t.Errorf("durations: got those of %v, want 2", got)
				}
			})
		})
	}
}

// TestAttemptsOfClientOnDefault: a client that retries is instrumented, and so is
// the default transport below it.
func TestAttemptsOfClientOnDefault(t *testing.T) {
	if !oteltest.OwnProcess(t) {
		return
	}
	tel := oteltest.New(t)
	uninstrument, err := otelhttpclient.InstrumentDefault(instrumented.Options(tel)...)
	if err != nil {
		t.Fatal(err)
	}
	defer uninstrument()
	received := &receivedParents{}
	server := flakyServer(t, received, 2)
	client := &http.Client{Transport: oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		return again(func(req *http.Request, _ *http.Response) *http.Request {
			c := req.Clone(req.Context())
			c.Body, _ = req.GetBody()
			return c
		})(http.DefaultTransport, req)
	})}
	otelhttpclient.InstrumentClient(client, instrumented.Options(tel)...)
	resp, err := client.Post(server.URL, "text/plain", strings.NewReader("hello"))
	if err != nil {
		t.Fatal(err)
	}
	oteltest.ReadBody(t, resp)
	want := []int64{200, 503, 503}
	if got := statusesOf(tel.Spans()); !slices.Equal(got, []int64{200, 200, 503, 503}) {
		t.Errorf("spans: got %v, want %v and 200 of the operation", got, want)
	}
	if got := statusesMeasured(tel); !slices.Equal(got, want) {
		t.Errorf("durations: got %v, want %v", got, want)
	}
}

// TestEarlierAttemptEndsLate: the request is sent again while the body of the
// first answer is open, or while there is no answer yet.
func TestEarlierAttemptEndsLate(t *testing.T) {
	t.Run("open body", func(t *testing.T) {
		tel := oteltest.New(t)
		below := instrumented.Transport(tel, oteltest.AnswerText(200, "text"))
		var first *http.Response
		rt := instrumented.Transport(tel, oteltest.RoundTripFunc(func(req *http.Request) (resp *http.Response, err error) {
			first = oteltest.Open(t, below, req)
			return below.RoundTrip(req)
		}))
		oteltest.Get(t, t.Context(), rt, "https://example.com/")
		if got := len(tel.Spans()); got != 2 {
			t.Errorf("spans before the first body is closed: got %d, want 2", got)
		}
		oteltest.Discard(first)
		if got, d := len(tel.Spans()), durations(tel); got != 3 || d != 2 {
			t.Errorf("afterwards: %d spans, %d durations, want 3, 2", got, d)
		}
	})
	t.Run("no answer", func(t *testing.T) {
		tel := oteltest.New(t)
		gone, answer := make(chan struct{}), make(chan struct{})
		below := instrumented.Transport(tel, oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
			if req.Header.Get("X-Hedge") == "" {
				close(gone)
				<-answer
				return nil, errors.New("too late")
			}
			return oteltest.AnswerText(200, "text")(req)
		}))
		failed := make(chan struct{})
		rt := instrumented.Transport(tel, oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
			go func() {
				_, _ = below.RoundTrip(req)
				close(failed)
			}()
			<-gone
			hedge := req.Clone(req.Context())
			hedge.Header.Set("X-Hedge", "1")
			return below.RoundTrip(hedge)
		}))
		oteltest.Get(t, t.Context(), rt, "https://example.com/")
		close(answer)
		<-failed
		if got, d := len(tel.Spans()), durations(tel); got != 3 || d != 2 {
			t.Errorf("%d spans, %d durations, want 3, 2", got, d)
		}
	})
	t.Run("panic", func(t *testing.T) {
		tel := oteltest.New(t)
		sent := 0
		below := instrumented.Transport(tel, oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
			if sent++; sent == 1 {
				panic("in base")
			}
			return oteltest.AnswerText(200, "text")(req)
		}))
		rt := instrumented.Transport(tel, oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
			oteltest.Recover(func() { _, _ = below.RoundTrip(req) })
			return below.RoundTrip(req)
		}))
		oteltest.Get(t, t.Context(), rt, "https://example.com/")
		if got, d := len(tel.Spans()), durations(tel); got != 3 || d != 2 {
			t.Errorf("%d spans, %d durations, want 3, 2", got, d)
		}
	})
}

// TestCanceledEarlierAttempt: the layer gives each attempt a context of its own.
func TestCanceledEarlierAttempt(t *testing.T) {
	for name, c := range map[string]struct {
		context func(context.Context) (context.Context, context.CancelFunc)
		fails   bool
		want    string // error.type
	}{
		"its time is up": {func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, time.Millisecond)
		}, false, "timeout"},
		"canceled": {func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			cancel()
			return ctx, cancel
		}, false, ""},
		"failed, and canceled afterwards": {context.WithCancel, true, "_OTHER"},
	} {
		t.Run(name, func(t *testing.T) {
			tel := oteltest.New(t)
			sent := 0
			below := instrumented.Transport(tel, oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
				switch sent++; {
				case sent > 1:
					return oteltest.AnswerText(200, "text")(req)
				case c.fails:
					return nil, errors.New("no")
				}
				<-req.Context().Done()
				return nil, req.Context().Err()
			}))
			rt := instrumented.Transport(tel, oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
				ctx, cancel := c.context(req.Context())
				_, _ = below.RoundTrip(req.Clone(ctx))
				cancel()
				return below.RoundTrip(req)
			}))
			oteltest.Get(t, t.Context(), rt, "https://example.com/")
			spans := tel.Spans()
			if len(spans) != 3 {
				t.Fatalf("%d spans, want 3", len(spans))
			}
			if got := oteltest.Attributes(spans[0].Attributes)["error.type"].AsString(); got != c.want {
				t.Errorf("error.type of the first attempt = %q, want %q", got, c.want)
			}
			if got, want := spans[0].Status.Code == codes.Error, c.want != ""; got != want {
				t.Errorf("the first attempt is an error: %v, want %v", got, want)
			}
		})
	}
}

// TestForgottenBodyBelowIsCountedOnce: both Transports find it.
func TestForgottenBodyBelowIsCountedOnce(t *testing.T) {
	const name = "otelhttpclient.response.body.abandoned"
	for what, layer := range map[string]func(below http.RoundTripper, req *http.Request) (*http.Response, error){
		"sent once": func(below http.RoundTripper, req *http.Request) (*http.Response, error) { return below.RoundTrip(req) },
		"sent once more": func(below http.RoundTripper, req *http.Request) (*http.Response, error) {
			if resp, err := below.RoundTrip(req); err == nil {
				oteltest.Discard(resp)
			}
			return below.RoundTrip(req)
		},
		"sent once more, and wrapped": func(below http.RoundTripper, req *http.Request) (*http.Response, error) {
			if resp, err := below.RoundTrip(req); err == nil {
				oteltest.Discard(resp)
			}
			resp, err := below.RoundTrip(req)
			resp.Body = struct{ io.ReadCloser }{resp.Body}
			return resp, err
		},
		"another request": func(below http.RoundTripper, req *http.Request) (*http.Response, error) {
			other, _ := http.NewRequestWithContext(req.Context(), http.MethodPost, "https://example.com/other", nil)
			return below.RoundTrip(other)
		},
	} {
		t.Run(what, func(t *testing.T) {
			tel := oteltest.New(t)
			below := instrumented.Transport(tel, oteltest.AnswerText(200, "text"))
			rt := instrumented.Transport(tel, oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
				return layer(below, req)
			}))
			const requests = 5
			for range requests {
				_ = oteltest.Open(t, rt, oteltest.NewRequest(t, context.Background(), http.MethodGet, "https://example.com/", nil))
			}
			oteltest.Eventually(t, "the bodies are found", func() bool {
				oteltest.CollectGarbage()
				return tel.Started() == tel.Ended() && tel.Count(name, attribute.KeyValue{}) >= requests
			})
			oteltest.CollectGarbage()
			if got := tel.Count(name, attribute.KeyValue{}); got != requests {
				t.Errorf("%s = %d, want %d", name, got, requests)
			}
		})
	}
}

// TestSizesOfEarlierAttempt: both Transports record sizes.
func TestSizesOfEarlierAttempt(t *testing.T) {
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		tel := oteltest.New(t)
		received := &receivedParents{}
		server := oteltest.NewServer(t, version, func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			if received.add(r) == 1 {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
			_, _ = io.WriteString(w, "1234567")
		})
		opts := []otelhttpclient.Option{
			otelhttpclient.WithOptInAttributes("http.request.body.size", "http.response.body.size"),
			otelhttpclient.WithOptInMetrics(otelhttpclient.MetricRequestBodySize, otelhttpclient.MetricResponseBodySize),
		}
		below := instrumented.Transport(tel, server.Base, opts...)
		rt := instrumented.Transport(tel, oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
			return again(func(req *http.Request, _ *http.Response) *http.Request {
				c := req.Clone(req.Context())
				c.Body, _ = req.GetBody()
				return c
			})(below, req)
		}), opts...)
		oteltest.MustSend(t, rt, oteltest.NewRequest(t, t.Context(), http.MethodPost, server.URL, strings.NewReader("hello")))
		first := tel.Spans()[0]
		oteltest.WantAttribute(t, first.Attributes, "http.response.status_code", 503)
		oteltest.WantAttribute(t, first.Attributes, "http.response.body.size", 7)
		if got, ok := oteltest.Attributes(first.Attributes)["http.request.body.size"]; ok && got.AsInt64() != 5 {
			t.Errorf("http.request.body.size = %v, want 5, or none where the end of the upload is not reported", got.AsInt64())
		}
		m, _ := tel.Metric("http.client.response.body.size")
		n := uint64(0)
		for _, p := range m.Data.(metricdata.Histogram[int64]).DataPoints {
			n += p.Count
		}
		if n != 2 {
			t.Errorf("http.client.response.body.size: %d points, want 2: one for each attempt", n)
		}
	})
}

// fragile panics where a span is described after its start.
type fragile struct{ trace.Span }

func (fragile) SetAttributes(...attribute.KeyValue) { panic("in SetAttributes") }

// The span of a first attempt ends even if it cannot be described.
func TestFirstAttemptEndsWithoutDescription(t *testing.T) {
	oteltest.HandleErrors(t)
	tel := oteltest.New(t)
	counted := oteltest.CountTracers(fragileTracers{tel.Tracers})
	inner := instrumented.Transport(tel, oteltest.AnswerText(503, ""), otelhttpclient.WithTracerProvider(counted))
	rt := instrumented.Transport(tel, oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		if resp, err := inner.RoundTrip(req); err == nil {
			resp.Body.Close()
		}
		return inner.RoundTrip(req)
	}))
	oteltest.Get(t, t.Context(), rt, "https://example.com/")
	if starts, ends := counted.Starts(), counted.Ends(); starts != 2 || ends != 2 {
		t.Errorf("spans of attempts: got %d started and %d ended, want 2 and 2", starts, ends)
	}
}

type fragileTracers struct{ trace.TracerProvider }

func (p fragileTracers) Tracer(name string, opts ...trace.TracerOption) trace.Tracer {
	return fragileTracer{p.TracerProvider.Tracer(name, opts...)}
}

type fragileTracer struct{ trace.Tracer }

func (t fragileTracer) Start(ctx context.Context, name string, opts ...trace.SpanStartOption) (context.Context, trace.Span) {
	ctx, span := t.Tracer.Start(ctx, name, opts...)
	return ctx, fragile{span}
}
