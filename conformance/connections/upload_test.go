package connections

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/instrumented"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

// countedConn counts the writes and the file copies of a request.
type countedConn struct {
	*net.TCPConn
	mu     sync.Mutex
	writes int
	copies int
}

func (c *countedConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	c.writes++
	c.mu.Unlock()
	return c.TCPConn.Write(p)
}

func (c *countedConn) ReadFrom(r io.Reader) (int64, error) {
	if l, ok := r.(*io.LimitedReader); ok {
		r = l.R
	}
	if _, ok := r.(*os.File); ok {
		c.mu.Lock()
		c.copies++
		c.mu.Unlock()
	}
	return c.TCPConn.ReadFrom(r)
}

// A small body is sent in one segment with the headers, a file with sendfile,
// and both sizes are recorded.
func TestSizesKeepTheWireFormat(t *testing.T) {
	const content = "12345678"
	path := filepath.Join(t.TempDir(), "body")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	server := oteltest.NewServer(t, "1.1", func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) })
	for _, body := range []string{"in memory", "file"} {
		var conn *countedConn
		base := &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := (&net.Dialer{}).DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			conn = &countedConn{TCPConn: c.(*net.TCPConn)}
			return conn, nil
		}}
		written := func(rt http.RoundTripper) (int, int) {
			base.CloseIdleConnections()
			req := oteltest.NewRequest(t, t.Context(), "POST", server.URL, strings.NewReader(content))
			if body == "file" {
				f, err := os.Open(path)
				if err != nil {
					t.Fatal(err)
				}
				req.Body, req.GetBody = f, nil
			}
			oteltest.MustSend(t, rt, req)
			return conn.writes, conn.copies
		}
		tel := oteltest.New(t)
		wantWrites, wantCopies := written(base)
		writes, copies := written(instrumented.Transport(tel, base, otelhttpclient.WithOptInAttributes("http.request.body.size"), otelhttpclient.WithOptInMetrics(otelhttpclient.MetricRequestBodySize)))
		base.CloseIdleConnections()
		if writes != wantWrites || copies != wantCopies {
			t.Errorf("%s: got %d writes and %d copies of files, want %d and %d, as with base", body, writes, copies, wantWrites, wantCopies)
		}
		oteltest.WantAttribute(t, tel.OnlySpan().Attributes, "http.request.body.size", len(content))
		if p := tel.Bytes("http.client.request.body.size"); p.Count != 1 || p.Sum != int64(len(content)) {
			t.Errorf("%s: got %d request sizes of %d bytes, want 1 of %d", body, p.Count, p.Sum, len(content))
		}
	}
}

