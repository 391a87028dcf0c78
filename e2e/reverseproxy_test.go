package e2e

import (
	"bufio"
	"context"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"testing"

	"github.com/coder/websocket"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// newProxy serves a reverse proxy to backend on loopback. It is traced on both sides: it continues the
// caller's trace, and its own requests are recorded in rec.
func newProxy(t *testing.T, rec *recorder, backend string) *httptest.Server {
	t.Helper()
	target, err := url.Parse(backend)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport: rec.transport(newBase(t)),
	}
	srv := httptest.NewServer(otelhttp.NewHandler(proxy, "proxy",
		otelhttp.WithTracerProvider(rec), otelhttp.WithPropagators(w3c)))
	closeLater(t, srv)
	return srv
}

// byKind returns the spans of one kind.
func byKind(spans []sdktrace.ReadOnlySpan, kind trace.SpanKind) []sdktrace.ReadOnlySpan {
	var out []sdktrace.ReadOnlySpan
	for _, s := range spans {
		if s.SpanKind() == kind {
			out = append(out, s)
		}
	}
	return out
}

// TestReverseProxy: the Transport does not change the headers, trailers, body and streaming of a proxy, and
// the backend is called under the proxy's CLIENT span.
func TestReverseProxy(t *testing.T) {
	t.Parallel()
	// more releases the backend's second half, after the first has passed through the proxy.
	more := make(chan struct{})
	seen := make(chan http.Header, 1)
	backend := httptestServer(t, func(w http.ResponseWriter, r *http.Request) {
		seen <- r.Header.Clone()
		w.Header().Set("Trailer", "Checksum")
		w.Header().Set("Content-Type", "text/event-stream")
		w.Header().Set("X-Backend", "yes")
		w.WriteHeader(http.StatusAccepted)
		io.WriteString(w, "first half\n")
		w.(http.Flusher).Flush()
		select {
		case <-more:
		case <-r.Context().Done():
			return
		}
		io.WriteString(w, "second half\n")
		w.Header().Set("Checksum", "42")
	})
	outside, inside := newRecorder(t), newRecorder(t)
	proxy := newProxy(t, inside, backend.URL)

	client := &http.Client{Transport: outside.transport(newBase(t)), Timeout: patience}
	resp, err := client.Get(proxy.URL + "/stream?x=1")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusAccepted || resp.Header.Get("X-Backend") != "yes" {
		t.Errorf("status %d, X-Backend %q; want 202, yes", resp.StatusCode, resp.Header.Get("X-Backend"))
	}
	body := bufio.NewReader(resp.Body)
	if line, err := body.ReadString('\n'); err != nil || line != "first half\n" {
		t.Fatalf("first half: %q, %v; want %q before the second half is written", line, err, "first half\n")
	}
	inside.checkOpen(t, "during the body", 2) // the SERVER span and the CLIENT span
	close(more)
	if rest, err := io.ReadAll(body); err != nil || string(rest) != "second half\n" {
		t.Errorf("second half: %q, %v; want %q", rest, err, "second half\n")
	}
	if got := resp.Trailer.Get("Checksum"); got != "42" {
		t.Errorf("trailer Checksum = %q, want 42", got)
	}

	first := outside.wait(t, 1)[0]
	spans := inside.wait(t, 2)
	server, out := byKind(spans, trace.SpanKindServer), byKind(spans, trace.SpanKindClient)
	if len(server) != 1 || len(out) != 1 {
		t.Fatalf("spans of the proxy:%s\nwant one SERVER and one CLIENT", list(spans))
	}
	if server[0].Parent().SpanID() != first.SpanContext().SpanID() || out[0].Parent().SpanID() != server[0].SpanContext().SpanID() {
		t.Errorf("parents %s and %s, want %s (the caller) and %s (the proxy's SERVER span)",
			server[0].Parent().SpanID(), out[0].Parent().SpanID(), first.SpanContext().SpanID(), server[0].SpanContext().SpanID())
	}
	if got, want := attributeOf(out[0], semconv.URLFullKey), backend.URL+"/stream?x=1"; got != want {
		t.Errorf("url.full = %v, want the backend's %v", got, want)
	}
	// The proxy forwards the caller's header; the Transport replaces it.
	got := trace.SpanContextFromContext(w3c.Extract(context.Background(), propagation.HeaderCarrier(<-seen)))
	if got.SpanID() != out[0].SpanContext().SpanID() || got.TraceID() != first.SpanContext().TraceID() {
		t.Errorf("at the backend: trace %s, parent %s; want %s, %s",
			got.TraceID(), got.SpanID(), first.SpanContext().TraceID(), out[0].SpanContext().SpanID())
	}
}

