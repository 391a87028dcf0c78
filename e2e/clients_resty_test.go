package e2e

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-resty/resty/v2"

	"github.com/otelhttpclient/otelhttpclient"
)

// TestResty: users depend on retries with the body sent again, multipart uploads, redirects, on resty's own
// httptrace (EnableTrace), on streamed bodies, and on timeouts of the http.Client.
func TestResty(t *testing.T) {
	client := func(r *clientRun) *resty.Client {
		return resty.New().SetTransport(r.transport()).
			SetRetryCount(1).SetRetryWaitTime(time.Millisecond).
			AddRetryCondition(func(resp *resty.Response, err error) bool {
				return resp.StatusCode() >= 500 || errors.Is(err, syscall.ECONNRESET)
			})
	}
	response := func(r *clientRun, resp *resty.Response, err error) {
		if err != nil {
			r.failed(err)
			return
		}
		r.saw("%d %s", resp.StatusCode(), resp.Body())
	}
	done := func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "done") }
	moved := func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/old" {
			http.Redirect(w, req, "/new?token="+accessToken, http.StatusFound)
			return
		}
		done(w, req)
	}
	hangs := func(_ http.ResponseWriter, req *http.Request) { <-req.Context().Done() }
	runClientTests(t, []clientTest{
		{name: "retry after 503", serve: failFirst(1, unavailable, done), use: func(r *clientRun) {
			resp, err := client(r).R().SetContext(otelhttpclient.ContextWithRetries(r.ctx)).SetBody(upload).Put(r.url + "/object")
			response(r, resp, err)
		}, want: []string{"200 done"}, wantSpans: []string{"PUT URL/object 503 error 503", "PUT URL/object 200 resend 1"}},
		{name: "retry after reset", serve: failFirst(1, reset, done), use: func(r *clientRun) {
			resp, err := client(r).R().SetContext(otelhttpclient.ContextWithRetries(r.ctx)).SetBody(upload).Put(r.url + "/object")
			response(r, resp, err)
		}, want: []string{"200 done"}, wantSpans: []string{"PUT URL/object error response_ended", "PUT URL/object 200 resend 1"}},
		{name: "multipart upload with resty's trace", serve: failFirst(0, nil, done), use: func(r *clientRun) {
			c := client(r)
			for range 2 {
				resp, err := c.R().SetContext(r.ctx).EnableTrace().
					SetFileReader("file", "name.txt", strings.NewReader(upload)).SetFormData(map[string]string{"a": "b"}).Post(r.url + "/form")
				response(r, resp, err)
				info := resp.Request.TraceInfo()
				r.saw("reused %t, idle %t, connected %t, server's time %t, total %t, address %v", info.IsConnReused, info.IsConnWasIdle,
					info.TCPConnTime > 0, info.ServerTime > 0, info.TotalTime > 0, info.RemoteAddr)
			}
		}, want: []string{
			"200 done", "reused false, idle false, connected true, server's time true, total true, address ADDRESS",
			"200 done", "reused true, idle true, connected false, server's time true, total true, address ADDRESS",
		}, wantSpans: []string{"POST URL/form 200", "POST URL/form 200"}},
		{name: "redirect", serve: failFirst(0, nil, moved), use: func(r *clientRun) {
			resp, err := client(r).R().SetContext(r.ctx).Get(r.url + "/old")
			response(r, resp, err)
		}, want: []string{"200 done"}, secrets: []string{accessToken},
			wantSpans: []string{"GET URL/old 302", "GET URL/new?token=REDACTED 200 resend 1"}},
		{name: "streamed body", serve: failFirst(0, nil, done), use: func(r *clientRun) {
			resp, err := client(r).R().SetContext(r.ctx).SetDoNotParseResponse(true).Get(r.url + "/stream")
			if err != nil {
				r.failed(err)
				return
			}
			if r.rec != nil {
				r.rec.checkOpen(r.t, "before the body is read", 1)
			}
			body, err := io.ReadAll(resp.RawBody())
			r.saw("%s, error %v, close %v", body, err, resp.RawBody().Close())
		}, want: []string{"done, error <nil>, close <nil>"}, wantSpans: []string{"GET URL/stream 200"}},
		{name: "timeout", serve: failFirst(0, nil, hangs), use: func(r *clientRun) {
			_, err := client(r).SetTimeout(500 * time.Millisecond).SetRetryCount(0).R().SetContext(r.ctx).Get(r.url + "/slow")
			// Not the text: around any RoundTripper of others, http.Client adds "(Client.Timeout exceeded …)" only
			// if its own timer is faster than the context's.
			var timeout interface{ Timeout() bool }
			r.saw("deadline exceeded %t, timeout %t", errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout())
		}, want: []string{"deadline exceeded true, timeout true"}, wantSpans: []string{"GET URL/slow error timeout"}},
		{name: "canceled by the caller", serve: failFirst(0, nil, hangs), use: func(r *clientRun) {
			ctx, cancel := context.WithCancel(r.ctx)
			r.whenReceived(cancel)
			_, err := client(r).R().SetContext(ctx).Get(r.url + "/slow")
			r.saw("canceled %t", errors.Is(err, context.Canceled))
			r.failed(err)
		}, want: []string{"canceled true", `error Get "URL/slow": context canceled: timeout false, types *url.Error *errors.errorString`},
			wantSpans: []string{"GET URL/slow"}},
	})
}
