package faults

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptrace"
	"testing"

	"go.opentelemetry.io/otel/codes"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/instrumented"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

// failureChecks returns options by name: none, and a failure check that excludes an error.
func failureChecks(excluded error) map[string]otelhttpclient.Option {
	return map[string]otelhttpclient.Option{
		"no check": nil,
		"check":    otelhttpclient.WithFailureCheck(func(err error) bool { return !errors.Is(err, excluded) }),
	}
}

// A base that gets a token with the request's context, and gives up, has not connected to
// the server of the request. The check changes error status and error.type, and not the peer.
func TestFailureCheckAndForeignPeer(t *testing.T) {
	refused := errors.New("token refused")
	tokens := oteltest.NewServer(t, "1.1", oteltest.Handler(http.StatusOK, ""))
	base := oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		oteltest.Get(t, req.Context(), tokens.Base, tokens.URL)
		return nil, refused
	})
	for name, opt := range failureChecks(refused) {
		t.Run(name, func(t *testing.T) {
			tel := oteltest.New(t)
			rt := instrumented.Transport(tel, base, opt)
			if err := oteltest.TryGet(t.Context(), rt, "http://inventory.example/"); err != refused {
				t.Fatalf("RoundTrip() = %v, want base's own error, %v", err, refused)
			}
			oteltest.WantAttribute(t, tel.OnlySpan().Attributes, "network.peer.port", nil)
		})
	}
}

// A lookup that outlasts the deadline of its request is recorded as a timeout, also if the
// request does not count as failed.
func TestFailureCheckAndLookupTimeout(t *testing.T) {
	base := oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		reports := httptrace.ContextClientTrace(req.Context())
		reports.GetConn("inventory.example:80")
		reports.DNSStart(httptrace.DNSStartInfo{Host: "inventory.example"})
		return nil, context.DeadlineExceeded
	})
	for name, opt := range failureChecks(context.DeadlineExceeded) {
		t.Run(name, func(t *testing.T) {
			tel := oteltest.New(t)
			rt := instrumented.Transport(tel, base, opt, otelhttpclient.WithOptInMetrics(otelhttpclient.MetricDNSLookupDuration))
			if err := oteltest.TryGet(t.Context(), rt, "http://inventory.example/"); err != context.DeadlineExceeded {
				t.Fatalf("RoundTrip() = %v, want base's own error, %v", err, context.DeadlineExceeded)
			}
			point := tel.Seconds("dns.lookup.duration")
			oteltest.WantAttribute(t, point.Attributes.ToSlice(), "error.type", "timeout")
		})
	}
}

// A panic of base is no error that the check can know: it is not asked.
func TestFailureCheckAndPanic(t *testing.T) {
	tel := oteltest.New(t)
	asked := 0
	rt := instrumented.Transport(tel, oteltest.RoundTripFunc(func(*http.Request) (*http.Response, error) { panic("in base") }),
		otelhttpclient.WithFailureCheck(func(error) bool { asked++; return false }))
	req := oteltest.NewRequest(t, t.Context(), http.MethodGet, "http://inventory.example/", nil)
	if got := oteltest.Recover(func() { _, _ = rt.RoundTrip(req) }); got != "in base" {
		t.Errorf("panic = %v, want base's own, %q", got, "in base")
	}
	oteltest.WantStatus(t, tel.OnlySpan(), codes.Error)
	if asked != 0 {
		t.Errorf("the check was asked %d times, want 0", asked)
	}
}
