package e2e

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelhttpclient/otelhttpclient"
)

// clientTest runs the code of a client's user twice, with and without the Transport, each time against a
// server of its own. The results, the errors and the requests at the server must be the same.
type clientTest struct {
	name string
	// serve returns the server's handler. It is called for each run, so it may count requests.
	serve func() http.HandlerFunc
	// start starts a server that is not an ordinary one; nil means HTTP/1.1 on loopback.
	start func(t *testing.T, h http.Handler) *httptest.Server
	// use is the user's code. It logs what the user gets with saw.
	use func(r *clientRun)
	// opts are the Transport's.
	opts []otelhttpclient.Option
	// want is what the user gets.
	want []string
	// wantSpans has "METHOD url status", then the protocol if it is not HTTP/1.1, error.type and resend_count.
	wantSpans []string
	// wantUntraced is the number of requests that the client sends past its configured transport.
	wantUntraced int
	// wantUnsent is the number of spans whose request is answered before it reaches the server.
	wantUnsent int
	// secrets may be in no span.
	secrets []string
}

// clientRun is one run of a clientTest.
type clientRun struct {
	t   *testing.T
	ctx context.Context
	// srv is the server, and url its URL.
	srv *httptest.Server
	url string
	// rec is nil in the run without the Transport.
	rec  *recorder
	opts []otelhttpclient.Option

	handlers  sync.WaitGroup
	mu        sync.Mutex
	onReceive func()
	log       []string
	received  []string
	parents   []string
}

// wrap returns base with the Transport around it, or base itself.
func (r *clientRun) wrap(base http.RoundTripper) http.RoundTripper {
	if r.rec == nil {
		return base
	}
	return r.rec.transport(base, r.opts...)
}

// transport is what most users configure their client with.
func (r *clientRun) transport() http.RoundTripper {
	base := newBase(r.t)
	if r.srv.TLS != nil {
		base.TLSClientConfig = &tls.Config{RootCAs: r.srv.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs}
	}
	return r.wrap(base)
}

// httpClient returns a client with transport.
func (r *clientRun) httpClient() *http.Client {
	return &http.Client{Transport: r.transport(), Timeout: patience}
}

// whenReceived calls f for each request that arrives at the server from now on.
func (r *clientRun) whenReceived(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.onReceive = f
}

// saw logs a result of the client.
func (r *clientRun) saw(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.log = append(r.log, r.stable(fmt.Sprintf(format, args...)))
}

// result logs what a call returned.
func (r *clientRun) result(s string, err error) {
	if err != nil {
		r.failed(err)
		return
	}
	r.saw("%s", s)
}

// failed logs an error with the types that it consists of, which users reach with errors.As.
func (r *clientRun) failed(err error) {
	var types []string
	for e := err; e != nil; e = errors.Unwrap(e) {
		types = append(types, fmt.Sprintf("%T", e))
	}
	var netErr net.Error
	timeout := errors.As(err, &netErr) && netErr.Timeout()
	r.saw("error %v: timeout %t, types %s", err, timeout, strings.Join(types, " "))
}

var (
	localPort = regexp.MustCompile(`127\.0\.0\.1:\d+`)
	boundary  = regexp.MustCompile(`boundary="?([^\s";]+)`)
	// volatile are the headers whose values are different in each run.
	volatile = regexp.MustCompile(`(?i)^(authorization|x-amz-date|amz-sdk-invocation-id|x-ms-client-request-id|` +
		`sec-websocket-key|x-goog-gcs-idempotency-token|x-goog-api-client|x-amz-user-agent)$`)
	// signed is what differs in presigned URLs.
	signed = regexp.MustCompile(`X-Amz-(Date=|Credential=|Signature=)[0-9A-Za-z%-]{16,}`)
	// seconds hides the times in rate limits.
	seconds = regexp.MustCompile(`\b(\d+h)?(\d+m)?\d+(\.\d+)?(ms|µs|s)\b`)
)

