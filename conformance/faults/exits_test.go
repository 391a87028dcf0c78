package faults

import (
	"errors"
	"io"
	"net/http"
	"runtime"
	"testing"

	"go.opentelemetry.io/otel/attribute"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/instrumented"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

// The tests of this file have callbacks that exit the goroutine, as t.FailNow does. What
// the library does after them is done all the same.

// The end of a body is described, and its connection is no longer active.
func TestFailureCheckExits(t *testing.T) {
	for _, row := range []struct {
		name   string
		check  func(error) bool
		reason string
	}{
		{"returns", func(error) bool { return true }, "the body has ended"},
		{"panics", func(error) bool { panic("in the check") }, "a panic is reported, and the end continues"},
		{"exits", func(error) bool { runtime.Goexit(); return true }, "the steps after the check run while the goroutine exits"},
	} {
		t.Run(row.name, func(t *testing.T) {
			oteltest.HandleErrors(t)
			server := oteltest.NewServer(t, "1.1", oteltest.Abort(true))
			tel := oteltest.New(t)
			rt := instrumented.Transport(tel, server.Base, otelhttpclient.WithFailureCheck(row.check),
				otelhttpclient.WithOptInMetrics(otelhttpclient.MetricOpenConnections), otelhttpclient.WithOptInAttributes("http.response.body.size"))
			resp := oteltest.Open(t, rt, oteltest.NewRequest(t, t.Context(), http.MethodGet, server.URL, nil))
			defer resp.Body.Close()
			if got := oteltest.Recover(func() { _, _ = io.Copy(io.Discard, resp.Body) }); got != nil {
				t.Errorf("panic of Read = %v, want none", got)
			}
			if got := tel.Count("http.client.open_connections", attribute.String("http.connection.state", "active")); got != 0 {
				t.Errorf("active connections: got %d, want 0: %s", got, row.reason)
			}
			if _, ok := oteltest.Attributes(tel.OnlySpan().Attributes)["http.response.body.size"]; !ok {
				t.Errorf("http.response.body.size is absent, want it: %s", row.reason)
			}
		})
	}
}

// The status code of a response that base has returned is recorded.
func TestResponseCallbacksExit(t *testing.T) {
	for name, opt := range map[string]otelhttpclient.Option{
		"error check": otelhttpclient.WithErrorCheck(func(*http.Response) bool { runtime.Goexit(); return true }),
		"response attributes": otelhttpclient.WithResponseAttributes(func(*http.Request, *http.Response, error) []attribute.KeyValue {
			runtime.Goexit()
			return nil
		}),
	} {
		t.Run(name, func(t *testing.T) {
			tel := oteltest.New(t)
			rt := instrumented.Transport(tel, oteltest.AnswerText(http.StatusOK, "text"), opt)
			req := oteltest.NewRequest(t, t.Context(), http.MethodGet, "http://inventory.example/", nil)
			oteltest.Recover(func() { _, _ = rt.RoundTrip(req) })
			oteltest.WantAttribute(t, tel.DurationAttributes(), "http.response.status_code", 200)
		})
	}
}

// An attempt that the inner Transport alone measures ends for both Transports.
func TestFailureCheckOfAttemptExits(t *testing.T) {
	inside, outside := oteltest.New(t), oteltest.New(t)
	active := otelhttpclient.WithOptInMetrics(otelhttpclient.MetricActiveRequests)
	failing := oteltest.RoundTripFunc(func(*http.Request) (*http.Response, error) { return nil, errors.New("failed") })
	inner := instrumented.Transport(inside, failing, active, otelhttpclient.WithFailureCheck(func(error) bool { runtime.Goexit(); return true }))
	outer := instrumented.Transport(outside, inner, active)
	req := oteltest.NewRequest(t, t.Context(), http.MethodGet, "http://inventory.example/", nil)
	oteltest.Recover(func() { _, _ = outer.RoundTrip(req) })
	for name, tel := range map[string]*oteltest.SDK{"inner": inside, "outer": outside} {
		if _, ok := tel.Metric("http.client.active_requests"); !ok {
			t.Errorf("%s: active requests are not recorded, want them", name)
		}
		if got := tel.Count("http.client.active_requests", attribute.KeyValue{}); got != 0 {
			t.Errorf("%s: active requests: got %d, want 0", name, got)
		}
		if got := tel.Seconds("http.client.request.duration").Count; got != 1 {
			t.Errorf("%s: durations: got %d, want 1", name, got)
		}
	}
}
