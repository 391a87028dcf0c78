package otelhttpclient_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"go.opentelemetry.io/otel/attribute"

	"github.com/otelhttpclient/otelhttpclient"
)

func TestInstrumentClientTracesOnce(t *testing.T) {
	server := httptest.NewServer(handler(http.StatusOK, "fine"))
	defer server.Close()
	tel := newTelemetry(t)
	client := server.Client()

	otelhttpclient.InstrumentClient(client, tel.options()...)
	once := client.Transport
	otelhttpclient.InstrumentClient(client, tel.options()...)
	if client.Transport != once {
		t.Errorf("Transport after the second InstrumentClient: got %p, want the first's, %p", client.Transport, once)
	}
	fetch(t, t.Context(), client, server.URL)
	tel.onlySpan()
}

func TestInstrumentClientLeavesATransportOfTheCallers(t *testing.T) {
	mine := otelhttpclient.NewTransport(nil)
	client := &http.Client{Transport: mine}
	otelhttpclient.InstrumentClient(client)
	if client.Transport != mine {
		t.Errorf("Transport after InstrumentClient: got %p, want the caller's, %p", client.Transport, mine)
	}
	otelhttpclient.UninstrumentClient(client)
	if client.Transport != mine {
		t.Errorf("Transport after UninstrumentClient: got %p, want the caller's, %p", client.Transport, mine)
	}
}

func TestUninstrumentClientGivesBackWhatWasThere(t *testing.T) {
	base := &http.Transport{}
	for _, row := range []struct {
		name string
		had  http.RoundTripper
	}{
		{"no transport", nil},
		{"a transport", base},
	} {
		t.Run(row.name, func(t *testing.T) {
			client := &http.Client{Transport: row.had}
			otelhttpclient.UninstrumentClient(client)
			if client.Transport != row.had {
				t.Errorf("Transport of a client that was not instrumented: got %v, want %v", client.Transport, row.had)
			}
			for range 2 {
				otelhttpclient.InstrumentClient(client)
				if _, ok := client.Transport.(*otelhttpclient.Transport); !ok {
					t.Errorf("Transport after InstrumentClient: got a %T, want a *Transport", client.Transport)
				}
				otelhttpclient.UninstrumentClient(client)
				if client.Transport != row.had {
					t.Errorf("Transport after UninstrumentClient: got %v, want %v", client.Transport, row.had)
				}
			}
		})
	}
	otelhttpclient.InstrumentClient(nil)
	otelhttpclient.UninstrumentClient(nil)
}

func TestRequestUnderWayKeepsItsSpanWhenItsClientIsUninstrumented(t *testing.T) {
	server := httptest.NewServer(handler(http.StatusOK, "fine"))
	defer server.Close()
	tel := newTelemetry(t)
	client := server.Client()
	otelhttpclient.InstrumentClient(client, tel.options()...)
	resp, err := client.Get(server.URL)
	if err != nil {
		t.Fatalf("Get = %v, want no error", err)
	}
	otelhttpclient.UninstrumentClient(client)
	if got := len(tel.spans()); got != 0 {
		t.Errorf("spans before the body is read: got %d, want 0", got)
	}
	io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	tel.onlySpan()
}

// Different clients may be instrumented and used at the same time, all of them
// with the same transport below.
func TestInstrumentClientConcurrently(t *testing.T) {
	server := httptest.NewServer(handler(http.StatusOK, "fine"))
	defer server.Close()
	tel := newTelemetry(t)
	base := server.Client().Transport
	const clients, calls = 8, 5
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			client := &http.Client{Transport: base}
			otelhttpclient.InstrumentClient(client, tel.options()...)
			for range calls {
				fetch(t, t.Context(), client, server.URL)
			}
			otelhttpclient.UninstrumentClient(client)
			fetch(t, t.Context(), client, server.URL)
			if client.Transport != base {
				t.Errorf("Transport after UninstrumentClient: got %v, want %v", client.Transport, base)
			}
		})
	}
	wg.Wait()
	if got, want := len(tel.spans()), clients*calls; got != want {
		t.Errorf("spans: got %d, want %d", got, want)
	}
}

