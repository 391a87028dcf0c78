package defaultclient

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

// Both are documented ways to disable HTTP/2.
func TestInstrumentDefaultWithoutHTTP2(t *testing.T) {
	secure := secureServer(t)
	off := map[string]func(*http.Transport){
		"TLSNextProto": func(d *http.Transport) {
			d.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
		},
		"Protocols": func(d *http.Transport) {
			d.Protocols = new(http.Protocols)
			d.Protocols.SetHTTP1(true)
		},
	}
	for name, switchOff := range off {
		for _, when := range []string{"before", "after"} {
			t.Run(name+" "+when, func(t *testing.T) {
				freshDefault(t).TLSClientConfig = rootsOf(secure)
				if when == "before" {
					switchOff(present(t))
				}
				instrumentDefault(t, oteltest.New(t))
				if when == "after" {
					switchOff(present(t))
				}
				clone := present(t).Clone()
				wantAnswer(t, "default", nil, secure.URL, http1Traced)
				wantAnswer(t, "clone", clone, secure.URL, http1Untraced)
				clone.CloseIdleConnections()
			})
		}
	}
}

func TestInstrumentDefaultReplacedTLSConfig(t *testing.T) {
	secure := secureServer(t)
	freshDefault(t)
	tel := oteltest.New(t)
	instrumentDefault(t, tel)
	present(t).TLSClientConfig = rootsOf(secure)
	oteltest.Fetch(t, t.Context(), http.DefaultClient, secure.URL)
	a := oteltest.Attributes(tel.OnlySpan().Attributes)
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

func TestInstrumentDefaultLateSettings(t *testing.T) {
	plain := plainServer(t)
	freshDefault(t)
	instrumentDefault(t, oteltest.New(t))
	http.DefaultClient.CloseIdleConnections() // not a request
	present(t).Clone()
	var dials atomic.Int64
	present(t).DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		dials.Add(1)
		return new(net.Dialer).DialContext(ctx, network, address)
	}
	wantAnswer(t, "default", nil, plain.URL, http1Traced)
	if got := dials.Load(); got != 1 {
		t.Errorf("calls of DialContext: got %d, want 1", got)
	}
}

func TestInstrumentDefaultRegisteredProtocols(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.txt"), []byte("from a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	own := oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(req.URL.Scheme))}, nil
	})
	freshDefault(t).RegisterProtocol("file", http.NewFileTransport(http.Dir(dir)))
	uninstrument := instrumentDefault(t, oteltest.New(t))
	front := present(t)
	front.RegisterProtocol("other", own)
	wantAnswer(t, "registered before", nil, "file:///a.txt", "from a file")
	wantAnswer(t, "registered after", nil, "other://host/", "other")
	if _, err := http.Get("unknown://host/"); err == nil || !strings.Contains(err.Error(), "unsupported protocol scheme") {
		t.Errorf("unknown scheme: got %v, want net/http's error", err)
	}
	uninstrument()
	wantAnswer(t, "uninstrumented", nil, "file:///a.txt", "from a file")
	wantAnswer(t, "front, uninstrumented", front, "file:///a.txt", "from a file")
}

func TestInstrumentDefaultHTTP2ClientOff(t *testing.T) {
	t.Setenv("GODEBUG", "http2client=0")
	plain, secure := plainServer(t), secureServer(t)
	freshDefault(t).TLSClientConfig = rootsOf(secure)
	tel := oteltest.New(t)
	uninstrument := instrumentDefault(t, tel)
	front := present(t)
	wantAnswer(t, "http", nil, plain.URL, http1Traced)
	wantAnswer(t, "https", nil, secure.URL, http1Traced)
	wantAnswer(t, "clone", front.Clone(), secure.URL, http1Untraced)
	wantSpans(t, "two requests", tel, 2)
	uninstrument()
	wantAnswer(t, "uninstrumented", nil, secure.URL, http1Untraced)
}

func TestInstrumentDefaultErrors(t *testing.T) {
	failed := errors.New("dial failed")
	bareAndInstrumented(t, func(t *testing.T) {
		present(t).DialContext = func(context.Context, string, string) (net.Conn, error) { return nil, failed }
		req := oteltest.NewRequest(t, t.Context(), http.MethodGet, "http://127.0.0.1/", nil)
		if _, err := http.DefaultTransport.RoundTrip(req); err != failed {
			t.Errorf("RoundTrip: got error %v, want DialContext's", err)
		}
	})
}

