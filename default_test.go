package otelhttpclient_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/oteltest"
	"github.com/otelhttpclient/otelhttpclient/internal/oteltest/instrumented"
)

// Tests that replace http.DefaultTransport are not parallel.

// setDefault sets http.DefaultTransport until the test ends.
func setDefault(t *testing.T, rt http.RoundTripper) {
	t.Helper()
	before := http.DefaultTransport
	http.DefaultTransport = rt
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		http.DefaultTransport = before
	})
}

// freshDefault sets http.DefaultTransport to an unused transport with the
// settings of net/http's that matter here.
func freshDefault(t *testing.T) *http.Transport {
	t.Helper()
	fresh := &http.Transport{
		DialContext:       (&net.Dialer{}).DialContext,
		ForceAttemptHTTP2: true,
		MaxIdleConns:      100,
		IdleConnTimeout:   90 * time.Second,
	}
	setDefault(t, fresh)
	return fresh
}

// instrumentDefault instruments http.DefaultTransport until the test ends.
func instrumentDefault(t *testing.T, tel *oteltest.SDK) (uninstrument func()) {
	t.Helper()
	uninstrument, err := otelhttpclient.InstrumentDefault(instrumented.Options(tel)...)
	if err != nil {
		t.Fatalf("InstrumentDefault() = %v, want no error", err)
	}
	t.Cleanup(uninstrument)
	return uninstrument
}

// present returns http.DefaultTransport, which must be a *http.Transport.
func present(t *testing.T) *http.Transport {
	t.Helper()
	transport, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		t.Fatalf("http.DefaultTransport: got a %T, want a *http.Transport", http.DefaultTransport)
	}
	return transport
}

// answerProtocol answers with the protocol of the request, and whether it
// carried a trace.
func answerProtocol(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintf(w, "%s, traced: %v", r.Proto, r.Header.Get("Traceparent") != "")
}

func plainServer(t *testing.T) *oteltest.Server {
	t.Helper()
	return oteltest.NewServer(t, "1.1", answerProtocol)
}

func secureServer(t *testing.T) *oteltest.Server {
	t.Helper()
	return oteltest.NewServer(t, "2", answerProtocol)
}

// rootsOf returns a TLS configuration that accepts a server's certificate.
func rootsOf(server *oteltest.Server) *tls.Config {
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	return &tls.Config{RootCAs: roots}
}