// stable removes what differs between two runs from s.
func (r *clientRun) stable(s string) string {
	s = strings.ReplaceAll(s, r.url, "URL")
	if a := r.srv.Listener.Addr(); a.Network() == "unix" {
		s = strings.NewReplacer(a.String(), "SOCKET", url.PathEscape(a.String()), "SOCKET").Replace(s)
	}
	s = signed.ReplaceAllString(s, "X-Amz-$1…")
	return seconds.ReplaceAllString(localPort.ReplaceAllString(s, "ADDRESS"), "SECONDS")
}

// receive keeps the requests that arrive at h.
func (r *clientRun) receive(h http.Handler) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		r.handlers.Add(1)
		defer r.handlers.Done()
		var head []string
		for name, values := range req.Header {
			switch {
			case name == "Traceparent":
				continue
			case volatile.MatchString(name):
				values = []string{"…"}
			}
			head = append(head, fmt.Sprintf("%s=%q", name, values))
		}
		slices.Sort(head)
		line := fmt.Sprintf("%s %s %s length %d %v", req.Proto, req.Method, req.RequestURI, req.ContentLength, head)
		r.mu.Lock()
		n := len(r.received)
		r.received = append(r.received, line)
		r.parents = append(r.parents, req.Header.Get("Traceparent"))
		r.mu.Unlock()

		if r.onReceive != nil {
			r.onReceive()
		}

		var body bytes.Buffer
		if req.Body != http.NoBody {
			req.Body = struct {
				io.Reader
				io.Closer
			}{io.TeeReader(req.Body, &body), req.Body}
		}
		defer func() { // also for a handler that panics to abort
			text := fmt.Sprintf("%q", body.Bytes())
			if body.Len() > 10_000 {
				text = fmt.Sprintf("of %d bytes with hash %x", body.Len(), sha256.Sum256(body.Bytes()))
			}
			line := fmt.Sprintf("%s body %s trailer %q", line, text, req.Trailer)
			if m := boundary.FindStringSubmatch(line); m != nil {
				line = strings.ReplaceAll(line, m[1], "BOUNDARY")
			}
			r.mu.Lock()
			r.received[n] = r.stable(line)
			r.mu.Unlock()
		}()
		h.ServeHTTP(w, req)
	}
}

// failFirst answers the first n requests with fail, the others with answer.
func failFirst(n int, fail, answer http.HandlerFunc) func() http.HandlerFunc {
	return func() http.HandlerFunc {
		var requests atomic.Int64
		return func(w http.ResponseWriter, req *http.Request) {
			io.Copy(io.Discard, req.Body)
			if requests.Add(1) <= int64(n) {
				fail(w, req)
				return
			}
			answer(w, req)
		}
	}
}

// unavailable asks for a retry.
func unavailable(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Retry-After", "0")
	w.WriteHeader(http.StatusServiceUnavailable)
	io.WriteString(w, "<Error><Code>SlowDown</Code></Error>")
}

// reset makes a handler end the connection with a TCP reset.
func reset(w http.ResponseWriter, _ *http.Request) {
	if conn, _, err := w.(http.Hijacker).Hijack(); err == nil {
		conn.(*net.TCPConn).SetLinger(0)
		conn.Close()
	}
}

func startTLS(t *testing.T, h http.Handler) *httptest.Server {
	srv := httptest.NewUnstartedServer(h)
	srv.EnableHTTP2 = true
	srv.StartTLS()
	closeLater(t, srv)
	return srv
}

func (c *clientTest) run(t *testing.T, rec *recorder) *clientRun {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	r := &clientRun{t: t, rec: rec, opts: c.opts, ctx: trace.ContextWithSpanContext(ctx, callerSpan)}
	h := r.receive(c.serve())
	if c.start != nil {
		r.srv = c.start(t, h)
	} else {
		r.srv = httptestServer(t, h)
	}
	r.url = r.srv.URL
	c.use(r)
	r.srv.CloseClientConnections()
	r.srv.Close()
	r.handlers.Wait() // Close does not wait for hijacked connections
	return r
}

