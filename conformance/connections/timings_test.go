package connections

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/instrumented"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

const (
	timingReused    = attribute.Key("otelhttpclient.connection.reused")
	timingIdle      = attribute.Key("otelhttpclient.connection.idle_time")
	timingWait      = attribute.Key("otelhttpclient.connection.wait_time")
	timingDNS       = attribute.Key("otelhttpclient.dns.duration")
	timingConnect   = attribute.Key("otelhttpclient.connect.duration")
	timingTLS       = attribute.Key("otelhttpclient.tls.duration")
	timingFirstByte = attribute.Key("otelhttpclient.first_byte.duration")
)

// noticeable is a delay that a measured duration must show.
const noticeable = 20 * time.Millisecond

// wantTimings checks that the span has these timings and no others.
func wantTimings(t *testing.T, span tracetest.SpanStub, want ...attribute.Key) {
	t.Helper()
	var got []attribute.Key
	for _, kv := range span.Attributes {
		if strings.HasPrefix(string(kv.Key), "otelhttpclient.") {
			got = append(got, kv.Key)
		}
	}
	slices.Sort(got)
	want = slices.Sorted(slices.Values(want))
	if !slices.Equal(got, want) {
		t.Errorf("timings of the span: got %q, want %q", got, want)
	}
}

func wantReused(t *testing.T, span tracetest.SpanStub, want bool) {
	t.Helper()
	if got := oteltest.Attributes(span.Attributes)[timingReused]; got.Type() != attribute.BOOL || got.AsBool() != want {
		t.Errorf("%s: got %v, want %v", timingReused, got.AsInterface(), want)
	}
}

// wantSeconds checks that a timing is at least min and at most the span's
// duration.
func wantSeconds(t *testing.T, span tracetest.SpanStub, key attribute.Key, min time.Duration) {
	t.Helper()
	v := oteltest.Attributes(span.Attributes)[key]
	whole := span.EndTime.Sub(span.StartTime)
	if v.Type() != attribute.FLOAT64 || v.AsFloat64() < min.Seconds() || v.AsFloat64() > whole.Seconds() {
		t.Errorf("%s: got %v, want seconds between %v and the span's %v", key, v.AsInterface(), min, whole)
	}
}

func timingBase(t *testing.T, base *http.Transport) *http.Transport {
	t.Cleanup(base.CloseIdleConnections)
	return base
}

func TestTimingsAreOptIn(t *testing.T) {
	server := oteltest.NewServer(t, "1.1", oteltest.Handler(http.StatusOK, "fine"))
	tel := oteltest.New(t)
	oteltest.Get(t, t.Context(), instrumented.Transport(tel, server.Client().Transport), server.URL)
	wantTimings(t, tel.OnlySpan())
}

func TestTimingsOfNewAndReusedConnections(t *testing.T) {
	for _, row := range []struct {
		name  string
		start func(*httptest.Server)
		first []attribute.Key
		proto string
	}{
		{"HTTP/1.1", (*httptest.Server).Start, []attribute.Key{timingConnect}, "1.1"},
		{"HTTP/1.1 over TLS", (*httptest.Server).StartTLS, []attribute.Key{timingConnect, timingTLS}, "1.1"},
		{"HTTP/2", func(s *httptest.Server) { s.EnableHTTP2 = true; s.StartTLS() }, []attribute.Key{timingConnect, timingTLS}, "2"},
	} {
		t.Run(row.name, func(t *testing.T) {
			server := httptest.NewUnstartedServer(oteltest.Handler(http.StatusOK, "fine"))
			row.start(server)
			defer server.Close()
			tel := oteltest.New(t)
			rt := instrumented.Transport(tel, server.Client().Transport, otelhttpclient.WithConnectionTimings())
			oteltest.Get(t, t.Context(), rt, server.URL)
			time.Sleep(noticeable) // the connection is idle
			oteltest.Get(t, t.Context(), rt, server.URL)

			spans := tel.Spans()
			if len(spans) != 2 {
				t.Fatalf("spans: got %d, want 2", len(spans))
			}
			if got := oteltest.Attributes(spans[0].Attributes)["network.protocol.version"].AsString(); got != row.proto {
				t.Fatalf("network.protocol.version: got %q, want %q", got, row.proto)
			}
			wantTimings(t, spans[0], append(row.first, timingReused, timingWait, timingFirstByte)...)
			wantReused(t, spans[0], false)
			for _, key := range append(row.first, timingWait, timingFirstByte) {
				wantSeconds(t, spans[0], key, 1)
			}
			wantTimings(t, spans[1], timingReused, timingIdle, timingWait, timingFirstByte)
			wantReused(t, spans[1], true)
			if got := oteltest.Attributes(spans[1].Attributes)[timingIdle].AsFloat64(); got < noticeable.Seconds() || got > 10 {
				t.Errorf("%s: got %v, want seconds from %v on", timingIdle, got, noticeable)
			}
		})
	}
}

