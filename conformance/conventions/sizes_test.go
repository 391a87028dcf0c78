package conventions

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/instrumented"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

// sized returns a Transport that records both sizes on the span and as metrics.
func sized(tel *oteltest.SDK, base http.RoundTripper) *otelhttpclient.Transport {
	return instrumented.Transport(tel, base, otelhttpclient.WithOptInAttributes("http.request.body.size", "http.response.body.size"), otelhttpclient.WithOptInMetrics(otelhttpclient.MetricRequestBodySize, otelhttpclient.MetricResponseBodySize))
}

// wantSizes checks both sizes of the one request, on the span and as metrics.
// nil means not recorded.
func wantSizes(t *testing.T, tel *oteltest.SDK, sent, received any) {
	t.Helper()
	for key, want := range map[string]any{"request": sent, "response": received} {
		key = "http." + key + ".body.size"
		oteltest.WantAttribute(t, tel.OnlySpan().Attributes, attribute.Key(key), want)
		wantBytes(t, tel, strings.Replace(key, "http.", "http.client.", 1), want)
	}
}

// wantBytes checks the one size in a histogram. nil means that there is none.
func wantBytes(t *testing.T, tel *oteltest.SDK, name string, want any) {
	t.Helper()
	if want == nil {
		if m, ok := tel.Metric(name); ok {
			t.Errorf("%s = %+v, want nothing recorded", name, m.Data)
		}
		return
	}
	if p := tel.Bytes(name); p.Count != 1 || fmt.Sprint(p.Sum) != fmt.Sprint(want) {
		t.Errorf("%s: got %d of %d bytes, want 1 of %v", name, p.Count, p.Sum, want)
	}
}

func TestSizes(t *testing.T) {
	// More than a single read or write transfers.
	const upload, download = 300_000, 200_000
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		w := oteltest.NewServer(t, version, func(rw http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			switch r.URL.Path {
			case "/empty":
			case "/204":
				rw.WriteHeader(http.StatusNoContent)
			case "/head":
				rw.Header().Set("Content-Length", strconv.Itoa(download))
			case "/stream":
				rw.(http.Flusher).Flush() // without a length
				fallthrough
			default:
				_, _ = io.WriteString(rw, strings.Repeat("y", download))
			}
		})
		known := func() io.Reader { return strings.NewReader(strings.Repeat("x", upload)) }
		stream := func() io.Reader { return struct{ io.Reader }{known()} }
		none := func() io.Reader { return nil }
		for _, test := range []struct {
			name, method, path string
			body               func() io.Reader
			sent, received     int
		}{
			{"known lengths", "POST", "/", known, upload, download},
			{"streams in both directions", "POST", "/stream", stream, upload, download},
			{"no body in either direction", "GET", "/empty", none, 0, 0},
			{"an explicit empty body", "POST", "/empty", func() io.Reader { return http.NoBody }, 0, 0},
			{"204", "POST", "/204", known, upload, 0},
			{"HEAD, with the Content-Length of a GET", "HEAD", "/head", none, 0, 0},
		} {
			t.Run(test.name, func(t *testing.T) {
				tel := oteltest.New(t)
				oteltest.MustSend(t, sized(tel, w.Base), oteltest.NewRequest(t, t.Context(), test.method, w.URL+test.path, test.body()))
				wantSizes(t, tel, test.sent, test.received)
			})
		}
	})
}

// The size of a body that is closed early is what was read of it.
func TestSizeOfResponseClosedEarly(t *testing.T) {
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		w := oteltest.NewServer(t, version, oteltest.Stall(true))
		tel := oteltest.New(t)
		resp, err := sized(tel, w.Base).RoundTrip(oteltest.NewRequest(t, t.Context(), "GET", w.URL, nil))
		if err != nil {
			t.Fatalf("RoundTrip = %v, want no error", err)
		}
		if _, err := io.ReadFull(resp.Body, make([]byte, 5)); err != nil {
			t.Fatalf("reading 5 bytes = %v, want no error", err)
		}
		_ = resp.Body.Close()
		wantSizes(t, tel, 0, 5)
	})
}

// The size of an upload is what was sent before the server answered.
func TestSizeOfUploadAnsweredEarly(t *testing.T) {
	const sent = 5000
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		w := oteltest.NewServer(t, version, func(rw http.ResponseWriter, r *http.Request) {
			_ = http.NewResponseController(rw).EnableFullDuplex() // HTTP/2 always is
			rw.Header().Set("Connection", "close")
			rw.Header().Set("Content-Length", "4")
			if _, err := io.CopyN(io.Discard, r.Body, sent); err == nil {
				rw.WriteHeader(http.StatusRequestEntityTooLarge)
				_, _ = io.WriteString(rw, "much")
				rw.(http.Flusher).Flush()
			}
		})
		body, upload := io.Pipe()
		t.Cleanup(func() { upload.Close() })
		go func() { _, _ = upload.Write(make([]byte, sent)) }() // and no more during the request
		tel := oteltest.New(t)
		status, err := oteltest.Send(sized(tel, w.Base), oteltest.NewRequest(t, t.Context(), "POST", w.URL, body))
		if status != http.StatusRequestEntityTooLarge || err != nil {
			t.Fatalf("status = %d, error = %v, want %d and none", status, err, http.StatusRequestEntityTooLarge)
		}
		wantSizes(t, tel, sent, 4)
	})
}