func runClientTests(t *testing.T, tests []clientTest) {
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bare := tt.run(t, nil)
			checkLines(t, "results without the Transport", bare.log, tt.want)
			rec := newRecorder(t)
			traced := tt.run(t, rec)
			checkLines(t, "results", traced.log, bare.log)
			checkLines(t, "requests at the server", traced.received, bare.received)
			for _, p := range bare.parents {
				if p != "" {
					t.Errorf("without the Transport: traceparent %q, want none", p)
				}
			}

			spans := rec.wait(t, len(tt.wantSpans))
			rec.checkOpen(t, "at the end", 0)
			slices.SortStableFunc(spans, func(a, b sdktrace.ReadOnlySpan) int { return a.StartTime().Compare(b.StartTime()) })
			checkLines(t, "spans", spanLines(traced, spans), tt.wantSpans)
			checkSpans(t, spans, traced.parents, tt.wantUntraced, tt.wantUnsent)
			for _, secret := range tt.secrets {
				if text := list(spans); strings.Contains(text, secret) {
					t.Errorf("spans contain %q, want it absent: %s", secret, text)
				}
			}
		})
	}
}

func checkLines(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n\t%s\nwant:\n\t%s", what, strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

// spanLines returns the spans as clientTest.wantSpans has them.
func spanLines(r *clientRun, spans []sdktrace.ReadOnlySpan) []string {
	var lines []string
	for _, s := range spans {
		line := fmt.Sprintf("%s %v", s.Name(), attributeOf(s, semconv.URLFullKey))
		for _, key := range []attribute.Key{
			semconv.HTTPResponseStatusCodeKey, semconv.NetworkProtocolVersionKey, semconv.ErrorTypeKey, semconv.HTTPRequestResendCountKey,
		} {
			v := attributeOf(s, key)
			switch {
			case v == nil || v == "1.1":
			case key == semconv.HTTPResponseStatusCodeKey:
				line += fmt.Sprintf(" %v", v)
			case key == semconv.NetworkProtocolVersionKey:
				line += fmt.Sprintf(" HTTP/%v", v)
			case key == semconv.ErrorTypeKey:
				line += fmt.Sprintf(" error %v", v)
			default:
				line += fmt.Sprintf(" resend %v", v)
			}
		}
		lines = append(lines, r.stable(line))
	}
	return lines
}

// checkSpans checks what holds for all spans: they are the caller's children, their status agrees with
// error.type, and those, and no others, that are sent arrive at the server.
func checkSpans(t *testing.T, spans []sdktrace.ReadOnlySpan, parents []string, wantUntraced, wantUnsent int) {
	t.Helper()
	sent := map[string]bool{}
	for _, s := range spans {
		sent[s.SpanContext().SpanID().String()] = true
		if s.SpanKind() != trace.SpanKindClient || !s.Parent().Equal(callerSpan) {
			t.Errorf("%s span %q is a child of %v, want a client span below the caller's", s.SpanKind(), s.Name(), s.Parent())
		}
		if failed := attributeOf(s, semconv.ErrorTypeKey) != nil; failed != (s.Status().Code == codes.Error) {
			t.Errorf("span %q: status %v with error.type %v, want both or neither",
				s.Name(), s.Status(), attributeOf(s, semconv.ErrorTypeKey))
		}
	}
	arrived, untraced := map[string]bool{}, 0
	for _, p := range parents {
		if fields := strings.Split(p, "-"); len(fields) == 4 {
			arrived[fields[2]] = true
		} else {
			untraced++
		}
	}
	if untraced != wantUntraced {
		t.Errorf("%d requests without traceparent, want %d", untraced, wantUntraced)
	}
	for id := range arrived {
		if !sent[id] {
			t.Errorf("server got span %s, want one of the ended spans", id)
		}
	}
	if want := len(sent) - wantUnsent; len(arrived) != want {
		t.Errorf("%d of %d spans arrived at the server, want %d", len(arrived), len(sent), want)
	}
}
