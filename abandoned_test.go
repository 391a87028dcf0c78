package otelhttpclient_test

import (
	"context"
	"io"
	"net/http"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/otelhttpclient/otelhttpclient/internal/oteltest"
	"github.com/otelhttpclient/otelhttpclient/internal/oteltest/instrumented"
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
					// Twice: the body leaves the nursery in the first.
					collect()
					collect()
					oteltest.Discard(resp)
				}()
			}
			tel.Reset()
			oteltest.Eventually(t, "all are freed", func() bool { runtime.GC(); return freed.Load() == requests })
		})
	}
}

// collect runs a garbage collection and lets the cleanups that it queues run.
func collect() {
	runtime.GC()
	time.Sleep(2 * time.Millisecond)
}