// TestReverseProxyUpgrade: a WebSocket works in both directions through a traced client and a traced proxy.
func TestReverseProxyUpgrade(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	backend := httptestServer(t, echo)
	outside, inside := newRecorder(t), newRecorder(t)
	proxy := newProxy(t, inside, backend.URL)

	client := &http.Client{Transport: outside.transport(newBase(t))}
	conn, _, err := websocket.Dial(ctx, proxy.URL+"/live", &websocket.DialOptions{HTTPClient: client})
	if err != nil {
		t.Fatalf("dial through the proxy: %v, want a connection", err)
	}
	defer conn.CloseNow()
	converse(t, ctx, conn)
	inside.checkOpen(t, "while the connection is open", 2) // the SERVER span and the CLIENT span
	if err := conn.Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Errorf("close: %v, want no error", err)
	}

	first := outside.wait(t, 1)[0]
	out := byKind(inside.wait(t, 2), trace.SpanKindClient)
	if len(out) != 1 {
		t.Fatalf("CLIENT spans of the proxy:%s\nwant one", list(out))
	}
	for _, s := range []sdktrace.ReadOnlySpan{first, out[0]} {
		if got := attributeOf(s, semconv.HTTPResponseStatusCodeKey); got != int64(101) {
			t.Errorf("%s: http.response.status_code = %v, want 101", attributeOf(s, semconv.URLFullKey), got)
		}
		if s.Status().Code != codes.Unset {
			t.Errorf("%s: status %v, want Unset: the connection was closed normally", attributeOf(s, semconv.URLFullKey), s.Status())
		}
		if s.SpanContext().TraceID() != first.SpanContext().TraceID() {
			t.Errorf("%s: trace %s, want %s", attributeOf(s, semconv.URLFullKey), s.SpanContext().TraceID(), first.SpanContext().TraceID())
		}
	}
}

// TestReverseProxyCanceled: if the caller disconnects during the body, the proxy's span ends without an
// error.
func TestReverseProxyCanceled(t *testing.T) {
	t.Parallel()
	backend := httptestServer(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, "first\n")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	rec := newRecorder(t)
	target, err := url.Parse(backend.URL)
	if err != nil {
		t.Fatal(err)
	}
	// No server instrumentation: the proxy's panic with ErrAbortHandler is not under test.
	proxy := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport: rec.transport(newBase(t)),
		ErrorLog:  log.New(io.Discard, "", 0),
	})
	closeLater(t, proxy)

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, proxy.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := (&http.Client{Transport: newBase(t)}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if line, err := bufio.NewReader(resp.Body).ReadString('\n'); err != nil || line != "first\n" {
		t.Fatalf("first line: %q, %v; want %q", line, err, "first\n")
	}
	rec.checkOpen(t, "during the body", 1)
	cancel()

	s := rec.wait(t, 1)[0]
	if s.Status().Code != codes.Unset || attributeOf(s, semconv.ErrorTypeKey) != nil {
		t.Errorf("status %v, error.type %v; want neither: the caller's context was canceled",
			s.Status(), attributeOf(s, semconv.ErrorTypeKey))
	}
}