func wantAnswer(t *testing.T, what string, rt http.RoundTripper, url, want string) {
	t.Helper()
	resp, err := (&http.Client{Transport: rt}).Get(url)
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

func wantSpans(t *testing.T, what string, tel *oteltest.SDK, want int) {
	t.Helper()
	if got := len(tel.Spans()); got != want {
		t.Errorf("%s: got %d spans, want %d", what, got, want)
	}
}

// bareAndInstrumented runs a test with a fresh default, and with one that is
// instrumented: results must be the same.
func bareAndInstrumented(t *testing.T, test func(t *testing.T)) {
	t.Run("bare", func(t *testing.T) {
		freshDefault(t)
		test(t)
	})
	t.Run("instrumented", func(t *testing.T) {
		freshDefault(t)
		instrumentDefault(t, oteltest.New(t))
		test(t)
	})
}

const (
	http1Traced   = "HTTP/1.1, traced: true"
	http1Untraced = "HTTP/1.1, traced: false"
	http2Traced   = "HTTP/2.0, traced: true"
	http2Untraced = "HTTP/2.0, traced: false"
)

// A process whose default transport is net/http's own and was never used.
func TestInstrumentDefault(t *testing.T) {
	t.Parallel()
	if !oteltest.OwnProcess(t) {
		return
	}
	plain, secure := plainServer(t), secureServer(t)
	tel := oteltest.New(t)
	original := http.DefaultTransport
	uninstrument := instrumentDefault(t, tel)
	front := present(t)

	early := front.Clone() // before the first request
	early.TLSClientConfig.InsecureSkipVerify = true
	front.TLSClientConfig.RootCAs = rootsOf(secure).RootCAs
	wantAnswer(t, "nil Transport", nil, plain.URL, http1Traced)
	wantAnswer(t, "nil Transport, TLS", nil, secure.URL, http2Traced)
	resp, err := http.Get(plain.URL)
	if err != nil {
		t.Fatalf("http.Get = %v, want no error", err)
	}
	resp.Body.Close()
	wantSpans(t, "three requests", tel, 3)

	late := front.Clone() // after it
	for what, clone := range map[string]*http.Transport{"early clone": early, "late clone": late} {
		wantAnswer(t, what, clone, plain.URL, http1Untraced)
		wantAnswer(t, what+", TLS", clone, secure.URL, http2Untraced)
		clone.CloseIdleConnections()
	}
	wantSpans(t, "requests through clones", tel, 3)

	again, err := otelhttpclient.InstrumentDefault(instrumented.Options(tel)...)
	if err == nil || again != nil {
		t.Errorf("InstrumentDefault() while instrumented: got %v, want an error and no function", err)
	} else if want := "the function that InstrumentDefault returned"; !strings.Contains(err.Error(), want) {
		t.Errorf("InstrumentDefault() while instrumented: got %q, want it to mention %q", err, want)
	}
	wantAnswer(t, "after the error", nil, plain.URL, http1Traced)

	for range 2 {
		uninstrument()
		if http.DefaultTransport != original {
			t.Fatalf("http.DefaultTransport after uninstrument: got %p, want the original, %p", http.DefaultTransport, original)
		}
		wantAnswer(t, "uninstrumented", nil, plain.URL, http1Untraced)
		wantAnswer(t, "front, uninstrumented", front, secure.URL, http2Untraced)
	}

	second := instrumentDefault(t, tel)
	uninstrument() // the first one's
	wantAnswer(t, "instrumented again", nil, plain.URL, http1Traced)
	second()
	wantAnswer(t, "uninstrumented again", nil, plain.URL, http1Untraced)
	wantSpans(t, "all in all", tel, 5)
}

func TestInstrumentDefaultAtAnyTime(t *testing.T) {
	plain, secure := plainServer(t), secureServer(t)
	for _, row := range []struct {
		name   string
		before func(*http.Transport)
	}{
		{"unused", func(*http.Transport) {}},
		{"cloned", func(d *http.Transport) { d.Clone() }},
		{"used for HTTP/1.1", func(d *http.Transport) { wantAnswer(t, "before", nil, plain.URL, http1Untraced) }},
		{"used for HTTP/2", func(d *http.Transport) { wantAnswer(t, "before", nil, secure.URL, http2Untraced) }},
		// Clone copies this field, but it does not take effect in the clone.
		{"implicit HTTP/2", func(d *http.Transport) { *d = http.Transport{} }},
		{"implicit HTTP/2, used", func(d *http.Transport) {
			*d = http.Transport{}
			wantAnswer(t, "before", nil, plain.URL, http1Untraced)
			d.TLSClientConfig.RootCAs = rootsOf(secure).RootCAs
			wantAnswer(t, "before", nil, secure.URL, http2Untraced)
		}},
		{"used, and configuration removed", func(d *http.Transport) {
			wantAnswer(t, "before", nil, secure.URL, http2Untraced)
			d.TLSClientConfig = nil
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			original := freshDefault(t)
			original.TLSClientConfig = rootsOf(secure)
			row.before(original)
			tel := oteltest.New(t)
			uninstrument := instrumentDefault(t, tel)
			front := present(t)
			if front.TLSClientConfig == nil {
				front.TLSClientConfig = rootsOf(secure)
			}
			front.TLSClientConfig.RootCAs = rootsOf(secure).RootCAs
			wantAnswer(t, "instrumented", nil, plain.URL, http1Traced)
			wantAnswer(t, "instrumented, TLS", nil, secure.URL, http2Traced)
			wantSpans(t, "two requests", tel, 2)

			clone := front.Clone()
			clone.TLSClientConfig.RootCAs = nil
			clone.TLSClientConfig.InsecureSkipVerify = true
			wantAnswer(t, "clone", clone, plain.URL, http1Untraced)
			wantAnswer(t, "clone, TLS", clone, secure.URL, http2Untraced)
			clone.CloseIdleConnections()
			wantSpans(t, "requests through a clone", tel, 2)

			uninstrument()
			wantAnswer(t, "uninstrumented", nil, plain.URL, http1Untraced)
		})
	}
}

// Both are documented ways to switch HTTP/2 off.
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

func TestInstrumentDefaultReplacedTLSConfiguration(t *testing.T) {
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

func TestInstrumentDefaultSettingsAtFirstRequest(t *testing.T) {
	plain := plainServer(t)
	freshDefault(t)
	instrumentDefault(t, oteltest.New(t))
	http.DefaultClient.CloseIdleConnections() // is no request
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

func TestInstrumentDefaultRefusesForeignRoutes(t *testing.T) {
	own := oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader("own " + req.URL.Scheme))}, nil
	})
	for scheme, rt := range map[string]http.RoundTripper{"http": own, "https": own} {
		t.Run(scheme, func(t *testing.T) {
			original := freshDefault(t)
			original.RegisterProtocol(scheme, rt)
			uninstrument, err := otelhttpclient.InstrumentDefault()
			if err == nil || uninstrument != nil {
				t.Fatalf("InstrumentDefault(): got %v, want an error and no function", err)
			}
			for _, want := range []string{"oteltest.RoundTripFunc", "for " + scheme + ",", "InstrumentClient"} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("InstrumentDefault(): got %q, want it to mention %q", err, want)
				}
			}
			if http.DefaultTransport != original {
				t.Error("InstrumentDefault() returned an error and replaced http.DefaultTransport")
			}
			if original.TLSClientConfig != nil {
				t.Error("InstrumentDefault() returned an error and changed TLSClientConfig")
			}
			wantAnswer(t, "after the error", nil, scheme+"://host/", "own "+scheme)
		})
	}
	// A transport of net/http is a foreign one, too.
	freshDefault(t).RegisterProtocol("http", &http.Transport{})
	if _, err := otelhttpclient.InstrumentDefault(); err == nil {
		t.Error("InstrumentDefault() with a *http.Transport for http: got no error, want one")
	}
}