func TestTimingOfFirstByte(t *testing.T) {
	read := make(chan struct{})
	server := oteltest.NewServer(t, "1.1", func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(noticeable)
		w.(http.Flusher).Flush()
		<-read
	})
	tel := oteltest.New(t)
	req := oteltest.NewRequest(t, t.Context(), http.MethodGet, server.URL, nil)
	resp := oteltest.Open(t, instrumented.Transport(tel, server.Client().Transport, otelhttpclient.WithConnectionTimings()), req)
	time.Sleep(noticeable)
	close(read)
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Errorf("reading the body = %v, want no error", err)
	}
	resp.Body.Close()

	span := tel.OnlySpan()
	wantSeconds(t, span, timingFirstByte, noticeable)
	got, whole := oteltest.Attributes(span.Attributes)[timingFirstByte].AsFloat64(), span.EndTime.Sub(span.StartTime)
	if want := (whole - noticeable).Seconds(); got > want {
		t.Errorf("%s: got %v, want at most %v: the body came that much later", timingFirstByte, got, want)
	}
}

// timedSpanOf returns the span of a URL. Spans that end together have no order.
func timedSpanOf(t *testing.T, tel *oteltest.SDK, url string) tracetest.SpanStub {
	t.Helper()
	for _, span := range tel.Spans() {
		if oteltest.Attributes(span.Attributes)["url.full"].AsString() == url {
			return span
		}
	}
	t.Fatalf("spans: got %d, want one of %s among them", len(tel.Spans()), url)
	return tracetest.SpanStub{}
}

// asking returns a context whose requests signal that they wait for a
// connection. The Transport's own hook runs before that.
func asking(ctx context.Context, asked chan<- struct{}) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GetConn: func(string) { asked <- struct{}{} }})
}

func TestTimingOfSaturatedPool(t *testing.T) {
	arrived, answer := make(chan struct{}), make(chan struct{})
	server := oteltest.NewServer(t, "1.1", func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			close(arrived)
			<-answer
		}
	})
	tel := oteltest.New(t)
	rt := instrumented.Transport(tel, timingBase(t, &http.Transport{MaxConnsPerHost: 1}), otelhttpclient.WithConnectionTimings())

	asked := make(chan struct{}, 1)
	var wg sync.WaitGroup
	wg.Go(func() { oteltest.Get(t, t.Context(), rt, server.URL+"/slow") })
	<-arrived // it has the only connection
	wg.Go(func() { oteltest.Get(t, asking(t.Context(), asked), rt, server.URL+"/queued") })
	<-asked
	time.Sleep(noticeable)
	close(answer)
	wg.Wait()

	queued := timedSpanOf(t, tel, server.URL+"/queued")
	// It waited for a connection that was never idle.
	wantTimings(t, queued, timingReused, timingWait, timingFirstByte)
	wantReused(t, queued, true)
	wantSeconds(t, queued, timingWait, noticeable)
	wantSeconds(t, queued, timingFirstByte, noticeable)
}

