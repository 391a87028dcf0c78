package streams

import (
	"context"
	"io"
	"net/http"
	"runtime"
	"sync/atomic"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/instrumented"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

// A response that was open during a garbage collection is freed once it is read
// and closed, even if its request or context refers to it.
func TestClosedResponsesAreFreed(t *testing.T) {
	type holder struct{ resp *http.Response }
	type key struct{}
	for name, prepare := range map[string]func(req *http.Request, h *holder) *http.Request{
		"nothing refers to it": func(req *http.Request, _ *holder) *http.Request { return req },
		"GetBody refers to it": func(req *http.Request, h *holder) *http.Request {
			req.GetBody = func() (io.ReadCloser, error) { return h.resp.Body, nil }
			return req
		},
		"a context value refers to it": func(req *http.Request, h *holder) *http.Request {
			return req.WithContext(context.WithValue(req.Context(), key{}, h))
		},
		"an AfterFunc of the context refers to it": func(req *http.Request, h *holder) *http.Request {
			ctx, cancel := context.WithCancel(req.Context())
			_ = cancel // leaked: only the context holds it
			context.AfterFunc(ctx, func() { _ = h.resp })
			return req.WithContext(ctx)
		},
	} {
		t.Run(name, func(t *testing.T) {
			tel := oteltest.New(t)
			rt := instrumented.Transport(tel, oteltest.AnswerText(200, "fine"))
			var freed atomic.Int32
			const requests = 20
			for range requests {
				func() {
					h := &holder{}
					resp := oteltest.Open(t, rt, prepare(oteltest.NewRequest(t, context.Background(), "GET", "https://example.com/", nil), h))
					h.resp = resp
					runtime.AddCleanup(resp, func(struct{}) { freed.Add(1) }, struct{}{})
					// Twice: the body leaves the list of recent bodies in the first.
					oteltest.CollectGarbage()
					oteltest.CollectGarbage()
					oteltest.Discard(resp)
				}()
			}
			tel.Reset()
			oteltest.Eventually(t, "all are freed", func() bool { runtime.GC(); return freed.Load() == requests })
		})
	}
}

// The counter of abandoned bodies exists from the first request on, so that it
// can increase, for unsampled requests too. active_requests comes back.
func TestAbandonedBodiesAreCounted(t *testing.T) {
	const name = "otelhttpclient.response.body.abandoned"
	for what, sampler := range map[string]sdktrace.Sampler{"sampled": sdktrace.AlwaysSample(), "unsampled": sdktrace.NeverSample()} {
		t.Run(what, func(t *testing.T) {
			oteltest.OnBothVersions(t, func(t *testing.T, version string) {
				server := oteltest.NewServer(t, version, oteltest.Handler(http.StatusOK, "fine"))
				tel := oteltest.NewSampled(t, sampler)
				rt := instrumented.Transport(tel, server.Base, otelhttpclient.WithOptInMetrics(otelhttpclient.MetricActiveRequests))
				for open := range 3 {
					_ = oteltest.Open(t, rt, oteltest.NewRequest(t, t.Context(), "GET", server.URL, nil))
					if _, ok := tel.Metric(name); open == 0 && !ok {
						t.Errorf("%s is missing, want it with the first request", name)
					}
				}
				oteltest.Eventually(t, "three abandoned bodies", func() bool {
					runtime.GC()
					return tel.Count(name, attribute.Int("server.port", server.Port())) == 3
				})
				if got := tel.Count("http.client.active_requests", attribute.KeyValue{}); got != 0 {
					t.Errorf("active requests: got %d, want 0", got)
				}
			})
		})
	}
}
