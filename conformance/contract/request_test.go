package contract

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/conformance/internal/suite"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/instrumented"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

// All fields of a request reach base, GetBody included, and the response names
// the caller's request.
func TestRequestFieldsReachBase(t *testing.T) {
	for name, opts := range suite.Variants() {
		cause, cancel := &http.Response{StatusCode: 302}, make(chan struct{})
		req := oteltest.NewRequest(t, t.Context(), "POST", "http://example.com/", strings.NewReader("text"))
		req.Response, req.Host, req.Close = cause, "other.example", true
		//lint:ignore SA1019 programs use it still
		req.Cancel = cancel
		req.TransferEncoding = []string{"chunked"}
		run := suite.NewRun(t, oteltest.RoundTripFunc(func(sent *http.Request) (*http.Response, error) {
			if sent.Response != cause {
				t.Errorf("%s: base got Response %p, want %p", name, sent.Response, cause)
			}
			if sent.ContentLength != 4 || sent.Host != "other.example" || !sent.Close || len(sent.TransferEncoding) != 1 {
				t.Errorf("%s: base got %+v, want length, host, Close and transfer encoding of the caller", name, *sent)
			}
			//lint:ignore SA1019 programs use it still
			if sent.Cancel != (<-chan struct{})(cancel) {
				t.Errorf("%s: base got another Cancel, want the caller's", name)
			}
			for range 2 {
				body, err := sent.GetBody()
				if err != nil {
					t.Fatalf("%s: GetBody = %v, want no error", name, err)
				}
				if text, err := io.ReadAll(body); string(text) != "text" || err != nil {
					t.Errorf("%s: GetBody gave %q, %v, want %q", name, text, err, "text")
				}
			}
			return oteltest.Reply(sent, 200, http.NoBody), nil
		}), opts...)
		resp := oteltest.Open(t, run, req)
		if resp.Request != req {
			t.Errorf("%s: the response names request %p, want the caller's, %p", name, resp.Request, req)
		}
	}
}

// net/http sets Response.Request to the request that it received. For a request
// with a body on a reused HTTP/2 connection it is a copy with another body. The
// program must get its own request in either case, without the span's context
// and headers.
func TestResponseRequest(t *testing.T) {
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		w := oteltest.NewServer(t, version, func(rw http.ResponseWriter, r *http.Request) { _, _ = io.Copy(rw, r.Body) })
		for name, opts := range suite.Variants() {
			run := suite.NewRun(t, w.Base, opts...)
			for nth := range 3 {
				req := oteltest.NewRequest(t, t.Context(), "POST", w.URL, strings.NewReader("text"))
				resp := oteltest.Open(t, run, req)
				oteltest.Discard(resp)
				if resp.Request != req {
					t.Errorf("%s, request %d: the response names a request with the headers %v, want the caller's own", name, nth, resp.Request.Header)
				}
			}
		}
	})
	// A base that sends another request names it in the response, which is kept.
	other := oteltest.NewRequest(t, t.Context(), "GET", "http://other.example/", nil)
	for name, change := range map[string]func(*http.Request){
		"URL":    func(r *http.Request) { r.URL = other.URL },
		"header": func(r *http.Request) { r.Header = other.Header },
		"host":   func(r *http.Request) { r.Host = "other.example" },
		"method": func(r *http.Request) { r.Method = "PUT" },
	} {
		var rewritten *http.Request
		run := suite.NewRun(t, oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
			rewritten = req.WithContext(req.Context())
			change(rewritten)
			return oteltest.Reply(rewritten, 200, http.NoBody), nil
		}))
		resp, err := run.RoundTrip(oteltest.NewRequest(t, t.Context(), "GET", "http://example.com/", nil))
		if err != nil || resp.Request != rewritten {
			t.Errorf("another %s: the response names %p, %v, want the request that base has made, %p", name, resp.Request, err, rewritten)
		}
	}
}

