//lint:file-ignore SA1019 aws-sdk-go is deprecated, but many programs still use it.

package e2e

import (
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go/aws"
	"github.com/aws/aws-sdk-go/aws/awserr"
	"github.com/aws/aws-sdk-go/aws/session"
	"github.com/aws/aws-sdk-go/service/s3"

	"github.com/otelhttpclient/otelhttpclient"
)

// TestAWSSDKv1: users depend on uploads that are sent again from GetBody, on Expect: 100-continue for large
// ones, and on retries that the SDK decides by the text and the type of the error.
func TestAWSSDKv1(t *testing.T) {
	with := func(do func(r *clientRun, c *s3.S3) (string, error)) func(*clientRun) {
		return func(r *clientRun) {
			run := awsV1(2, func(ctx aws.Context, c *s3.S3) (string, error) { return do(r, c) })(r.t, r.transport(), r.url)
			text, err := run(r.ctx)
			if coded, ok := err.(awserr.Error); ok {
				r.saw("code %s, cause %T", coded.Code(), coded.OrigErr())
			}
			r.result(text, err)
		}
	}
	put := func(size int) func(*clientRun) {
		return with(func(r *clientRun, c *s3.S3) (string, error) {
			out, err := c.PutObjectWithContext(otelhttpclient.ContextWithRetries(r.ctx), &s3.PutObjectInput{
				Bucket: aws.String("bucket"), Key: aws.String("key"), Body: strings.NewReader(strings.Repeat("x", size)),
			})
			if err != nil {
				return "", err
			}
			return aws.StringValue(out.ETag), nil
		})
	}
	get := with(func(r *clientRun, c *s3.S3) (string, error) { return awsV1Get(r.ctx, c) })
	stored := func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("ETag", `"1"`) }
	sends := func(w http.ResponseWriter, req *http.Request) {
		stored(w, req)
		io.WriteString(w, download)
	}
	truncates := func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Content-Length", "100")
		sends(w, req)
	}
	closes := func(w http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) }
	const large = 2<<20 + 1 // the SDK expects 100-continue from 2 MiB
	object := "PUT URL/bucket/key"
	runClientTests(t, []clientTest{
		{name: "retry after 503", serve: failFirst(1, unavailable, stored), use: put(10), want: []string{`"1"`},
			wantSpans: []string{object + " 503 error 503", object + " 200 resend 1"}},
		{name: "reset, no retry", serve: failFirst(1, reset, stored), use: put(10), // by the text "read: connection reset"
			want: []string{"code RequestError, cause *url.Error", "error RequestError: send request failed\ncaused by: " +
				`Put "URL/bucket/key": read tcp ADDRESS->ADDRESS: read: connection reset by peer: timeout false, types *awserr.baseError`},
			wantSpans: []string{object + " error response_ended"}},
		{name: "retry after close", serve: failFirst(2, closes, stored), use: put(10), want: []string{`"1"`},
			wantSpans: []string{object + " error response_ended", object + " error response_ended resend 1", object + " 200 resend 2"}},
		{name: "large upload", serve: failFirst(1, unavailable, stored), use: put(large), want: []string{`"1"`},
			wantSpans: []string{object + " 503 error 503", object + " 200 resend 1"}},
		{name: "download", serve: failFirst(0, nil, sends), use: get, want: []string{`"1"` + download},
			wantSpans: []string{"GET URL/bucket/key 200"}},
		{name: "truncated download", serve: failFirst(0, nil, truncates), use: get,
			want:      []string{"error unexpected EOF: timeout false, types *errors.errorString"},
			wantSpans: []string{"GET URL/bucket/key 200 error response_ended"}},
		{name: "not found", serve: failFirst(0, nil, http.NotFound), use: get,
			want: []string{"code NotFound, cause <nil>", "error NotFound: Not Found\n\tstatus code: 404, request id: , " +
				"host id: : timeout false, types *s3err.RequestFailure"},
			wantSpans: []string{"GET URL/bucket/key 404 error 404"}},
	})
}

// With AWS_CA_BUNDLE, a session accepts only an *http.Transport. docs/limits.md says so.
func TestAWSSDKv1RejectsTransportsWithCABundle(t *testing.T) {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	bundle := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(bundle, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_CA_BUNDLE", bundle)
	for _, row := range []struct {
		transport http.RoundTripper
		accepted  bool
	}{
		{&http.Transport{}, true},
		{otelhttpclient.NewTransport(&http.Transport{}), false},
		{struct{ http.RoundTripper }{&http.Transport{}}, false},
	} {
		_, err := session.NewSession(&aws.Config{HTTPClient: &http.Client{Transport: row.transport}})
		if accepted := err == nil; accepted != row.accepted {
			t.Errorf("session with a %T: got %v, want it accepted: %t", row.transport, err, row.accepted)
		}
	}
}
