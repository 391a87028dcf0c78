package otelhttpclient_test

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/url"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/oteltest"
	"github.com/otelhttpclient/otelhttpclient/internal/oteltest/instrumented"
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

// noticeable is a time that the tests let pass where a duration is measured.
const noticeable = 20 * time.Millisecond

// wantTimings fails the test unless the span has these timings and no others.
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

// wantSeconds fails the test unless a timing is a duration from min to the
// whole time that the span took.
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

func TestTimingsOnlyWhereAskedFor(t *testing.T) {
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

func TestTimingOfFirstByteIsNotThatOfTheBody(t *testing.T) {
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

// timedSpanOf is the span of the request to a URL. Spans that end at the same time do
// so in any order.
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

// asking is a context whose requests tell when they have asked for a
// connection, which is after the library has been told.
func asking(ctx context.Context, asked chan<- struct{}) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GetConn: func(string) { asked <- struct{}{} }})
}

func TestTimingOfWaitingInASaturatedPool(t *testing.T) {
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
	<-arrived // it has the connection, and not the other one
	wg.Go(func() { oteltest.Get(t, asking(t.Context(), asked), rt, server.URL+"/queued") })
	<-asked
	time.Sleep(noticeable)
	close(answer)
	wg.Wait()

	queued := timedSpanOf(t, tel, server.URL+"/queued")
	// It has waited for a connection that was never idle.
	wantTimings(t, queued, timingReused, timingWait, timingFirstByte)
	wantReused(t, queued, true)
	wantSeconds(t, queued, timingWait, noticeable)
	wantSeconds(t, queued, timingFirstByte, noticeable)
}

