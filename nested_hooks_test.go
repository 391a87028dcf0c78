package otelhttpclient_test

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/oteltest"
	"github.com/otelhttpclient/otelhttpclient/internal/oteltest/instrumented"
)

func TestRequestsFromHooks(t *testing.T) {
	tel := oteltest.New(t)
	other := instrumented.Transport(tel, oteltest.Answer(200))
	var wg sync.WaitGroup
	rt := instrumented.Transport(tel, oteltest.Answer(200), otelhttpclient.WithRequestHook(func(_ trace.Span, req *http.Request) {
		ctx := req.Context()
		wg.Go(func() {
			r, _ := http.NewRequestWithContext(context.WithoutCancel(ctx), "POST", "https://audit.example/", nil)
			if resp, err := other.RoundTrip(r); err == nil {
				oteltest.Discard(resp)
			}
		})
		time.Sleep(time.Millisecond)
	}))
	for range 20 {
		oteltest.MustSend(t, rt, oteltest.NewRequest(t, t.Context(), "GET", "https://example.com/", nil))
	}
	wg.Wait()
}

// hedge: loser is sent with another Transport at the same time
// a Transport made for each attempt (request builders do)
func TestTransportForEachAttempt(t *testing.T) {
	tel := oteltest.New(t)
	rt := instrumented.Transport(tel, oteltest.RoundTripFunc(func(r *http.Request) (*http.Response, error) {
		resp, err := instrumented.Transport(tel, oteltest.Answer(503)).RoundTrip(r)
		if err != nil {
			return resp, err
		}
		oteltest.Discard(resp)
		return instrumented.Transport(tel, oteltest.Answer(200)).RoundTrip(r.Clone(r.Context()))
	}))
	oteltest.MustSend(t, rt, oteltest.NewRequest(t, t.Context(), "GET", "https://example.com/", nil))
	if n := len(tel.Spans()); n != 2 {
		t.Errorf("%d spans, want 2", n)
	}
}