func TestInstrumentDefaultIdleConnections(t *testing.T) {
	changed := make(chan http.ConnState, 100)
	server := httptest.NewUnstartedServer(oteltest.Handler(http.StatusOK, "fine"))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateIdle || state == http.StateClosed {
			changed <- state
		}
	}
	server.Start()
	defer server.Close()
	wait := func(what string, want http.ConnState) {
		t.Helper()
		select {
		case got := <-changed:
			if got != want {
				t.Fatalf("%s: the connection became %v, want %v", what, got, want)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("%s: the connection did not become %v", what, want)
		}
	}
	freshDefault(t)
	get := func() {
		t.Helper()
		oteltest.Fetch(t, t.Context(), http.DefaultClient, server.URL)
		wait("request", http.StateIdle)
	}

	get()
	uninstrument := instrumentDefault(t, oteltest.New(t))
	http.DefaultClient.CloseIdleConnections()
	wait("connection from before InstrumentDefault", http.StateClosed)
	get()
	http.DefaultClient.CloseIdleConnections()
	wait("http.DefaultClient.CloseIdleConnections", http.StateClosed)
	get()
	present(t).CloseIdleConnections()
	wait("http.DefaultTransport.CloseIdleConnections", http.StateClosed)
	get()
	front := present(t)
	uninstrument()
	wait("uninstrument", http.StateClosed)
	oteltest.Fetch(t, t.Context(), &http.Client{Transport: front}, server.URL)
	wait("request", http.StateIdle)
	front.CloseIdleConnections()
	wait("CloseIdleConnections after uninstrument", http.StateClosed)
}

func TestInstrumentDefaultNewClientConn(t *testing.T) {
	plain, secure := plainServer(t), secureServer(t)
	freshDefault(t).TLSClientConfig = rootsOf(secure)
	tel := oteltest.New(t)
	instrumentDefault(t, tel)
	for _, row := range []struct {
		name      string
		transport *http.Transport
		server    *oteltest.Server
		want      string
	}{
		{"http", present(t), plain, http1Untraced},
		{"https", present(t), secure, http1Untraced}, // bare: HTTP/2
		{"https of a clone", present(t).Clone(), secure, http2Untraced},
	} {
		scheme, address, _ := strings.Cut(row.server.URL, "://")
		conn, err := row.transport.NewClientConn(t.Context(), scheme, address)
		if err != nil {
			t.Fatalf("%s: NewClientConn = %v, want no error", row.name, err)
		}
		wantAnswer(t, row.name, conn, row.server.URL, row.want)
		conn.Close()
	}
	wantSpans(t, "NewClientConn", tel, 0)
}

func TestInstrumentDefaultWebSocket(t *testing.T) {
	server := oteltest.NewServer(t, "2", func(w http.ResponseWriter, r *http.Request) {
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Errorf("Hijack = %v, want no error", err)
			return
		}
		defer conn.Close()
		io.WriteString(rw, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		rw.Flush()
		line, _ := rw.ReadString('\n')
		io.WriteString(rw, line)
		rw.Flush()
	})
	freshDefault(t).TLSClientConfig = rootsOf(server)
	tel := oteltest.New(t)
	instrumentDefault(t, tel)
	req := oteltest.NewRequest(t, t.Context(), http.MethodGet, server.URL, nil)
	req.Header.Set("Connection", "Upgrade")
	req.Header.Set("Upgrade", "websocket")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatalf("Do = %v, want no error", err)
	}
	defer resp.Body.Close()
	conn, ok := resp.Body.(io.ReadWriteCloser)
	if !ok || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("got status %d and a %T, want 101 and an io.ReadWriteCloser", resp.StatusCode, resp.Body)
	}
	io.WriteString(conn, "echo\n")
	if got, err := io.ReadAll(conn); err != nil || string(got) != "echo\n" {
		t.Errorf("echo: got %q, %v, want %q", got, err, "echo\n")
	}
	wantSpans(t, "a documented limit", tel, 0)
}

