package defaultclient

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/instrumented"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

// Tests that replace http.DefaultTransport are not parallel.

// freshDefault sets http.DefaultTransport to an unused transport with those
// settings of net/http's that matter here.
func freshDefault(t *testing.T) *http.Transport {
	t.Helper()
	fresh := &http.Transport{
		DialContext:       (&net.Dialer{}).DialContext,
		ForceAttemptHTTP2: true,
		MaxIdleConns:      100,
		IdleConnTimeout:   90 * time.Second,
	}
	oteltest.SetDefault(t, fresh)
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

// answerProtocol answers with the protocol of the request and with whether it
// carries a trace.
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

const (
	http1Traced   = "HTTP/1.1, traced: true"
	http1Untraced = "HTTP/1.1, traced: false"
	http2Traced   = "HTTP/2.0, traced: true"
	http2Untraced = "HTTP/2.0, traced: false"
)

// The process has an unused default transport of net/http's.
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
	} else if want := "the function returned by InstrumentDefault"; !strings.Contains(err.Error(), want) {
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

func TestInstrumentDefaultForeignRoutes(t *testing.T) {
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
	// A transport of net/http is foreign, too.
	freshDefault(t).RegisterProtocol("http", &http.Transport{})
	if _, err := otelhttpclient.InstrumentDefault(); err == nil {
		t.Error("InstrumentDefault() with a *http.Transport for http: got no error, want one")
	}
}

func TestInstrumentDefaultOfWrongType(t *testing.T) {
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
			oteltest.SetDefault(t, nil)
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

func TestInstrumentDefaultReplaced(t *testing.T) {
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

	// An uninstrumented front is a transport like any other.
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

func TestInstrumentDefaultUnderTransport(t *testing.T) {
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

// TestDefaultWrapsItself sets http.DefaultTransport to a wrapper around a
// Transport with a nil base. That base is http.DefaultTransport itself.
func TestDefaultWrapsItself(t *testing.T) {
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