// nameServer is a resolver whose server knows one name, example.test, with
// these addresses, and takes its time.
func nameServer(t *testing.T, addresses ...string) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("ListenPacket = %v, want no error", err)
	}
	t.Cleanup(func() { conn.Close() })
	go func() {
		buf := make([]byte, 1500)
		for {
			n, peer, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			answer := nameAnswer(buf[:n], addresses)
			time.Sleep(noticeable)
			_, _ = conn.WriteTo(answer, peer)
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

// nameAnswer answers a query of one question with the addresses of the type
// that it asks for (RFC 1035, section 4).
func nameAnswer(query []byte, addresses []string) []byte {
	const header, typeA, typeAAAA = 12, 1, 28
	end := header
	for query[end] != 0 {
		end += int(query[end]) + 1
	}
	question := query[header : end+5]
	wanted := binary.BigEndian.Uint16(query[end+1:])
	var records []byte
	count := uint16(0)
	for _, a := range addresses {
		data, kind := []byte(net.ParseIP(a).To16()), uint16(typeAAAA)
		if v4 := net.ParseIP(a).To4(); v4 != nil {
			data, kind = v4, typeA
		}
		if kind != wanted {
			continue
		}
		count++
		records = append(records, 0xc0, header) // the name of the question
		records = binary.BigEndian.AppendUint16(records, kind)
		records = append(records, 0, 1, 0, 0, 0, 60) // class IN, a time to live
		records = binary.BigEndian.AppendUint16(records, uint16(len(data)))
		records = append(records, data...)
	}
	answer := append([]byte(nil), query[:2]...)
	answer = append(answer, 0x85, 0x80, 0, 1) // an authoritative answer to one question
	answer = binary.BigEndian.AppendUint16(answer, count)
	answer = append(answer, 0, 0, 0, 0)
	return append(append(answer, question...), records...)
}

func timingPort(t *testing.T, server *oteltest.Server) string {
	t.Helper()
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatalf("SplitHostPort = %v, want no error", err)
	}
	return port
}

func TestTimingOfNameResolution(t *testing.T) {
	server := oteltest.NewServer(t, "1.1", oteltest.Handler(http.StatusOK, "fine"))
	tel := oteltest.New(t)
	dialer := &net.Dialer{Resolver: nameServer(t, "127.0.0.1")}
	rt := instrumented.Transport(tel, timingBase(t, &http.Transport{DialContext: dialer.DialContext}), otelhttpclient.WithConnectionTimings())
	oteltest.Get(t, t.Context(), rt, "http://example.test:"+timingPort(t, server))

	span := tel.OnlySpan()
	wantTimings(t, span, timingReused, timingWait, timingDNS, timingConnect, timingFirstByte)
	wantSeconds(t, span, timingDNS, noticeable)
	wantSeconds(t, span, timingWait, noticeable)
	a := oteltest.Attributes(span.Attributes)
	if sum := a[timingDNS].AsFloat64() + a[timingConnect].AsFloat64(); sum > a[timingWait].AsFloat64() {
		t.Errorf("DNS and connecting: got %v s, want no more than the wait, %v s", sum, a[timingWait].AsFloat64())
	}
	if got, want := a["server.address"].AsString(), "example.test"; got != want {
		t.Errorf("server.address: got %q, want %q", got, want)
	}
	if got, want := a["network.peer.address"].AsString(), "127.0.0.1"; got != want {
		t.Errorf("network.peer.address: got %q, want %q", got, want)
	}
}

// Of two dials that race, the slower one goes on being reported when the
// request is over.
func TestTimingsWithHappyEyeballs(t *testing.T) {
	probe, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		t.Skipf("this machine has no IPv6 loopback: %v", err)
	}
	probe.Close()
	server := oteltest.NewServer(t, "1.1", oteltest.Handler(http.StatusOK, "fine")) // on 127.0.0.1
	tel := oteltest.New(t)

	over := make(chan struct{})
	dialer := &net.Dialer{
		Resolver:      nameServer(t, "127.0.0.1", "::1"),
		FallbackDelay: noticeable,
		Control: func(network, _ string, _ syscall.RawConn) error {
			if network == "tcp6" {
				<-over
			}
			return nil
		},
	}
	rt := instrumented.Transport(tel, timingBase(t, &http.Transport{DialContext: dialer.DialContext}), otelhttpclient.WithConnectionTimings())

	late := make(chan string, 2)
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
		ConnectDone: func(_, addr string, _ error) { late <- addr },
	})
	oteltest.Get(t, ctx, rt, "http://example.test:"+timingPort(t, server))

	span := tel.OnlySpan()
	wantTimings(t, span, timingReused, timingWait, timingDNS, timingConnect, timingFirstByte)
	wantSeconds(t, span, timingConnect, noticeable) // from the first dial to the one that won
	if got, want := oteltest.Attributes(span.Attributes)["network.peer.address"].AsString(), "127.0.0.1"; got != want {
		t.Errorf("network.peer.address: got %q, want %q", got, want)
	}

	close(over)
	if got := <-late; !strings.HasPrefix(got, "127.0.0.1:") {
		t.Errorf("the first dial that was done: got %q, want the one to 127.0.0.1", got)
	}
	if got := <-late; !strings.HasPrefix(got, "[::1]:") {
		t.Errorf("the last dial that was done: got %q, want the one to ::1", got)
	}
	wantTimings(t, tel.OnlySpan(), timingReused, timingWait, timingDNS, timingConnect, timingFirstByte)
}

// A dial goes on when its request has got, in the meantime, a connection that
// another request gave back.
func TestTimingsOfADialThatComesTooLate(t *testing.T) {
	answer := make(chan struct{})
	server := oteltest.NewServer(t, "1.1", func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/first" {
			<-answer
		}
	})
	tel := oteltest.New(t)

	dials, dialing, over := 0, make(chan struct{}), make(chan struct{})
	dialer := &net.Dialer{Control: func(string, string, syscall.RawConn) error {
		if dials++; dials > 1 {
			close(dialing)
			<-over
		}
		return nil
	}}
	rt := instrumented.Transport(tel, timingBase(t, &http.Transport{DialContext: dialer.DialContext}), otelhttpclient.WithConnectionTimings())

	var wg sync.WaitGroup
	got := make(chan struct{})
	wg.Go(func() {
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
			GotConn: func(httptrace.GotConnInfo) { close(got) },
		})
		oteltest.Get(t, ctx, rt, server.URL+"/first")
	})
	<-got
	late := make(chan struct{})
	wg.Go(func() {
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
			ConnectDone: func(string, string, error) { close(late) },
		})
		oteltest.Get(t, ctx, rt, server.URL+"/second")
	})
	<-dialing
	close(answer)
	wg.Wait()
	close(over)
	<-late

	first, second := timedSpanOf(t, tel, server.URL+"/first"), timedSpanOf(t, tel, server.URL+"/second")
	wantTimings(t, first, timingReused, timingWait, timingConnect, timingFirstByte)
	wantReused(t, first, false)
	wantTimings(t, second, timingReused, timingWait, timingFirstByte)
	wantReused(t, second, true)
}