func TestInstrumentDefaultOfAnotherTypeIsAnError(t *testing.T) {
	for _, row := range []struct {
		other http.RoundTripper
		want  string
	}{
		{oteltest.RoundTripFunc(nil), "is a oteltest.RoundTripFunc"},
		{otelhttpclient.NewTransport(nil), "is a *otelhttpclient.Transport"},
		{nil, "is a <nil>"},
		{(*http.Transport)(nil), "is a nil *http.Transport"},
	} {
		t.Run(row.want, func(t *testing.T) {
			setDefault(t, nil)
			http.DefaultTransport = row.other
			defer func() { http.DefaultTransport = http.NewFileTransport(http.Dir(".")) }() // for the clean-up
			uninstrument, err := otelhttpclient.InstrumentDefault()
			if err == nil || uninstrument != nil {
				t.Fatalf("InstrumentDefault(): got %v, want an error and no function", err)
			}
			for _, want := range []string{row.want, "NewTransport"} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("InstrumentDefault(): got %q, want it to mention %q", err, want)
				}
			}
			if got, want := fmt.Sprintf("%T", http.DefaultTransport), fmt.Sprintf("%T", row.other); got != want {
				t.Errorf("http.DefaultTransport after the error: got a %s, want a %s", got, want)
			}
		})
	}
}

func TestInstrumentDefaultThatIsReplaced(t *testing.T) {
	plain := plainServer(t)
	original := freshDefault(t)
	tel := oteltest.New(t)
	first := instrumentDefault(t, tel)
	front := present(t)

	replacement := original.Clone()
	http.DefaultTransport = replacement
	second := instrumentDefault(t, tel)
	wantAnswer(t, "replacement", nil, plain.URL, http1Traced)
	wantAnswer(t, "front", front, plain.URL, http1Traced)
	first()
	wantAnswer(t, "replacement, first uninstrumented", nil, plain.URL, http1Traced)
	wantAnswer(t, "front, uninstrumented", front, plain.URL, http1Untraced)
	second()
	if http.DefaultTransport != replacement {
		t.Errorf("http.DefaultTransport: got %p, want the replacement, %p", http.DefaultTransport, replacement)
	}
	replacement.CloseIdleConnections()

	// A front that is uninstrumented is a transport like any other.
	http.DefaultTransport = front
	first() // its second call
	if http.DefaultTransport != front {
		t.Fatalf("http.DefaultTransport after a second call: got %p, want %p still", http.DefaultTransport, front)
	}
	third := instrumentDefault(t, tel)
	wantAnswer(t, "front, instrumented again", nil, plain.URL, http1Traced)
	third()
	if http.DefaultTransport != front {
		t.Errorf("http.DefaultTransport: got %p, want the first front, %p", http.DefaultTransport, front)
	}
	wantAnswer(t, "front, uninstrumented again", nil, plain.URL, http1Untraced)
	wantSpans(t, "all in all", tel, 4)
	front.CloseIdleConnections()
}