// Each attempt has its own size.
func TestSizeOfRedirectedUpload(t *testing.T) {
	const size = 5000
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		w := oteltest.NewServer(t, version, func(rw http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			if r.URL.Path == "/a" {
				http.Redirect(rw, r, "/b", http.StatusTemporaryRedirect)
			}
		})
		tel := oteltest.New(t)
		oteltest.MustSend(t, oteltest.RoundTripFunc((&http.Client{Transport: sized(tel, w.Base)}).Do), oteltest.NewRequest(t, t.Context(), "POST", w.URL+"/a", strings.NewReader(strings.Repeat("x", size))))
		spans := tel.Spans()
		if len(spans) != 2 {
			t.Fatalf("%d spans, want 2: one for each hop", len(spans))
		}
		for _, span := range spans {
			oteltest.WantAttribute(t, span.Attributes, "http.request.body.size", size)
		}
		m, _ := tel.Metric("http.client.request.body.size")
		h, _ := m.Data.(metricdata.Histogram[int64])
		if len(h.DataPoints) != 2 {
			t.Fatalf("%d data points, want 2: the status codes differ", len(h.DataPoints))
		}
		for _, p := range h.DataPoints {
			if p.Count != 1 || p.Sum != size {
				t.Errorf("request sizes of %v: got %d of %d bytes, want 1 of %d", p.Attributes.ToSlice(), p.Count, p.Sum, size)
			}
		}
	})
}

// net/http resends a request when the server has closed the reused connection.
// It is still one request, and its size is that of the last attempt.
func TestSizeOfUploadResentByNetHTTP(t *testing.T) {
	const size = 5000
	var uploads atomic.Int64
	w := oteltest.NewServer(t, "1.1", func(rw http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if r.Method == "POST" && uploads.Add(1) == 1 {
			if c, _, err := rw.(http.Hijacker).Hijack(); err == nil {
				c.Close()
			}
		}
	})
	oteltest.MustSend(t, w.Base, oteltest.NewRequest(t, t.Context(), "GET", w.URL, nil)) // leaves an idle connection

	tel := oteltest.New(t)
	req := oteltest.NewRequest(t, t.Context(), "POST", w.URL, strings.NewReader(strings.Repeat("x", size)))
	req.Header.Set("Idempotency-Key", "1") // otherwise net/http does not resend it
	oteltest.MustSend(t, sized(tel, w.Base), req)
	if got := uploads.Load(); got != 2 {
		t.Fatalf("uploads at the server: got %d, want 2, the second one resent", got)
	}
	wantSizes(t, tel, size, 0) // of one span
}

// base abandons the first attempt halfway and sends the body again.
func TestSizeOfUploadResentByBase(t *testing.T) {
	const size = 5000
	base := oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		if _, err := io.CopyN(io.Discard, req.Body, 3000); err != nil {
			return nil, err
		}
		req.Body.Close()
		body, err := req.GetBody()
		if err != nil {
			return nil, err
		}
		defer body.Close()
		if _, err := io.Copy(io.Discard, body); err != nil {
			return nil, err
		}
		return oteltest.Answer(200)(req)
	})
	tel := oteltest.New(t)
	oteltest.MustSend(t, sized(tel, base), oteltest.NewRequest(t, t.Context(), "POST", "http://shop.invalid/", strings.NewReader(strings.Repeat("x", size))))
	wantSizes(t, tel, size, 0)
}

// The size is that of the compressed body. It is unknown if net/http
// decompressed it, and then not recorded.
func TestSizeOfCompressedResponse(t *testing.T) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = io.WriteString(z, strings.Repeat("y", 3000))
	_ = z.Close()
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		for _, test := range []struct {
			name   string
			accept string
			want   any
		}{
			{"decompressed by net/http", "", nil},
			{"asked for by the caller", "gzip", packed.Len()},
		} {
			t.Run(test.name, func(t *testing.T) {
				w := oteltest.NewServer(t, version, func(rw http.ResponseWriter, _ *http.Request) {
					rw.Header().Set("Content-Encoding", "gzip")
					_, _ = rw.Write(packed.Bytes())
				})
				tel := oteltest.New(t)
				req := oteltest.NewRequest(t, t.Context(), "GET", w.URL, nil)
				if test.accept != "" {
					req.Header.Set("Accept-Encoding", test.accept)
				}
				oteltest.MustSend(t, sized(tel, w.Base), req)
				wantSizes(t, tel, 0, test.want)
			})
		}
	})
}