func TestTimingsOfAFailedDial(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("Listen = %v, want no error", err)
	}
	listener.Close() // so that its port refuses
	tel := oteltest.New(t)
	if err := oteltest.TryGet(t.Context(), instrumented.Transport(tel, timingBase(t, &http.Transport{}), otelhttpclient.WithConnectionTimings()), "http://"+listener.Addr().String()); err == nil {
		t.Fatal("GET of a port that nobody listens on: got no error, want one")
	}
	span := tel.OnlySpan()
	wantTimings(t, span, timingWait) // in vain
	wantSeconds(t, span, timingWait, 1)
}

func TestTimingsThroughAProxy(t *testing.T) {
	plain := oteltest.NewServer(t, "1.1", oteltest.Handler(http.StatusOK, "fine"))
	secure := httptest.NewTLSServer(oteltest.Handler(http.StatusOK, "fine"))
	defer secure.Close()
	proxy := oteltest.NewServer(t, "1.1", forward)
	proxyURL, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatalf("Parse(%q) = %v, want no error", proxy.URL, err)
	}

	for _, row := range []struct {
		target *httptest.Server
		want   []attribute.Key
	}{
		{plain.Server, []attribute.Key{timingReused, timingWait, timingConnect, timingFirstByte}},
		{secure, []attribute.Key{timingReused, timingWait, timingConnect, timingTLS, timingFirstByte}},
	} {
		t.Run(row.target.URL[:5], func(t *testing.T) {
			tel := oteltest.New(t)
			base := timingBase(t, row.target.Client().Transport.(*http.Transport).Clone())
			base.Proxy = http.ProxyURL(proxyURL)
			rt := instrumented.Transport(tel, base, otelhttpclient.WithConnectionTimings())
			oteltest.Get(t, t.Context(), rt, row.target.URL)
			span := tel.OnlySpan()
			wantTimings(t, span, row.want...)
			for _, key := range row.want[1:] {
				wantSeconds(t, span, key, 1)
			}
			a := oteltest.Attributes(span.Attributes)
			if got, want := a["url.full"].AsString(), row.target.URL; got != want {
				t.Errorf("url.full: got %q, want %q", got, want)
			}
			if got, want := net.JoinHostPort(a["network.peer.address"].AsString(), a["network.peer.port"].String()), proxyURL.Host; got != want {
				t.Errorf("network.peer: got %s, want the proxy, %s", got, want)
			}
		})
	}
}

// forward is a proxy.
func forward(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodConnect {
		out := r.Clone(r.Context())
		out.RequestURI = ""
		resp, err := http.DefaultTransport.(*http.Transport).Clone().RoundTrip(out)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer resp.Body.Close()
		w.WriteHeader(resp.StatusCode)
		_, _ = io.Copy(w, resp.Body)
		return
	}
	target, err := net.Dial("tcp", r.Host)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer target.Close()
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n")
	done := make(chan struct{}, 2)
	for _, pair := range [][2]net.Conn{{target, conn}, {conn, target}} {
		go func() {
			_, _ = io.Copy(pair[0], pair[1])
			done <- struct{}{}
		}()
	}
	<-done
}

// Requests that share an HTTP/2 connection which one of them establishes have
// all waited for it.
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
		case <-first: // the one dial that gets through
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

// net/http sends a request again when the idle connection that it took turns
// out to be closed. What counts is the connection that answered.
func TestTimingsAreThoseOfTheLastConnection(t *testing.T) {
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	tel := oteltest.New(t)
	rt := instrumented.Transport(tel, oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		ct := httptrace.ContextClientTrace(req.Context())
		ct.GetConn("example.test:443")
		ct.ConnectStart("tcp", "127.0.0.1:443") // and goes on when an idle connection is found
		ct.GotConn(httptrace.GotConnInfo{Conn: near, Reused: true, WasIdle: true, IdleTime: time.Hour})
		time.Sleep(noticeable)
		ct.GetConn("example.test:443") // as the idle one was closed
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

// All of net/http's callbacks may come when the span has ended.
func TestTimingsIgnoreCallbacksAfterTheEnd(t *testing.T) {
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

// The caller's own hooks are called as if there were no timings.
func TestTimingsLeaveTheCallersHooks(t *testing.T) {
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

// Under the race detector: a small pool, and callers that give up.
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