func TestInstrumentDefaultUnderATransport(t *testing.T) {
	plain, secure := plainServer(t), secureServer(t)
	freshDefault(t).TLSClientConfig = rootsOf(secure)
	tel := oteltest.New(t)
	instrumentDefault(t, tel)
	for i, url := range []string{plain.URL, secure.URL} {
		client := &http.Client{Transport: instrumented.Transport(tel, nil)}
		oteltest.Fetch(t, t.Context(), client, url)
		resp, err := client.Post(url, "text/plain", strings.NewReader("body"))
		if err != nil {
			t.Fatalf("Post = %v, want no error", err)
		}
		oteltest.Discard(resp)
		wantSpans(t, "one for each request", tel, 2*(i+1))
	}
}

// wireConn counts how a transport writes to a connection.
type wireConn struct {
	net.Conn
	writes, readFroms *atomic.Int64
}

func (c wireConn) Write(p []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(p)
}

func (c wireConn) ReadFrom(r io.Reader) (int64, error) {
	c.readFroms.Add(1)
	if l, ok := r.(*io.LimitedReader); ok {
		r = l.R
	}
	if _, ok := r.(*os.File); !ok {
		return 0, fmt.Errorf("ReadFrom got a %T, want an *os.File", r)
	}
	return io.Copy(c.Conn, r)
}

func TestInstrumentDefaultSendsBodiesAsBefore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "upload")
	content := strings.Repeat("0123456789abcdef", 1<<12)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name              string
		body              func(t *testing.T) io.Reader
		want              string
		writes, readFroms int64
	}{
		{"small and in memory: one segment", func(*testing.T) io.Reader { return strings.NewReader("small") }, "small", 1, 0},
		{"file: sendfile", func(t *testing.T) io.Reader {
			f, err := os.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			return f
		}, content, 1, 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			server := oteltest.NewServer(t, "1.1", func(w http.ResponseWriter, r *http.Request) {
				if got, err := io.ReadAll(r.Body); err != nil || string(got) != row.want {
					t.Errorf("server got %d bytes, %v, want %d", len(got), err, len(row.want))
				}
			})
			bareAndInstrumented(t, func(t *testing.T) {
				var writes, readFroms atomic.Int64
				present(t).DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
					c, err := new(net.Dialer).DialContext(ctx, network, address)
					return wireConn{c, &writes, &readFroms}, err
				}
				req := oteltest.NewRequest(t, t.Context(), http.MethodPost, server.URL, row.body(t))
				req.ContentLength = int64(len(row.want))
				resp, err := http.DefaultClient.Do(req)
				if err != nil {
					t.Fatalf("Do = %v, want no error", err)
				}
				resp.Body.Close()
				if got := writes.Load(); got != row.writes {
					t.Errorf("calls of Write: got %d, want %d", got, row.writes)
				}
				if got := readFroms.Load(); got != row.readFroms {
					t.Errorf("calls of ReadFrom: got %d, want %d", got, row.readFroms)
				}
			})
		})
	}
}

// countedBody counts how often it is closed.
type countedBody struct {
	io.Reader
	closes *atomic.Int64
}

func (b countedBody) Close() error {
	b.closes.Add(1)
	return nil
}