// All requests that share an HTTP/2 connection have waited for it, whichever of
// them dialed.
func TestTimingsOfSharedHTTP2Connection(t *testing.T) {
	const requests = 8
	together := make(chan struct{}, requests)
	release := make(chan struct{})
	server := oteltest.NewServer(t, "2", func(http.ResponseWriter, *http.Request) {
		together <- struct{}{}
		<-release
	})
	tel := oteltest.New(t)

	base := timingBase(t, server.Client().Transport.(*http.Transport).Clone())
	first := make(chan struct{}, 1)
	first <- struct{}{}
	open, over := make(chan struct{}), make(chan struct{})
	defer close(over)
	base.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		select {
		case <-first: // the only dial that succeeds
			<-open
			return (&net.Dialer{}).DialContext(ctx, network, addr)
		case <-over:
			return nil, errors.New("too late")
		}
	}
	rt := instrumented.Transport(tel, base, otelhttpclient.WithConnectionTimings())

	asked := make(chan struct{}, 2*requests) // HTTP/2 asks twice
	var wg sync.WaitGroup
	for range requests {
		wg.Go(func() { oteltest.Get(t, asking(t.Context(), asked), rt, server.URL) })
	}
	for range requests {
		<-asked
	}
	time.Sleep(noticeable)
	close(open)
	for range requests {
		<-together
	}
	close(release)
	wg.Wait()

	spans := tel.Spans()
	if len(spans) != requests {
		t.Fatalf("spans: got %d, want %d", len(spans), requests)
	}
	var peers []string
	established := 0
	for _, span := range spans {
		a := oteltest.Attributes(span.Attributes)
		if got := a["network.protocol.version"].AsString(); got != "2" {
			t.Errorf("network.protocol.version: got %q, want 2", got)
		}
		peers = append(peers, a["network.peer.address"].AsString()+":"+a["network.peer.port"].String())
		wantSeconds(t, span, timingWait, noticeable)
		if _, ok := a[timingConnect]; ok {
			established++
		}
	}
	if slices.Sort(peers); len(slices.Compact(peers)) != 1 {
		t.Errorf("peers: got %q, want one", peers)
	}
	if established > 1 {
		t.Errorf("spans with %s: got %d, want at most one, as one connection was established", timingConnect, established)
	}
}

// net/http resends a request if its idle connection turns out to be closed. The
// timings are those of the connection that answered.
func TestTimingsOfLastConnection(t *testing.T) {
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	tel := oteltest.New(t)
	rt := instrumented.Transport(tel, oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		ct := httptrace.ContextClientTrace(req.Context())
		ct.GetConn("example.test:443")
		ct.ConnectStart("tcp", "127.0.0.1:443") // and continues when an idle connection is found
		ct.GotConn(httptrace.GotConnInfo{Conn: near, Reused: true, WasIdle: true, IdleTime: time.Hour})
		time.Sleep(noticeable)
		ct.GetConn("example.test:443") // the idle one was closed
		ct.DNSStart(httptrace.DNSStartInfo{Host: "example.test"})
		ct.DNSDone(httptrace.DNSDoneInfo{})
		ct.ConnectStart("tcp", "127.0.0.1:443")
		ct.ConnectDone("tcp", "127.0.0.1:443", nil)
		ct.TLSHandshakeStart()
		ct.TLSHandshakeDone(tls.ConnectionState{}, nil)
		ct.GotConn(httptrace.GotConnInfo{Conn: near})
		ct.GotFirstResponseByte()
		return oteltest.Reply(req, http.StatusOK, http.NoBody), nil
	}), otelhttpclient.WithConnectionTimings())
	oteltest.Get(t, t.Context(), rt, "https://example.test/")

	span := tel.OnlySpan()
	wantTimings(t, span, timingReused, timingWait, timingDNS, timingConnect, timingTLS, timingFirstByte)
	wantReused(t, span, false)
	wantSeconds(t, span, timingFirstByte, noticeable)
	for _, key := range []attribute.Key{timingWait, timingConnect} {
		if got := oteltest.Attributes(span.Attributes)[key].AsFloat64(); got >= noticeable.Seconds() {
			t.Errorf("%s: got %v s, want less than %v: the first connection does not count", key, got, noticeable)
		}
	}
}

