package connections

import (
	"context"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"testing"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/instrumented"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

func TestSharedClientTrace(t *testing.T) {
	server := oteltest.NewServer(t, "1.1", func(http.ResponseWriter, *http.Request) {})
	var calls atomic.Int32
	shared := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { calls.Add(1) }}
	rt := instrumented.Transport(oteltest.New(t), server.Client().Transport, otelhttpclient.WithClientTrace(func(context.Context) *httptrace.ClientTrace { return shared }))
	const requests = 5
	for range requests {
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) {}})
		oteltest.MustSend(t, rt, oteltest.NewRequest(t, ctx, "GET", server.URL, nil))
	}
	if got := calls.Load(); got != requests {
		t.Errorf("calls of the shared trace: got %d, want %d", got, requests)
	}
}