func TestInstrumentDefaultClosesBodiesAsBefore(t *testing.T) {
	server := oteltest.NewServer(t, "1.1", oteltest.Handler(http.StatusOK, "fine"))
	bareAndInstrumented(t, func(t *testing.T) {
		for _, row := range []struct{ name, url, header string }{
			{"answered", server.URL, "ok"},
			{"connection refused", "http://127.0.0.1:1/", "ok"},
			{"invalid header", server.URL, "no\n"},
			{"no host", "http:///", "ok"},
		} {
			var closes atomic.Int64
			req := oteltest.NewRequest(t, t.Context(), http.MethodPost, row.url, countedBody{strings.NewReader("body"), &closes})
			req.Header.Set("X-Test", row.header)
			resp, err := http.DefaultTransport.RoundTrip(req)
			if err == nil {
				oteltest.Discard(resp)
			}
			if (err == nil) != (row.name == "answered") {
				t.Errorf("%s: got error %v", row.name, err)
			}
			if got := closes.Load(); got != 1 {
				t.Errorf("%s: body closed %d times, want once", row.name, got)
			}
		}
	})
}

// The server closes the second connection's first request: net/http sends the
// body again, from GetBody.
func TestInstrumentDefaultRewindsBodies(t *testing.T) {
	bareAndInstrumented(t, func(t *testing.T) {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		var bodies []string
		served := make(chan struct{})
		go func() {
			defer close(served)
			for answers := 1; answers >= 0; answers-- { // on the first connection: one and a hang-up
				conn, err := listener.Accept()
				if err != nil {
					return
				}
				r := bufio.NewReader(conn)
				for i := 0; i < 2; i++ {
					req, err := http.ReadRequest(r)
					if err != nil {
						break
					}
					body, _ := io.ReadAll(req.Body)
					bodies = append(bodies, string(body))
					if answers == 1 && i == 1 {
						break
					}
					io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
					if answers == 0 {
						break
					}
				}
				conn.Close()
			}
		}()
		for _, text := range []string{"first", "second"} {
			req := oteltest.NewRequest(t, t.Context(), http.MethodPut, "http://"+listener.Addr().String(), strings.NewReader(text))
			req.Header.Set("Idempotency-Key", text)
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatalf("Do(%s) = %v, want no error", text, err)
			}
			resp.Body.Close()
		}
		<-served
		if got, want := strings.Join(bodies, " "), "first second second"; got != want {
			t.Errorf("bodies: got %q, want %q", got, want)
		}
	})
}

func TestInstrumentDefaultResponseRequest(t *testing.T) {
	plain, secure := plainServer(t), secureServer(t)
	freshDefault(t).TLSClientConfig = rootsOf(secure)
	uninstrument := instrumentDefault(t, oteltest.New(t))
	front := present(t)
	for _, state := range []string{"instrumented", "uninstrumented"} {
		for _, url := range []string{plain.URL, secure.URL} {
			for _, body := range []io.ReadCloser{nil, http.NoBody, io.NopCloser(strings.NewReader("body"))} {
				req := oteltest.NewRequest(t, t.Context(), http.MethodPost, url, body)
				req.Body = body
				resp := oteltest.Open(t, front, req)
				oteltest.Discard(resp)
				if body == nil || body == http.NoBody {
					if resp.Request != req {
						t.Errorf("%s: Response.Request without a body is not the caller's request", state)
					}
				} else if got := resp.Request; got.Body != body && state == "instrumented" || got.URL != req.URL || got.Context() != req.Context() || got.Header.Get("Traceparent") != "" {
					t.Errorf("%s: Response.Request with a body: got %v, want a copy of the caller's, %v", state, got, req)
				}
			}
		}
		uninstrument()
	}
	front.CloseIdleConnections()
}

func TestInstrumentDefaultRequestsUnderWayKeepTheirSpans(t *testing.T) {
	arrived, answer := make(chan struct{}), make(chan struct{})
	server := oteltest.NewServer(t, "1.1", func(http.ResponseWriter, *http.Request) {
		arrived <- struct{}{}
		<-answer
	})
	freshDefault(t)
	tel := oteltest.New(t)
	uninstrument := instrumentDefault(t, tel)
	var wg sync.WaitGroup
	wg.Go(func() { oteltest.Fetch(t, t.Context(), http.DefaultClient, server.URL+"/traced") })
	<-arrived
	uninstrument()
	wg.Go(func() { oteltest.Fetch(t, t.Context(), http.DefaultClient, server.URL+"/untraced") })
	<-arrived
	close(answer)
	wg.Wait()
	if got, want := oteltest.Attributes(tel.OnlySpan().Attributes)["url.full"].AsString(), server.URL+"/traced"; got != want {
		t.Errorf("url.full: got %q, want %q", got, want)
	}
}

