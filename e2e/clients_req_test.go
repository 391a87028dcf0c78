package e2e

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/imroc/req/v3"

	"github.com/otelhttpclient/otelhttpclient"
)

// TestReq: req has a transport of its own, which is no *http.Transport; users wrap it. They depend on retries,
// uploads, dumps and traces, which that transport takes from the request's context.
func TestReq(t *testing.T) {
	client := func(r *clientRun) *req.Client {
		c := req.C().SetTimeout(patience).
			SetCommonRetryCount(1).
			SetCommonRetryFixedInterval(time.Millisecond).
			SetCommonRetryCondition(func(resp *req.Response, err error) bool { return err != nil || resp.StatusCode >= 500 })
		if r.srv.TLS != nil {
			c.GetTLSClientConfig().RootCAs = r.srv.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
		}
		c.GetTransport().WrapRoundTrip(r.wrap)
		return c
	}
	response := func(r *clientRun, resp *req.Response, err error) {
		if err != nil {
			r.failed(err)
			return
		}
		r.saw("%s %d %s", resp.Proto, resp.StatusCode, resp.String())
	}
	put := func(r *clientRun) {
		resp, err := client(r).R().SetContext(otelhttpclient.ContextWithRetries(r.ctx)).SetBodyString(upload).Put(r.url + "/object")
		response(r, resp, err)
	}
	done := func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "done") }
	runClientTests(t, []clientTest{
		{name: "retry after 503", serve: failFirst(1, unavailable, done), use: put, want: []string{"HTTP/1.1 200 done"},
			wantSpans: []string{"PUT URL/object 503 error 503", "PUT URL/object 200 resend 1"}},
		{name: "retry after reset", serve: failFirst(1, reset, done), use: put, want: []string{"HTTP/1.1 200 done"},
			wantSpans: []string{"PUT URL/object error response_ended", "PUT URL/object 200 resend 1"}},
		{name: "retry after 503 over HTTP/2 and TLS", serve: failFirst(1, unavailable, done), start: startTLS, use: put,
			want:      []string{"HTTP/2.0 200 done"},
			wantSpans: []string{"PUT URL/object 503 HTTP/2 error 503", "PUT URL/object 200 HTTP/2 resend 1"}},
		{name: "multipart upload", serve: failFirst(0, nil, done), use: func(r *clientRun) {
			resp, err := client(r).R().SetContext(r.ctx).SetFileReader("file", "name.txt", strings.NewReader(upload)).Post(r.url + "/form")
			response(r, resp, err)
		}, want: []string{"HTTP/1.1 200 done"}, wantSpans: []string{"POST URL/form 200"}},
		{name: "dump and trace", serve: failFirst(0, nil, done), use: func(r *clientRun) {
			var dump bytes.Buffer
			resp, err := client(r).R().SetContext(r.ctx).EnableDumpTo(&dump).EnableTrace().Get(r.url + "/dumped?password=" + clientSecret)
			response(r, resp, err)
			for line := range strings.Lines(dump.String()) {
				if name, _, _ := strings.Cut(line, ":"); name != "Date" && name != "Traceparent" {
					r.saw("%q", line)
				}
			}
			info := resp.TraceInfo()
			r.saw("reused %t, connected %t, first byte %t, total %t, address %v", info.IsConnReused,
				info.TCPConnectTime > 0, info.FirstResponseTime > 0, info.TotalTime > 0, info.RemoteAddr)
		}, want: []string{
			"HTTP/1.1 200 done",
			`"GET /dumped?password=` + clientSecret + ` HTTP/1.1\r\n"`, `"Host: ADDRESS\r\n"`,
			`"User-Agent: req/v3 (https://github.com/imroc/req)\r\n"`, `"Accept-Encoding: gzip\r\n"`, `"\r\n"`,
			`"HTTP/1.1 200 OK\r\n"`, `"Content-Length: 4\r\n"`, `"Content-Type: text/plain; charset=utf-8\r\n"`, `"\r\n"`, `"done\r\n"`,
			"reused false, connected true, first byte true, total true, address ADDRESS",
		}, secrets: []string{clientSecret}, wantSpans: []string{"GET URL/dumped?password=REDACTED 200"}},
		{name: "redirect", serve: failFirst(0, nil, func(w http.ResponseWriter, req *http.Request) {
			if req.URL.Path == "/old" {
				http.Redirect(w, req, "/new", http.StatusFound)
				return
			}
			done(w, req)
		}), use: func(r *clientRun) {
			resp, err := client(r).R().SetContext(r.ctx).Get(r.url + "/old")
			response(r, resp, err)
		}, want: []string{"HTTP/1.1 200 done"}, wantSpans: []string{"GET URL/old 302", "GET URL/new 200 resend 1"}},
		{name: "canceled download", serve: failFirst(0, nil, func(w http.ResponseWriter, req *http.Request) {
			done(w, req)
			w.(http.Flusher).Flush()
			<-req.Context().Done()
		}), use: func(r *clientRun) {
			resp, err := client(r).R().SetContext(r.ctx).DisableAutoReadResponse().Get(r.url + "/endless")
			if err != nil {
				r.failed(err)
				return
			}
			part := make([]byte, 4)
			_, err = io.ReadFull(resp.Body, part)
			r.saw("%s, error %v, close %v", part, err, resp.Body.Close())
		}, want: []string{"done, error <nil>, close <nil>"}, wantSpans: []string{"GET URL/endless 200"}},
	})
}
