package e2e

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"github.com/otelhttpclient/otelhttpclient"
)

// TestHTTP3: users of quic-go's transport depend on its error types, on trailers, and on bodies that may be
// read while the request is sent. It is a base that is no *http.Transport.
func TestHTTP3(t *testing.T) {
	client := func(r *clientRun) *http.Client {
		base := &http3.Transport{TLSClientConfig: r.srv.Client().Transport.(*http.Transport).TLSClientConfig.Clone()}
		r.t.Cleanup(func() { base.Close() })
		return &http.Client{Transport: r.wrap(base), Timeout: patience}
	}
	do := func(r *clientRun, c *http.Client, ctx context.Context, method, path string, body io.Reader) {
		req, err := http.NewRequestWithContext(ctx, method, r.url+path, body)
		if err != nil {
			r.t.Fatal(err)
		}
		resp, err := c.Do(req)
		if err != nil {
			r.failed(err)
			return
		}
		text, err := readResponse(resp, nil)
		r.saw("%s %s, trailer %q, ended well %t", resp.Proto, text, resp.Trailer, err == nil)
		if err != nil {
			r.failed(err)
		}
	}
	once := func(method, path, body string) func(*clientRun) {
		return func(r *clientRun) { do(r, client(r), r.ctx, method, path, strings.NewReader(body)) }
	}
	trailing := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Trailer", "X-Sum")
		io.WriteString(w, download)
		w.Header().Set("X-Sum", "7")
	}
	aborting := func(w http.ResponseWriter, req *http.Request) {
		io.WriteString(w, "part")
		w.(http.Flusher).Flush()
		io.Copy(io.Discard, req.Body) // until the client has the part
		panic(http.ErrAbortHandler)
	}
	hangs := func(_ http.ResponseWriter, req *http.Request) { <-req.Context().Done() }
	tests := []clientTest{
		{name: "download with trailer", serve: failFirst(0, nil, trailing), use: func(r *clientRun) {
			c := client(r)
			do(r, c, r.ctx, http.MethodGet, "/object", nil)
			do(r, c, r.ctx, http.MethodGet, "/object", nil)
		}, want: []string{`HTTP/3.0 200 what the server has, trailer map["X-Sum":["7"]], ended well true`,
			`HTTP/3.0 200 what the server has, trailer map["X-Sum":["7"]], ended well true`},
			wantSpans: []string{"GET URL/object 200 HTTP/3", "GET URL/object 200 HTTP/3"}},
		{name: "upload", serve: failFirst(0, nil, trailing), use: once(http.MethodPut, "/object", strings.Repeat(upload, 10_000)),
			want:      []string{`HTTP/3.0 200 what the server has, trailer map["X-Sum":["7"]], ended well true`},
			wantSpans: []string{"PUT URL/object 200 HTTP/3"}},
		{name: "error response", serve: failFirst(0, nil, unavailable), use: once(http.MethodPut, "/object", upload),
			want:      []string{`HTTP/3.0 503 <Error><Code>SlowDown</Code></Error>, trailer map[], ended well true`},
			wantSpans: []string{"PUT URL/object 503 HTTP/3 error 503"}},
		{name: "aborted body", serve: func() http.HandlerFunc { return aborting }, use: func(r *clientRun) {
			body, sent := io.Pipe()
			req, err := http.NewRequestWithContext(r.ctx, http.MethodPost, r.url+"/both", body)
			if err != nil {
				r.t.Fatal(err)
			}
			resp, err := client(r).Do(req)
			if err != nil {
				r.failed(err)
				return
			}
			defer resp.Body.Close()
			part := make([]byte, 4)
			_, err = io.ReadFull(resp.Body, part)
			r.saw("%s, error %v", part, err)
			sent.Close()
			_, err = resp.Body.Read(part)
			var reset *http3.Error
			r.saw("reset %t: %v", errors.As(err, &reset), err)
		}, want: []string{"part, error <nil>", "reset true: H3_INTERNAL_ERROR"}, wantSpans: []string{"POST URL/both 200 HTTP/3 error *http3.Error"}},
		{name: "timeout", serve: failFirst(1, unavailable, hangs), use: func(r *clientRun) {
			c := client(r)
			do(r, c, r.ctx, http.MethodGet, "/first", nil) // so that the timeout is not in the handshake
			ctx, cancel := context.WithTimeout(r.ctx, 500*time.Millisecond)
			defer cancel()
			do(r, c, ctx, http.MethodGet, "/slow", nil)
		}, want: []string{"HTTP/3.0 503 <Error><Code>SlowDown</Code></Error>, trailer map[], ended well true",
			`error Get "URL/slow": context deadline exceeded: timeout true, types *url.Error context.deadlineExceededError`},
			wantSpans: []string{"GET URL/first 503 HTTP/3 error 503", "GET URL/slow error timeout"}},
		{name: "unknown certificate", serve: failFirst(0, nil, trailing), wantUnsent: 1, use: func(r *clientRun) {
			base := &http3.Transport{TLSClientConfig: &tls.Config{}}
			defer base.Close()
			c := &http.Client{Transport: r.wrap(base)}
			req, err := http.NewRequestWithContext(r.ctx, http.MethodGet, r.url, nil)
			if err != nil {
				r.t.Fatal(err)
			}
			_, err = c.Do(req)
			var refused *quic.TransportError
			r.saw("transport error %t", errors.As(err, &refused))
		}, want: []string{"transport error true"}, wantSpans: []string{"GET URL error secure_connection_error"}},
	}
	for i := range tests {
		tests[i].start = startHTTP3
		tests[i].opts = []otelhttpclient.Option{otelhttpclient.WithResponseHeaders("X-*")}
	}
	runClientTests(t, tests)
}

// startHTTP3 serves h over HTTP/3 at the address at which the returned server is over TCP.
func startHTTP3(t *testing.T, h http.Handler) *httptest.Server {
	srv := startTLS(t, h)
	conn, err := net.ListenPacket("udp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	server := &http3.Server{Handler: h, TLSConfig: http3.ConfigureTLSConfig(&tls.Config{Certificates: srv.TLS.Certificates})}
	done := make(chan struct{})
	go func() {
		defer close(done)
		server.Serve(conn)
	}()
	t.Cleanup(func() {
		server.Close()
		conn.Close()
		<-done
	})
	return srv
}