// The server rejects the body after the headers.
func TestSizeOfUnsentBody(t *testing.T) {
	url := oteltest.RawServer(t, func(c net.Conn) {
		_, _ = io.WriteString(c, "HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
	})
	tel := oteltest.New(t)
	req := oteltest.NewRequest(t, t.Context(), "POST", url, strings.NewReader("12345678"))
	req.Header.Set("Expect", "100-continue")
	base := &http.Transport{ExpectContinueTimeout: 1 << 40}
	defer base.CloseIdleConnections()
	oteltest.MustSend(t, instrumented.Transport(tel, base, otelhttpclient.WithOptInAttributes("http.request.body.size")), req)
	for _, a := range tel.OnlySpan().Attributes {
		if a.Key == "http.request.body.size" {
			t.Errorf("http.request.body.size = %d, want none", a.Value.AsInt64())
		}
	}
}

// knownLength is a body with a Content-Length, of a type that net/http does not
// know.
type knownLength struct{ io.Reader }

func uploadOf(t *testing.T, url string, inMemory bool, content []byte) *http.Request {
	t.Helper()
	req := oteltest.NewRequest(t, t.Context(), "POST", url, bytes.NewReader(content))
	if !inMemory {
		req.Body, req.GetBody = io.NopCloser(knownLength{bytes.NewReader(content)}), nil
	}
	return req
}

// An answer is no proof that the request was written: a server may send it
// before it reads the body.
func TestSizeOfRejectedUpload(t *testing.T) {
	const uploads = 60
	content := make([]byte, 16<<20) // more than the kernel takes
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		for _, status := range []int{http.StatusOK, http.StatusFound, http.StatusUnauthorized, http.StatusRequestEntityTooLarge, http.StatusServiceUnavailable} {
			server := oteltest.NewServer(t, version, oteltest.Handler(status, "no"))
			tel := oteltest.New(t)
			rt := instrumented.Transport(tel, server.Base, otelhttpclient.WithOptInAttributes("http.request.body.size"), otelhttpclient.WithOptInMetrics(otelhttpclient.MetricRequestBodySize))
			for i := range uploads {
				_, _ = oteltest.Send(rt, uploadOf(t, server.URL, i%2 == 0, content))
			}
			wrong := 0
			for _, span := range tel.Spans() {
				if _, ok := oteltest.Attributes(span.Attributes)["http.request.body.size"]; ok {
					wrong++
				}
			}
			if m, ok := tel.Metric("http.client.request.body.size"); ok || wrong > 0 {
				t.Errorf("%d: %d of %d spans have a size, metric %v, want none: the body was not sent", status, wrong, uploads, m.Data)
			}
		}
	})
}

// On HTTP/2, net/http may report that it has written the request after the
// response has ended.
func TestSizeOfAcceptedUpload(t *testing.T) {
	const uploads = 100
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		server := oteltest.NewServer(t, version, func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) })
		for _, size := range []int{10, 5000, 200_000, 2 << 20} {
			content := make([]byte, size)
			tel := oteltest.New(t)
			rt := instrumented.Transport(tel, server.Base, otelhttpclient.WithOptInAttributes("http.request.body.size"), otelhttpclient.WithOptInMetrics(otelhttpclient.MetricRequestBodySize))
			for i := range uploads {
				oteltest.MustSend(t, rt, uploadOf(t, server.URL, i%2 == 0, content))
			}
			for _, span := range tel.Spans() {
				oteltest.WantAttribute(t, span.Attributes, "http.request.body.size", size)
			}
			if p := tel.Bytes("http.client.request.body.size"); p.Count != uploads || p.Sum != int64(uploads*size) {
				t.Errorf("%d bytes: got %d sizes of %d bytes, want %d of %d", size, p.Count, p.Sum, uploads, uploads*size)
			}
		}
	})
}

// endless is a body of n bytes that nobody looks at.
type endless struct{ n int64 }

func (b *endless) Read(p []byte) (int, error) {
	n := min(b.n, int64(len(p)))
	if b.n -= n; n == 0 {
		return 0, io.EOF
	}
	return int(n), nil
}

// A size does not depend on the platform's int.
func TestSizesOverTwoGiB(t *testing.T) {
	const size int64 = 3 << 30
	tel := oteltest.New(t)
	rt := instrumented.Transport(tel, oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		reports := httptrace.ContextClientTrace(req.Context())
		client, server := net.Pipe()
		defer server.Close()
		defer client.Close()
		reports.GotConn(httptrace.GotConnInfo{Conn: client})
		reports.WroteRequest(httptrace.WroteRequestInfo{})
		return oteltest.Reply(req, http.StatusOK, io.NopCloser(&endless{size})), nil
	}), otelhttpclient.WithOptInAttributes("http.request.body.size", "http.response.body.size"))
	req := oteltest.NewRequest(t, t.Context(), "PUT", "http://inventory.example/", &endless{size})
	req.ContentLength = size
	oteltest.Discard(oteltest.Open(t, rt, req))
	oteltest.WantAttribute(t, tel.OnlySpan().Attributes, "http.request.body.size", size)
	oteltest.WantAttribute(t, tel.OnlySpan().Attributes, "http.response.body.size", size)
}
