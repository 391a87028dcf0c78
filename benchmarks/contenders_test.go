package main

import (
	"io"
	"net/http"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/DataDog/dd-trace-go/v2/ddtrace/mocktracer"
	"github.com/DataDog/dd-trace-go/v2/ddtrace/tracer"
)

// roundTripFunc adapts a function to an http.RoundTripper.
type roundTripFunc func(*http.Request) (*http.Response, error)

func (f roundTripFunc) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// The test binary is the server's program, too.
func TestMain(m *testing.M) {
	serveIfServer()
	os.Exit(m.Run())
}

// Each contender runs, without errors, in each row that applies to it.
func TestRows(t *testing.T) {
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			if r.responses > 0 {
				r.responses = 10
			}
			res, err := r.measure(1, time.Microsecond)
			if err != nil {
				t.Fatal(err)
			}
			want := map[string]bool{
				nameBare: true, nameOurs: true, nameByHand: true,
				nameOTel:    !r.features.optInMetrics,
				nameDatadog: r.sdk != sampledMetrics,
			}
			for name, want := range want {
				samples := res.samples[name]
				if got := len(samples) > 0; got != want {
					t.Errorf("%s runs: %v, want %v", name, got, want)
				}
				for _, s := range samples {
					if s.wall <= 0 && r.responses == 0 || s.held <= 0 && r.responses > 0 {
						t.Errorf("%s: %+v, want what the row measures to be more than 0", name, s)
					}
				}
			}
		})
	}
}

// The server's work must not be in the client's CPU time.
func TestServerIsAnotherProcess(t *testing.T) {
	for _, protocol := range []string{protocolHTTP1, protocolHTTP2} {
		base, url, stop, err := startServer(protocol)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := base.RoundTrip(mustGet(t, url+pidPath))
		if err != nil {
			t.Fatal(err)
		}
		pid, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		if got := string(pid); got == strconv.Itoa(os.Getpid()) {
			t.Errorf("%s: the server is process %s, want one other than this", protocol, got)
		}
		stop()
		if _, err := base.RoundTrip(mustGet(t, url+pidPath)); err == nil {
			t.Errorf("%s: the server answers after it was stopped", protocol)
		}
	}
}

func mustGet(t *testing.T, url string) *http.Request {
	t.Helper()
	req, err := newRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return req
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
			rt := c.wrap(conditions, stub{})
			if rt == nil || c.name == nameDatadog {
				continue
			}
			send(t, through(rt), requests)
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
	for _, hooks := range []bool{false, true} {
		mock.Reset()
		send(t, through(wrapDatadog(conditions{features: features{hooks: hooks}}, stub{})), 3)
		if got := len(mock.FinishedSpans()); got != 3 {
			t.Errorf("hooks %v: %d spans for 3 requests, want 3", hooks, got)
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
			send(t, through(c.wrap(conditions, base)), 1)
			if got, want := header != "", c.name != nameBare; got != want {
				t.Errorf("%s, SDK %v: traceparent = %q, want it present: %v", c.name, sdk, header, want)
			}
		}
	}
}

// net/http uses sendfile only if the body is the *os.File itself.
func TestFileNotWrapped(t *testing.T) {
	for _, c := range contenders {
		if c.name == nameOTel || c.name == nameDatadog {
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
			if err := through(c.wrap(conditions, base))(req, make([]byte, 512)); err != nil {
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
