package main

import (
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/DataDog/dd-trace-go/v2/ddtrace/mocktracer"
	"github.com/DataDog/dd-trace-go/v2/ddtrace/tracer"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

// roundTripFunc adapts a function to an http.RoundTripper.
type roundTripFunc func(*http.Request) (*http.Response, error)

func (f roundTripFunc) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// Each contender runs, without errors, in each row that applies to it.
func TestRows(t *testing.T) {
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			target, stop, err := r.start()
			if err != nil {
				t.Fatal(err)
			}
			defer stop()
			l := r.load(target)
			seen := make(map[string]bool)
			for _, ln := range r.lanes(target, func(string) bool { return true }) {
				seen[ln.name] = true
				s, err := l.run(ln, 2*l.workers)
				if err != nil {
					t.Error(err)
				}
				if s.ns <= 0 {
					t.Errorf("%s: %v ns per request, want more than 0", ln.name, s.ns)
				}
			}
			want := map[string]bool{
				nameBare: true, nameOurs: true, nameOTel: true,
				nameDatadog: r.sdk != sampledMetrics,
				nameLimit:   r.sdk != noSDK && r.sdk != sampledMetrics && !r.extras,
			}
			for name, want := range want {
				if seen[name] != want {
					t.Errorf("%s runs: %v, want %v", name, seen[name], want)
				}
			}
		})
	}
}

func TestHTTP2(t *testing.T) {
	target, stop, err := row{sdk: noSDK, open: loopbackHTTP2}.start()
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	req, err := target.newRequest()
	if err != nil {
		t.Fatal(err)
	}
	resp, err := target.base.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.ProtoMajor != 2 {
		t.Errorf("protocol = %s, want HTTP/2.0", resp.Proto)
	}
}

// The comparison is fair only if each contender ends one span per request once the body is read.
func TestOneSpanPerRequest(t *testing.T) {
	const requests = 3
	for _, sdk := range []sdk{unsampled, sampled, sampledMetrics} {
		for _, c := range contenders {
			conditions, counter := row{sdk: sdk}.conditions()
			exchange := c.build(conditions, stub{})
			if exchange == nil || c.name == nameDatadog {
				continue
			}
			send(t, exchange, requests)
			want := int64(requests)
			if c.name == nameBare || sdk == unsampled {
				want = 0
			}
			if got := counter.ended.Load(); got != want {
				t.Errorf("%s, SDK %v: %d spans for %d requests, want %d", c.name, sdk, got, requests, want)
			}
		}
	}
}

func TestOneDatadogSpanPerRequest(t *testing.T) {
	mock := mocktracer.Start()
	defer mock.Stop()
	for _, extras := range []bool{false, true} {
		mock.Reset()
		send(t, through(wrapDatadog(conditions{extras: extras}, stub{})), 3)
		if got := len(mock.FinishedSpans()); got != 3 {
			t.Errorf("extras %v: %d spans for 3 requests, want 3", extras, got)
		}
	}
}

// No contender saves time by not injecting the context.
func TestInjection(t *testing.T) {
	stop, err := startDatadog(true)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	for _, c := range contenders {
		for _, sdk := range []sdk{unsampled, sampled} {
			var header string
			base := roundTripFunc(func(req *http.Request) (*http.Response, error) {
				header = req.Header.Get("Traceparent")
				return stub{}.RoundTrip(req)
			})
			conditions, _ := row{sdk: sdk}.conditions()
			send(t, c.build(conditions, base), 1)
			if got, want := header != "", c.name != nameBare; got != want {
				t.Errorf("%s, SDK %v: traceparent = %q, want it present: %v", c.name, sdk, header, want)
			}
		}
	}
}

// With extras, both contenders record the same attributes.
func TestExtras(t *testing.T) {
	for name, wrap := range map[string]func(conditions, http.RoundTripper) http.RoundTripper{
		nameOurs: wrapOurs,
		nameOTel: wrapOTel,
	} {
		recorder := tracetest.NewSpanRecorder()
		send(t, through(wrap(conditions{
			tracers:    sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder)),
			propagator: propagation.TraceContext{},
			extras:     true,
		}, stub{})), 1)
		spans := recorder.Ended()
		if len(spans) != 1 {
			t.Errorf("%s: %d spans, want 1", name, len(spans))
			continue
		}
		got := make(map[string]string)
		for _, kv := range spans[0].Attributes() {
			got[string(kv.Key)] = kv.Value.String()
		}
		for key, want := range map[string]string{
			keyTenant:                           "acme",
			keyContentType:                      "application/json",
			"url.full":                          strings.TrimSuffix(stubURL, "?limit=10"),
			"http.request.header.x-tenant":      `["acme"]`,
			"http.response.header.content-type": `["application/json"]`,
		} {
			if got[key] != want {
				t.Errorf("%s: %s = %q, want %q", name, key, got[key], want)
			}
		}
	}
}

// net/http uses sendfile only if the body is the *os.File itself.
func TestFileNotWrapped(t *testing.T) {
	for _, c := range contenders {
		if c.name != nameBare && c.name != nameOurs {
			continue
		}
		file, err := os.Open("go.mod")
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		var body io.ReadCloser
		base := roundTripFunc(func(req *http.Request) (*http.Response, error) {
			body = req.Body
			return stub{}.RoundTrip(req)
		})
		for _, sdk := range []sdk{noSDK, unsampled, sampled, sampledMetrics} {
			body = nil
			req, err := newRequest(http.MethodPut, stubURL, file)
			if err != nil {
				t.Fatal(err)
			}
			conditions, _ := row{sdk: sdk}.conditions()
			if err := c.build(conditions, base)(req, make([]byte, 512)); err != nil {
				t.Fatal(err)
			}
			if body != file {
				t.Errorf("%s, SDK %v: base got body %T, want the original *os.File", c.name, sdk, body)
			}
		}
	}
}

// send makes n requests and checks that their headers are not modified.
func send(t *testing.T, exchange exchange, n int) {
	t.Helper()
	for range n {
		req, err := newRequest(http.MethodGet, stubURL, nil)
		if err != nil {
			t.Fatal(err)
		}
		headers := len(req.Header)
		if err := exchange(req, make([]byte, 16)); err != nil {
			t.Fatal(err)
		}
		if len(req.Header) != headers {
			t.Errorf("request headers after sending: got %v, want the original %d", req.Header, headers)
		}
	}
	tracer.Flush()
}