// Below are tests of InstrumentDefault. Each runs in a process of its own, as a
// default transport that has been used, by any other test, cannot be
// instrumented any more.

// protocols is a server that says which protocol it was spoken to in, and
// whether with a trace.
func protocols(t *testing.T, start func(*httptest.Server)) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s, traced: %v", r.Proto, r.Header.Get("Traceparent") != "")
	}))
	start(server)
	t.Cleanup(server.Close)
	return server
}

func http2Server(s *httptest.Server) {
	s.EnableHTTP2 = true
	s.StartTLS()
}

// trust has the default transport trust a server's certificate.
func trust(t *testing.T, server *httptest.Server) {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	http.DefaultTransport.(*http.Transport).TLSClientConfig = &tls.Config{RootCAs: roots}
}

func wantAnswer(t *testing.T, what string, client *http.Client, url, want string) {
	t.Helper()
	resp, err := client.Get(url)
	if err != nil {
		t.Fatalf("%s: Get(%s) = %v, want no error", what, url, err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s: reading the body = %v, want no error", what, err)
	}
	if string(got) != want {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

func instrumentDefault(t *testing.T, tel *telemetry) (uninstrument func()) {
	t.Helper()
	uninstrument, err := otelhttpclient.InstrumentDefault(tel.options()...)
	if err != nil {
		t.Fatalf("InstrumentDefault() = %v, want no error", err)
	}
	return uninstrument
}

func TestInstrumentDefault(t *testing.T) {
	t.Parallel()
	if !inOwnProcess(t) {
		return
	}
	plain, secure := protocols(t, (*httptest.Server).Start), protocols(t, http2Server)
	tel := newTelemetry(t)
	before := http.DefaultTransport
	uninstrument := instrumentDefault(t, tel)
	if http.DefaultTransport != before {
		t.Errorf("http.DefaultTransport: got %v, want what was there, %v", http.DefaultTransport, before)
	}
	original, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		t.Fatalf("http.DefaultTransport: got a %T, want a *http.Transport", http.DefaultTransport)
	}
	trust(t, secure) // set after the call and before the first request, it counts

	// A clone that was made before the first request, and one from after it.
	early := &http.Client{Transport: original.Clone()}
	wantAnswer(t, "http.DefaultClient", http.DefaultClient, plain.URL, "HTTP/1.1, traced: true")
	wantAnswer(t, "http.DefaultClient over TLS", http.DefaultClient, secure.URL, "HTTP/2.0, traced: true")
	wantAnswer(t, "a client without a Transport", &http.Client{}, secure.URL, "HTTP/2.0, traced: true")
	resp, err := http.Get(plain.URL)
	if err != nil {
		t.Fatalf("http.Get = %v, want no error", err)
	}
	resp.Body.Close()
	if got, want := len(tel.spans()), 4; got != want {
		t.Errorf("spans: got %d, want %d", got, want)
	}
	late := &http.Client{Transport: original.Clone()}
	for what, client := range map[string]*http.Client{"an early clone": early, "a late clone": late} {
		wantAnswer(t, what, client, plain.URL, "HTTP/1.1, traced: false")
		wantAnswer(t, what+" over TLS", client, secure.URL, "HTTP/2.0, traced: false")
		client.CloseIdleConnections()
	}
	if got, want := len(tel.spans()), 4; got != want {
		t.Errorf("spans after requests through clones: got %d, want %d still", got, want)
	}

	// A Transport around the default one sends the same request; one span is
	// enough.
	wrapped := &http.Client{Transport: otelhttpclient.NewTransport(nil, tel.options()...)}
	wantAnswer(t, "a Transport around it", wrapped, plain.URL, "HTTP/1.1, traced: true")
	if got, want := len(tel.spans()), 5; got != want {
		t.Errorf("spans after a request through a Transport around the default: got %d, want %d", got, want)
	}

	if again, err := otelhttpclient.InstrumentDefault(tel.options()...); err == nil || again != nil {
		t.Errorf("InstrumentDefault() while instrumented: got %v, want an error and no function", err)
	} else if want := "the function that InstrumentDefault returned"; !strings.Contains(err.Error(), want) {
		t.Errorf("InstrumentDefault() while instrumented: got %q, want it to tell of %q", err, want)
	}

	for range 2 {
		uninstrument()
		wantAnswer(t, "uninstrumented", http.DefaultClient, plain.URL, "HTTP/1.1, traced: false")
		wantAnswer(t, "uninstrumented, over TLS", http.DefaultClient, secure.URL, "HTTP/2.0, traced: false")
	}
	if got, want := len(tel.spans()), 5; got != want {
		t.Errorf("spans after uninstrumenting: got %d, want %d still", got, want)
	}

	second := instrumentDefault(t, tel)
	wantAnswer(t, "instrumented again", http.DefaultClient, secure.URL, "HTTP/2.0, traced: true")
	uninstrument() // of the first time, which is over
	wantAnswer(t, "instrumented again", http.DefaultClient, secure.URL, "HTTP/2.0, traced: true")
	second()
	wantAnswer(t, "uninstrumented again", http.DefaultClient, secure.URL, "HTTP/2.0, traced: false")
}

func TestInstrumentDefaultSpansOfHTTP2(t *testing.T) {
	t.Parallel()
	if !inOwnProcess(t) {
		return
	}
	secure := protocols(t, http2Server)
	trust(t, secure) // before the call
	tel := newTelemetry(t)
	uninstrument := instrumentDefault(t, tel)
	defer uninstrument()
	fetch(t, t.Context(), http.DefaultClient, secure.URL)
	a := attrs(tel.onlySpan().Attributes)
	for key, want := range map[attribute.Key]string{
		"url.full":                 secure.URL,
		"network.protocol.version": "2",
		"network.peer.address":     "127.0.0.1",
	} {
		if got := a[key].AsString(); got != want {
			t.Errorf("%s: got %q, want %q", key, got, want)
		}
	}
}

func TestInstrumentDefaultRequestsUnderWayKeepTheirSpans(t *testing.T) {
	t.Parallel()
	if !inOwnProcess(t) {
		return
	}
	arrived, answer := make(chan struct{}), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		arrived <- struct{}{}
		<-answer
	}))
	defer server.Close()
	tel := newTelemetry(t)
	uninstrument := instrumentDefault(t, tel)
	var wg sync.WaitGroup
	wg.Go(func() { fetch(t, t.Context(), http.DefaultClient, server.URL+"/traced") })
	<-arrived
	uninstrument()
	wg.Go(func() { fetch(t, t.Context(), http.DefaultClient, server.URL+"/untraced") })
	<-arrived
	close(answer)
	wg.Wait()
	if got, want := attrs(tel.onlySpan().Attributes)["url.full"].AsString(), server.URL+"/traced"; got != want {
		t.Errorf("url.full: got %q, want %q", got, want)
	}
}

