package connections

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/instrumented"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

// nameServer returns a resolver whose server answers slowly, for the one name
// example.test.
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

// nameAnswer answers a query with the addresses of the requested type (RFC
// 1035, section 4).
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

// Of two racing dials, the slower one is still reported after the end of the
// request.
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
	wantSeconds(t, span, timingConnect, noticeable) // from the first dial to the end of the successful one
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

// A dial continues when its request obtains a connection that another request
// has returned.
func TestTimingsOfLateDial(t *testing.T) {
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

func TestTimingsOfFailedDial(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("Listen = %v, want no error", err)
	}
	listener.Close() // the port refuses connections
	tel := oteltest.New(t)
	if err := oteltest.TryGet(t.Context(), instrumented.Transport(tel, timingBase(t, &http.Transport{}), otelhttpclient.WithConnectionTimings()), "http://"+listener.Addr().String()); err == nil {
		t.Fatal("GET of a closed port: got no error, want one")
	}
	span := tel.OnlySpan()
	wantTimings(t, span, timingWait, timingConnect) // it has no connection
	wantSeconds(t, span, timingWait, 1)
}

func TestTimingsThroughProxy(t *testing.T) {
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

// forward is the handler of a proxy.
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
