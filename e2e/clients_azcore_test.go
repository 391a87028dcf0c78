package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	azruntime "github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"

	"github.com/otelhttpclient/otelhttpclient"
)

// TestAzcore: users depend on a pipeline that rewinds and sends a body again, limits each try's time by a
// context of its own, keeps that context until a streamed body is closed, and wraps failures in ResponseError.
// SAS signatures are in the query.
func TestAzcore(t *testing.T) {
	const sas = "?sv=2024-11-04&sp=rw&sig=c2FzLXNpZ25hdHVyZS1ub3QtcmVhbA%3D%3D"
	do := func(method string, stream bool) func(*clientRun) {
		return func(r *clientRun) {
			pipeline := azruntime.NewPipeline("e2e", "v0.0.0", azruntime.PipelineOptions{}, &policy.ClientOptions{
				Transport: r.httpClient(),
				Retry: policy.RetryOptions{MaxRetries: 2, RetryDelay: time.Millisecond, MaxRetryDelay: 5 * time.Millisecond,
					TryTimeout: time.Second},
			})
			req, err := azruntime.NewRequest(otelhttpclient.ContextWithRetries(r.ctx), method, r.url+"/container/blob"+sas)
			if err != nil {
				r.t.Fatal(err)
			}
			if method == http.MethodPut {
				if err := req.SetBody(streaming.NopCloser(strings.NewReader(upload)), "text/plain"); err != nil {
					r.t.Fatal(err)
				}
			}
			if stream {
				azruntime.SkipBodyDownload(req)
			}
			resp, err := pipeline.Do(req)
			if err == nil && !azruntime.HasStatusCode(resp, http.StatusOK, http.StatusCreated) {
				err = azruntime.NewResponseError(resp)
			}
			var failure *azcore.ResponseError
			switch {
			case errors.As(err, &failure):
				r.saw("status %d, code %s", failure.StatusCode, failure.ErrorCode)
			case errors.Is(err, context.DeadlineExceeded):
				r.saw("deadline exceeded, type %T", err)
			default:
				r.result(readResponse(resp, err))
			}
		}
	}
	created := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusCreated) }
	// sends writes the body in two parts.
	sends := func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "first ")
		w.(http.Flusher).Flush()
		io.WriteString(w, "second")
	}
	refuses := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("x-ms-error-code", "BlobNotFound")
		w.WriteHeader(http.StatusNotFound)
	}
	hangs := func(_ http.ResponseWriter, req *http.Request) { <-req.Context().Done() }
	blob := func(method, rest string) string {
		return fmt.Sprintf("%s URL/container/blob?sv=2024-11-04&sp=rw&sig=REDACTED %s", method, rest)
	}
	tests := []clientTest{
		{name: "retry after 503", serve: failFirst(2, unavailable, created), use: do(http.MethodPut, false), want: []string{"201 "},
			wantSpans: []string{blob("PUT", "503 error 503"), blob("PUT", "503 error 503 resend 1"), blob("PUT", "201 resend 2")}},
		{name: "retry after reset", serve: failFirst(1, reset, created), use: do(http.MethodPut, false), want: []string{"201 "},
			wantSpans: []string{blob("PUT", "error response_ended"), blob("PUT", "201 resend 1")}},
		{name: "retry after a try's timeout", serve: failFirst(1, hangs, created), use: do(http.MethodPut, false), want: []string{"201 "},
			wantSpans: []string{blob("PUT", "error timeout"), blob("PUT", "201 resend 1")}},
		{name: "streamed download", serve: failFirst(0, nil, sends), use: do(http.MethodGet, true),
			want: []string{"200 first second"}, wantSpans: []string{blob("GET", "200")}},
		{name: "error response", serve: failFirst(0, nil, refuses), use: do(http.MethodGet, false),
			want: []string{"status 404, code BlobNotFound"}, wantSpans: []string{blob("GET", "404 error 404")}},
	}
	for i := range tests {
		tests[i].secrets = []string{"c2FzLXNpZ25hdHVyZS"}
	}
	runClientTests(t, tests)
}