// A request body is wrapped only to count its size, and only if its length is
// unknown. net/http depends on the type: it sends an *os.File without a copy
// and treats http.NoBody as no body.
func TestRequestBodiesAreNotWrapped(t *testing.T) {
	file, err := os.Open(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for name, opts := range map[string][]otelhttpclient.Option{
		"plain": nil, "everything but the sizes": suite.EverythingButSizes(), "sizes": {suite.Sizes()},
	} {
		for i, body := range []io.ReadCloser{nil, http.NoBody, file, io.NopCloser(bytes.NewReader([]byte("x"))), oteltest.NewBody(strings.NewReader("x"))} {
			length := int64(1 - 2*(i%2)) // known or not
			req := &http.Request{Method: "POST", URL: &url.URL{Scheme: "https", Host: "example.com"}, Header: http.Header{}, Body: body, ContentLength: length}
			counted := name == "sizes" && length < 0 && body != nil && body != http.NoBody
			_, _ = suite.NewRun(t, oteltest.RoundTripFunc(func(sent *http.Request) (*http.Response, error) {
				if same := sent.Body == body; same == counted {
					t.Errorf("%s: base got the body %T, for %T; the same: got %v, want %v", name, sent.Body, body, same, !counted)
				}
				if sent.ContentLength != length || sent.GetBody != nil {
					t.Errorf("%s: base got length %d, GetBody set %v, want %d and not, as it was", name, sent.ContentLength, sent.GetBody != nil, length)
				}
				return nil, errors.New("enough")
			}), opts...).RoundTrip(req)
			if req.Body != body {
				t.Errorf("%s: the caller's request has the body %T, want its %T", name, req.Body, body)
			}
		}
	}
}

// fileConn reports the readers that it is asked to send.
type fileConn struct {
	net.Conn
	from chan io.Reader
}

func (c fileConn) ReadFrom(r io.Reader) (int64, error) {
	inner := r
	for {
		limited, ok := inner.(*io.LimitedReader)
		if !ok {
			break
		}
		inner = limited.R
	}
	c.from <- inner
	return io.Copy(struct{ io.Writer }{c.Conn}, r)
}

// net/http sends a file with sendfile only if the connection gets the *os.File
// itself.
func TestFilesReachTheConnection(t *testing.T) {
	file, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Repeat("0123456789", 10000)
	_, _ = file.WriteString(want)
	w := oteltest.NewServer(t, "1.1", func(rw http.ResponseWriter, r *http.Request) {
		if got, err := io.ReadAll(r.Body); string(got) != want || err != nil {
			t.Errorf("the server got %d bytes, %v, want the file's %d", len(got), err, len(want))
		}
	})
	from := make(chan io.Reader, 8)
	w.Base.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, address)
		return fileConn{c, from}, err
	}
	runs := map[string]suite.Run{"bare": {RoundTripper: w.Base}, "plain": suite.NewRun(t, w.Base),
		"everything but the sizes": suite.NewRun(t, w.Base, suite.EverythingButSizes()...)}
	for name, run := range runs {
		again, err := os.Open(file.Name())
		if err != nil {
			t.Fatal(err)
		}
		req := oteltest.NewRequest(t, t.Context(), "PUT", w.URL, again)
		req.ContentLength = int64(len(want))
		oteltest.MustSend(t, run, req)
		if got := <-from; got != io.Reader(again) {
			t.Errorf("%s: the connection was given %T to send, want the file itself", name, got)
		}
	}
}

func TestCallersClientTraceRuns(t *testing.T) {
	w := oteltest.NewServer(t, "1.1", func(http.ResponseWriter, *http.Request) {})
	got := false
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { got = true }})
	tel := oteltest.New(t)
	oteltest.MustSend(t, instrumented.Transport(tel, w.Client().Transport), oteltest.NewRequest(t, ctx, "GET", w.URL, nil))
	if !got {
		t.Error("the caller's GotConn was not called")
	}
	oteltest.WantAttribute(t, tel.OnlySpan().Attributes, "network.peer.port", w.Port())
}