// Requests through the transport that InstrumentDefault made may start while
// others uninstrument it.
func TestInstrumentDefaultConcurrently(t *testing.T) {
	secure := secureServer(t)
	original := freshDefault(t)
	original.TLSClientConfig = rootsOf(secure)
	tel := oteltest.New(t)
	const callers = 8
	var successes atomic.Int64
	var uninstrument func()
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			if u, err := otelhttpclient.InstrumentDefault(instrumented.Options(tel)...); err == nil {
				successes.Add(1)
				uninstrument = u
			}
		})
	}
	wg.Wait()
	if got := successes.Load(); got != 1 {
		t.Fatalf("successful calls of InstrumentDefault: got %d, want 1", got)
	}
	client := &http.Client{Transport: present(t)}
	started := make(chan struct{}, callers)
	for range callers {
		wg.Go(func() {
			for range 10 {
				select {
				case started <- struct{}{}:
				default:
				}
				oteltest.Fetch(t, t.Context(), client, secure.URL)
			}
		})
		wg.Go(func() {
			<-started
			uninstrument()
		})
	}
	wg.Wait()
	client.CloseIdleConnections()
	if http.DefaultTransport != original {
		t.Error("http.DefaultTransport after uninstrument: got another, want the original")
	}
	before := len(tel.Spans())
	oteltest.Fetch(t, t.Context(), client, secure.URL)
	wantSpans(t, "after uninstrument", tel, before)
	client.CloseIdleConnections()
}

// More than one default can be instrumented where a program replaces it.
func TestUninstrumentDefaultConcurrently(t *testing.T) {
	setDefault(t, nil)
	var original http.RoundTripper
	var wg sync.WaitGroup
	var uninstruments []func()
	for range 8 {
		original = &http.Transport{}
		http.DefaultTransport = original
		uninstruments = append(uninstruments, instrumentDefault(t, oteltest.New(t)))
	}
	for _, uninstrument := range uninstruments {
		wg.Go(uninstrument)
	}
	wg.Wait()
	if http.DefaultTransport != original {
		t.Error("http.DefaultTransport after uninstrument: got another, want the last original")
	}
}

func TestInstrumentDefaultClosesIdleConnections(t *testing.T) {
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

func TestInstrumentDefaultWebSocketUpgrade(t *testing.T) {
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

func TestInstrumentDefaultUnderHTTP2ClientOff(t *testing.T) {
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

func TestInstrumentDefaultErrorsAreNetHTTPs(t *testing.T) {
	failed := errors.New("dial failed")
	bareAndInstrumented(t, func(t *testing.T) {
		present(t).DialContext = func(context.Context, string, string) (net.Conn, error) { return nil, failed }
		req := oteltest.NewRequest(t, t.Context(), http.MethodGet, "http://127.0.0.1/", nil)
		if _, err := http.DefaultTransport.RoundTrip(req); err != failed {
			t.Errorf("RoundTrip: got error %v, want DialContext's", err)
		}
	})
}

// TestDefaultThatWrapsItself sets http.DefaultTransport to a wrapper around a
// Transport with a nil base. That base is http.DefaultTransport itself.
func TestDefaultThatWrapsItself(t *testing.T) {
	server := oteltest.NewServer(t, "1.1", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Header.Get("Traceparent"))
	})
	original := http.DefaultTransport
	defer func() { http.DefaultTransport = original }()

	tel := oteltest.New(t)
	for name, options := range map[string][]otelhttpclient.Option{"with an SDK": instrumented.Options(tel), "without": nil} {
		inner := otelhttpclient.NewTransport(nil, options...)
		http.DefaultTransport = oteltest.RoundTripFunc(inner.RoundTrip)

		req := oteltest.NewRequest(t, context.Background(), http.MethodGet, server.URL, nil)
		resp := oteltest.Open(t, http.DefaultTransport, req)
		if resp.Request != req {
			t.Errorf("%s: the response names another request than the caller's", name)
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
	}
	if got := len(tel.Spans()); got != 1 {
		t.Errorf("got %d spans, want 1", got)
	}
}
