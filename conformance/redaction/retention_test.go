package redaction

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"runtime"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/instrumented"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

// piece returns a string that is a piece of one of a megabyte.
func piece(s string) string { return (s + strings.Repeat("x", 1<<20))[:len(s)] }

// heap returns the size of the heap after a collection.
func heap() int64 {
	runtime.GC()
	runtime.GC() // the first may find what a sync.Pool keeps
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// A piece of a string keeps the whole of it. What metrics, caches and connections
// keep after a request must be copies.
func TestNothingKeepsTheTextOfARequest(t *testing.T) {
	t.Setenv("OTEL_SEMCONV_STABILITY_OPT_IN", "http/dup")
	optIn := otelhttpclient.WithOptInAttributes(semconv.URLSchemeKey, semconv.URLTemplateKey, semconv.NetworkPeerAddressKey)
	server := oteltest.NewServer(t, "1.1", oteltest.Handler(200, "fine"))
	for _, row := range []struct {
		name    string
		options []otelhttpclient.Option
		request func(req *http.Request, i string) *http.Request
		base    func(req *http.Request, resp *http.Response, i string) error
		real    bool // send it to a server
	}{
		{name: "the host of a URL", request: func(req *http.Request, i string) *http.Request {
			req.URL, _ = url.Parse(piece("https://h" + i + ".example/"))
			return req
		}},
		{name: "the host of a URL that is not recorded", options: []otelhttpclient.Option{otelhttpclient.WithURLFilter(func(*url.URL) *url.URL { return nil })},
			request: func(req *http.Request, i string) *http.Request {
				req.URL, _ = url.Parse(piece("https://h" + i + ".example/"))
				return req
			}},
		{name: "the host with the application's attributes", options: []otelhttpclient.Option{instrumented.Attributes(attribute.String("own", "a"))},
			request: func(req *http.Request, i string) *http.Request {
				req.URL, _ = url.Parse(piece("https://h" + i + ".example/"))
				return req
			}},
		{name: "Request.Host", request: func(req *http.Request, i string) *http.Request {
			req.Host = piece("h" + i + ".example")
			return req
		}},
		{name: "the host that a filter returns", options: []otelhttpclient.Option{otelhttpclient.WithURLFilter(func(u *url.URL) *url.URL {
			u.Host = piece(u.Host + ".example")
			return u
		})}, request: func(req *http.Request, i string) *http.Request {
			req.URL.Host = "h" + i
			return req
		}},
		{name: "an internationalized host", request: func(req *http.Request, i string) *http.Request {
			req.URL.Host = piece("b\u00fccher" + i + ".example")
			return req
		}},
		{name: "labels of connections", real: true, request: func(req *http.Request, i string) *http.Request {
			req.Host = piece("h" + i + ".example")
			return req
		}},
		{name: "the scheme", request: func(req *http.Request, i string) *http.Request {
			req.URL.Scheme = piece("s" + i)
			return req
		}},
		{name: "the method", request: func(req *http.Request, i string) *http.Request {
			req.Method = piece("PUT")
			req.URL.Host = "h" + i + ".example"
			return req
		}},
		{name: "a method from a list", options: []otelhttpclient.Option{otelhttpclient.WithKnownMethods("PUT")}, request: func(req *http.Request, i string) *http.Request {
			req.Method = piece("PUT")
			req.URL.Host = "h" + i + ".example"
			return req
		}},
		{name: "an unknown method", request: func(req *http.Request, i string) *http.Request {
			req.Method = piece("M" + i)
			return req
		}},
		{name: "a template", options: []otelhttpclient.Option{otelhttpclient.WithURLTemplate(func(req *http.Request) string { return piece(req.URL.Path) })},
			request: func(req *http.Request, i string) *http.Request {
				req.URL.Path = "/" + i
				return req
			}},
		{name: "a template of the context", request: func(req *http.Request, i string) *http.Request {
			return req.WithContext(otelhttpclient.ContextWithURLTemplate(req.Context(), piece("/"+i)))
		}},
		{name: "WithAttributes", options: []otelhttpclient.Option{otelhttpclient.WithAttributes(func(req *http.Request) []attribute.KeyValue {
			return []attribute.KeyValue{attribute.String(piece("key"), piece(req.URL.Path)), attribute.StringSlice("list", []string{piece(req.URL.Path)})}
		})}, request: func(req *http.Request, i string) *http.Request {
			req.URL.Path = "/" + i
			return req
		}},
		{name: "ContextWithAttributes", request: func(req *http.Request, i string) *http.Request {
			return req.WithContext(otelhttpclient.ContextWithAttributes(req.Context(), attribute.String("own", piece(i))))
		}},
		{name: "the protocol", base: func(_ *http.Request, resp *http.Response, i string) error {
			resp.Proto = piece("p" + i)
			return nil
		}},
		{name: "ErrorType()", base: func(_ *http.Request, _ *http.Response, i string) error { return foreignError{piece("e" + i)} }},
		{name: "a name that is looked up", base: func(req *http.Request, _ *http.Response, i string) error {
			trace := httptrace.ContextClientTrace(req.Context())
			trace.DNSStart(httptrace.DNSStartInfo{Host: piece("h" + i)})
			trace.DNSDone(httptrace.DNSDoneInfo{})
			return nil
		}},
		{name: "names of headers", options: []otelhttpclient.Option{otelhttpclient.WithRequestHeaders("x-*"), otelhttpclient.WithResponseHeaders("x-*")},
			request: func(req *http.Request, i string) *http.Request {
				req.Header[piece("X-A"+i)] = []string{"1"}
				req.Header[piece("x-b"+i)] = []string{"1"}
				return req
			}, base: func(_ *http.Request, resp *http.Response, i string) error {
				resp.Header[piece("X-C"+i)] = []string{"1"}
				resp.Header[piece("x-d"+i)] = []string{"1"}
				return nil
			}},
	} {
		t.Run(row.name, func(t *testing.T) {
			tel := oteltest.NewCounting(t) // as if spans had been exported
			var n int
			var base http.RoundTripper = server.Base
			if !row.real {
				base = oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
					resp := oteltest.Reply(req, 200, http.NoBody)
					if row.base != nil {
						if err := row.base(req, resp, fmt.Sprint(n)); err != nil {
							return nil, err
						}
					}
					return resp, nil
				})
			}
			rt := instrumented.Transport(tel, base, append(row.options, optIn, instrumented.AllMetrics())...)
			send := func() {
				n++
				req := oteltest.NewRequest(t, t.Context(), http.MethodGet, server.URL, nil)
				req.Host = "" // the URL's
				if row.request != nil {
					req = row.request(req, fmt.Sprint(n))
				}
				_, _ = oteltest.Send(rt, req)
			}
			send()
			before := heap()
			for range 64 {
				send()
			}
			const most = 4 << 20
			if grown := heap() - before; grown > most {
				t.Errorf("64 requests: the heap has grown by %d KiB, want at most %d: no megabyte of each", grown>>10, most>>10)
			}
			runtime.KeepAlive(rt)
			runtime.KeepAlive(tel)
		})
	}
}

// Spans wait for their export, and a server chooses the length of a Location, or
// of what a base makes its errors of.
func TestSpansDoNotKeepTheTextOfARequest(t *testing.T) {
	tel := oteltest.New(t)
	rt := instrumented.Transport(tel, oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		return nil, errors.New(piece("out of order"))
	}))
	before := heap()
	for i := range 64 {
		req := oteltest.NewRequest(t, t.Context(), http.MethodGet, "https://h.example/", nil)
		req.URL, _ = url.Parse(piece(fmt.Sprintf("https://h%d.example/?q=1", i)))
		req.Host = "" // the URL's
		_, _ = oteltest.Send(rt, req)
	}
	const most = 4 << 20
	if grown := heap() - before; grown > most {
		t.Errorf("64 spans: the heap has grown by %d KiB, want at most %d: no megabyte of each", grown>>10, most>>10)
	}
	if n := len(tel.Spans()); n != 64 {
		t.Errorf("spans: got %d, want 64", n)
	}
}