func TestInstrumentDefaultClosesIdleConnections(t *testing.T) {
	t.Parallel()
	if !inOwnProcess(t) {
		return
	}
	var idle, closed atomic.Int64
	changed := make(chan http.ConnState, 100)
	server := httptest.NewUnstartedServer(handler(http.StatusOK, "fine"))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateIdle:
			idle.Add(1)
		case http.StateClosed:
			closed.Add(1)
		default:
			return
		}
		changed <- state
	}
	server.Start()
	defer server.Close()
	tel := newTelemetry(t)
	uninstrument := instrumentDefault(t, tel)
	for _, row := range []struct {
		name  string
		close func()
	}{
		{"http.DefaultClient.CloseIdleConnections", http.DefaultClient.CloseIdleConnections},
		{"http.DefaultTransport.CloseIdleConnections", http.DefaultTransport.(*http.Transport).CloseIdleConnections},
		{"after uninstrumenting", func() { uninstrument(); http.DefaultClient.CloseIdleConnections() }},
	} {
		fetch(t, t.Context(), http.DefaultClient, server.URL)
		if got := <-changed; got != http.StateIdle {
			t.Fatalf("%s: the connection became %v, want idle first", row.name, got)
		}
		row.close()
		if got := <-changed; got != http.StateClosed {
			t.Fatalf("%s: the connection became %v, want closed", row.name, got)
		}
	}
	if idle.Load() != 3 || closed.Load() != 3 {
		t.Errorf("connections: got %d idle, %d closed, want 3 of each", idle.Load(), closed.Load())
	}
}

