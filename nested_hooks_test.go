package otelhttpclient_test

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/otelhttpclient/otelhttpclient"
)

func TestRequestsFromHooks(t *testing.T) {
	tel := newTelemetry(t)
	other := tel.transport(answerWith(200))
	var wg sync.WaitGroup
	rt := tel.transport(answerWith(200), otelhttpclient.WithRequestHook(func(_ trace.Span, req *http.Request) {
		ctx := req.Context()
		wg.Go(func() {
			r, _ := http.NewRequestWithContext(context.WithoutCancel(ctx), "POST", "https://audit.example/", nil)
			if resp, err := other.RoundTrip(r); err == nil {
				discardBody(resp)
			}
		})
		time.Sleep(time.Millisecond)
	}))
	for range 20 {
		mustExchange(t, rt, newConventionsRequest(t, t.Context(), "GET", "https://example.com/", nil))
	}
	wg.Wait()
}

// hedge: loser is sent with another Transport at the same time
// a Transport made for each attempt (request builders do)
func TestTransportForEachAttempt(t *testing.T) {
	tel := newTelemetry(t)
	rt := tel.transport(roundTripFunc(func(r *http.Request) (*http.Response, error) {
		resp, err := tel.transport(answerWith(503)).RoundTrip(r)
		if err != nil {
			return resp, err
		}
		discardBody(resp)
		return tel.transport(answerWith(200)).RoundTrip(r.Clone(r.Context()))
	}))
	mustExchange(t, rt, newConventionsRequest(t, t.Context(), "GET", "https://example.com/", nil))
	if n := len(tel.spans()); n != 2 {
		t.Errorf("%d spans, want 2", n)
	}
}