// net/http may call any hook after the span has ended.
func TestTimingsIgnoreLateCallbacks(t *testing.T) {
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	tel := oteltest.New(t)
	var ct *httptrace.ClientTrace
	rt := instrumented.Transport(tel, oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		ct = httptrace.ContextClientTrace(req.Context())
		return oteltest.Reply(req, http.StatusOK, http.NoBody), nil
	}), otelhttpclient.WithConnectionTimings())
	oteltest.Get(t, t.Context(), rt, "https://example.test/")
	ct.GetConn("example.test:443")
	ct.DNSStart(httptrace.DNSStartInfo{})
	ct.DNSDone(httptrace.DNSDoneInfo{Err: errors.New("too late")})
	ct.ConnectStart("tcp", "127.0.0.1:443")
	ct.ConnectDone("tcp", "127.0.0.1:443", errors.New("too late"))
	ct.TLSHandshakeStart()
	ct.TLSHandshakeDone(tls.ConnectionState{}, errors.New("too late"))
	ct.GotConn(httptrace.GotConnInfo{Conn: near})
	ct.GotFirstResponseByte()
	wantTimings(t, tel.OnlySpan())
}

// The caller's own hooks run as without timings.
func TestTimingsKeepCallersHooks(t *testing.T) {
	server := oteltest.NewServer(t, "1.1", oteltest.Handler(http.StatusOK, "fine"))
	tel := oteltest.New(t)
	var mu sync.Mutex
	var got []string
	note := func(what string) {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, what)
	}
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
		GetConn:              func(string) { note("GetConn") },
		ConnectDone:          func(string, string, error) { note("ConnectDone") },
		GotConn:              func(httptrace.GotConnInfo) { note("GotConn") },
		GotFirstResponseByte: func() { note("GotFirstResponseByte") },
	})
	oteltest.Get(t, ctx, instrumented.Transport(tel, server.Client().Transport, otelhttpclient.WithConnectionTimings()), server.URL)
	mu.Lock()
	defer mu.Unlock()
	if want := []string{"GetConn", "ConnectDone", "GotConn", "GotFirstResponseByte"}; !slices.Equal(got, want) {
		t.Errorf("the caller's hooks: got %q, want %q", got, want)
	}
}

// This is for the race detector: a small pool, and callers that cancel.
func TestTimingsOfConcurrentRequests(t *testing.T) {
	server := oteltest.NewServer(t, "1.1", oteltest.Handler(http.StatusOK, "fine"))
	tel := oteltest.New(t)
	rt := instrumented.Transport(tel, timingBase(t, &http.Transport{MaxConnsPerHost: 3}), otelhttpclient.WithConnectionTimings())
	const callers, calls = 16, 20
	var wg sync.WaitGroup
	for caller := range callers {
		wg.Go(func() {
			for call := range calls {
				ctx, cancel := context.WithCancel(t.Context())
				if (caller+call)%3 == 0 {
					go cancel() // at any time
				}
				_ = oteltest.TryGet(ctx, rt, server.URL)
				cancel()
			}
		})
	}
	wg.Wait()
	if got, want := len(tel.Spans()), callers*calls; got != want {
		t.Errorf("spans: got %d, want %d", got, want)
	}
	for _, span := range tel.Spans() {
		for _, key := range []attribute.Key{timingWait, timingConnect, timingFirstByte} {
			if v, ok := oteltest.Attributes(span.Attributes)[key]; ok && v.AsFloat64() < 0 {
				t.Errorf("%s: got %v, want no negative duration", key, v.AsFloat64())
			}
		}
	}
}