// Settings that change after the first request apply to the next one, as they do
// to a transport that is not instrumented.
func TestInstrumentDefaultFollowsSettings(t *testing.T) {
	plain, secure := plainServer(t), secureServer(t)
	failed := errors.New("dial failed")
	for _, row := range []struct {
		name   string
		change func(*http.Transport)
		url    string
		want   string // in the error; empty: none
	}{
		{"no change", func(*http.Transport) {}, secure.URL, ""},
		{"DialContext", func(d *http.Transport) {
			d.DialContext = func(context.Context, string, string) (net.Conn, error) { return nil, failed }
		}, plain.URL, failed.Error()},
		{"Proxy", func(d *http.Transport) {
			d.Proxy = func(*http.Request) (*url.URL, error) { return nil, failed }
		}, plain.URL, failed.Error()},
		{"another TLS configuration", func(d *http.Transport) { d.TLSClientConfig = &tls.Config{} }, secure.URL, "unknown authority"},
		{"no TLS configuration", func(d *http.Transport) { d.TLSClientConfig = nil }, secure.URL, "unknown authority"},
		{"the TLS configuration's fields", func(d *http.Transport) { d.TLSClientConfig.RootCAs = x509.NewCertPool() }, secure.URL, "unknown authority"},
	} {
		t.Run(row.name, func(t *testing.T) {
			bareAndInstrumented(t, func(t *testing.T) {
				transport := present(t)
				transport.TLSClientConfig = rootsOf(secure)
				oteltest.Fetch(t, t.Context(), http.DefaultClient, row.url)
				transport.CloseIdleConnections()
				row.change(transport)
				resp, err := http.Get(row.url)
				if err == nil {
					oteltest.Discard(resp)
				}
				if got := fmt.Sprint(err); row.want == "" && err != nil || !strings.Contains(got, row.want) {
					t.Errorf("Get after the change: got error %q, want %q in it", got, row.want)
				}
			})
		})
	}
}

// Some programs set the same configuration before each request. Connections
// are reused all the same, and speak HTTP/2.
func TestInstrumentDefaultKeepsConnections(t *testing.T) {
	secure := secureServer(t)
	bareAndInstrumented(t, func(t *testing.T) {
		var dials atomic.Int64
		present(t).DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			dials.Add(1)
			return new(net.Dialer).DialContext(ctx, network, address)
		}
		roots := rootsOf(secure).RootCAs
		for i := range 5 {
			present(t).TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: uint16(i)}
			resp := oteltest.Open(t, http.DefaultTransport, oteltest.NewRequest(t, t.Context(), http.MethodGet, secure.URL, nil))
			oteltest.Discard(resp)
			if resp.ProtoMajor != 2 {
				t.Errorf("request %d: got %s, want HTTP/2.0", i, resp.Proto)
			}
		}
		if got := dials.Load(); got != 1 {
			t.Errorf("connections: got %d, want 1", got)
		}
	})
}

// Since Go 1.27, golang.org/x/net/http2 registers its settings as a protocol,
// before or after the default is instrumented.
func TestInstrumentDefaultKeepsSettingsOfHTTP2(t *testing.T) {
	secure := secureServer(t)
	for _, late := range []bool{false, true} {
		asked := map[bool]bool{}
		for _, instrument := range []bool{false, true} {
			original, settings := freshDefault(t), new(settingsOfHTTP2)
			original.TLSClientConfig = rootsOf(secure)
			if !late {
				original.RegisterProtocol("http/2", settings)
			}
			if instrument {
				instrumentDefault(t, oteltest.New(t))
			}
			if late {
				present(t).RegisterProtocol("http/2", settings)
			}
			wantAnswer(t, "default", nil, secure.URL, fmt.Sprintf("HTTP/2.0, traced: %v", instrument))
			asked[instrument] = settings.asked.Load()
		}
		if asked[true] != asked[false] {
			t.Errorf("settings of HTTP/2, registered late: %v, used: got %v instrumented, want %v as bare", late, asked[true], asked[false])
		}
	}
}

// settingsOfHTTP2 implements what net/http wants for the protocol http/2.
type settingsOfHTTP2 struct {
	http.RoundTripper // unused
	asked             atomic.Bool
}

func (s *settingsOfHTTP2) HTTP2Config() http.HTTP2Config {
	s.asked.Store(true)
	return http.HTTP2Config{}
}
func (s *settingsOfHTTP2) DisableCompression() bool                 { return false }
func (s *settingsOfHTTP2) MaxHeaderListSize() int64                 { return 1 << 20 }
func (s *settingsOfHTTP2) IdleConnTimeout() time.Duration           { return 0 }
func (s *settingsOfHTTP2) ConnFromContext(context.Context) net.Conn { return nil }
func (s *settingsOfHTTP2) DialFromContext(context.Context, string, string) (net.Conn, error) {
	return nil, errors.ErrUnsupported
}
func (s *settingsOfHTTP2) ExternalRoundTrip() bool    { return false }
func (s *settingsOfHTTP2) Registered(*http.Transport) {}