func TestInstrumentDefaultAfterUseOfHTTP(t *testing.T) {
	t.Parallel()
	if inOwnProcess(t) {
		testDefaultAfterUse(t, protocols(t, (*httptest.Server).Start), "HTTP/1.1, traced: false")
	}
}

func TestInstrumentDefaultAfterUseOfHTTP2(t *testing.T) {
	t.Parallel()
	if inOwnProcess(t) {
		testDefaultAfterUse(t, protocols(t, http2Server), "HTTP/2.0, traced: false")
	}
}

// testDefaultAfterUse uses the default transport before it is instrumented.
func testDefaultAfterUse(t *testing.T, server *httptest.Server, want string) {
	t.Helper()
	if server.TLS != nil {
		trust(t, server)
	}
	tel := newTelemetry(t)
	wantAnswer(t, "before", http.DefaultClient, server.URL, want)
	for range 2 {
		uninstrument, err := otelhttpclient.InstrumentDefault(tel.options()...)
		if err == nil || uninstrument != nil {
			t.Fatalf("InstrumentDefault() after use: got %v, want an error and no function", err)
		}
		for _, advice := range []string{"has been used", "before the first request", "InstrumentClient"} {
			if !strings.Contains(err.Error(), advice) {
				t.Errorf("InstrumentDefault() after use: got %q, want it to say %q", err, advice)
			}
		}
		wantAnswer(t, "after", http.DefaultClient, server.URL, want)
		clone := &http.Client{Transport: http.DefaultTransport.(*http.Transport).Clone()}
		wantAnswer(t, "a clone", clone, server.URL, want)
		clone.CloseIdleConnections()
		http.DefaultClient.CloseIdleConnections()
	}
	if got := len(tel.spans()); got != 0 {
		t.Errorf("spans: got %d, want 0", got)
	}

	// What the error advises.
	client := &http.Client{}
	otelhttpclient.InstrumentClient(client, tel.options()...)
	wantAnswer(t, "instrumented", client, server.URL, strings.Replace(want, "false", "true", 1))
	tel.onlySpan()
}

func TestInstrumentDefaultOfAnotherTypeIsAnError(t *testing.T) {
	t.Parallel()
	if !inOwnProcess(t) {
		return
	}
	for _, other := range []http.RoundTripper{roundTripFunc(nil), otelhttpclient.NewTransport(nil), nil} {
		t.Run(fmt.Sprintf("%T", other), func(t *testing.T) {
			http.DefaultTransport = other
			uninstrument, err := otelhttpclient.InstrumentDefault()
			if err == nil || uninstrument != nil {
				t.Fatalf("InstrumentDefault(): got %v, want an error and no function", err)
			}
			if want := "NewTransport"; !strings.Contains(err.Error(), want) {
				t.Errorf("InstrumentDefault(): got %q, want it to advise %q", err, want)
			}
		})
	}
}

// The default transport may be instrumented and used from several goroutines at
// once: one of them gets to instrument it, and all requests are answered.
func TestInstrumentDefaultConcurrently(t *testing.T) {
	t.Parallel()
	if !inOwnProcess(t) {
		return
	}
	secure := protocols(t, http2Server)
	trust(t, secure)
	tel := newTelemetry(t)
	const callers = 8
	var done atomic.Int64
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			if _, err := otelhttpclient.InstrumentDefault(tel.options()...); err == nil {
				done.Add(1)
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			fetch(t, ctx, http.DefaultClient, secure.URL)
		})
	}
	wg.Wait()
	if got := done.Load(); got != 1 {
		t.Errorf("successful calls of InstrumentDefault: got %d, want 1", got)
	}
	if got := len(tel.spans()); got != callers {
		t.Errorf("spans: got %d, want %d", got, callers)
	}
}
