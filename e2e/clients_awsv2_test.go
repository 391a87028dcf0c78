package e2e

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/otelhttpclient/otelhttpclient"
)

const awsKeyID = "AKIDEXAMPLE00000"

// TestAWSSDKv2: users depend on uploads that are sent whole again after a failure, with the checksum in the
// trailer, on the modeled errors, on streamed downloads, and on presigned URLs, which are credentials.
func TestAWSSDKv2(t *testing.T) {
	client := func(r *clientRun) *s3.Client {
		return s3.New(s3.Options{
			BaseEndpoint: &r.url,
			Region:       "us-east-1",
			UsePathStyle: true,
			Credentials:  credentials.NewStaticCredentialsProvider(awsKeyID, "secret", ""),
			HTTPClient:   r.httpClient(),
			Retryer:      awsV2Twice,
		})
	}
	put := func(r *clientRun) {
		out, err := client(r).PutObject(otelhttpclient.ContextWithRetries(r.ctx), &s3.PutObjectInput{
			Bucket: aws.String("bucket"), Key: aws.String("key"), Body: strings.NewReader(upload),
		})
		if err != nil {
			r.saw("error %.400v", err)
			return
		}
		r.saw("etag %s", aws.ToString(out.ETag))
	}
	stored := func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("ETag", `"1"`) }
	object := "PUT URL/bucket/key?x-id=PutObject"
	runClientTests(t, []clientTest{
		{name: "retry after 503", serve: failFirst(1, unavailable, stored), use: put,
			want:      []string{`etag "1"`},
			wantSpans: []string{object + " 503 error 503", object + " 200 resend 1"}},
		{name: "retry after 503 over HTTP/2 and TLS", serve: failFirst(1, unavailable, stored), start: startTLS, use: put,
			want:      []string{`etag "1"`},
			wantSpans: []string{object + " 503 HTTP/2 error 503", object + " 200 HTTP/2 resend 1"}},
		{name: "retry after reset", serve: failFirst(1, reset, stored), use: put,
			want:      []string{`etag "1"`},
			wantSpans: []string{object + " error response_ended", object + " 200 resend 1"}},
		{name: "download and modeled error", serve: func() http.HandlerFunc {
			return func(w http.ResponseWriter, req *http.Request) {
				if req.URL.Path == "/bucket/missing" {
					w.WriteHeader(http.StatusNotFound)
					io.WriteString(w, "<Error><Code>NoSuchKey</Code><Message>gone</Message></Error>")
					return
				}
				io.WriteString(w, download)
			}
		}, use: func(r *clientRun) {
			c := client(r)
			for _, key := range []string{"key", "missing"} {
				out, err := c.GetObject(r.ctx, &s3.GetObjectInput{Bucket: aws.String("bucket"), Key: &key})
				var missing *types.NoSuchKey
				if errors.As(err, &missing) {
					r.saw("missing: %s", missing.ErrorMessage())
					continue
				}
				if err != nil {
					r.failed(err)
					continue
				}
				body, err := io.ReadAll(out.Body)
				r.saw("%d bytes %q, error %v, close %v", aws.ToInt64(out.ContentLength), body, err, out.Body.Close())
			}
		}, want: []string{`19 bytes "what the server has", error <nil>, close <nil>`, "missing: gone"},
			wantSpans: []string{"GET URL/bucket/key?x-id=GetObject 200", "GET URL/bucket/missing?x-id=GetObject 404 error 404"}},
		{name: "presigned URL", serve: func() http.HandlerFunc {
			return func(w http.ResponseWriter, req *http.Request) { io.WriteString(w, download) }
		}, use: func(r *clientRun) {
			signed, err := s3.NewPresignClient(client(r)).PresignGetObject(r.ctx,
				&s3.GetObjectInput{Bucket: aws.String("bucket"), Key: aws.String("key")})
			if err != nil {
				r.failed(err)
				return
			}
			req, _ := http.NewRequestWithContext(r.ctx, signed.Method, signed.URL, nil)
			r.result(readResponse(r.httpClient().Do(req)))
		}, want: []string{"200 " + download},
			secrets: []string{awsKeyID},
			wantSpans: []string{"GET URL/bucket/key?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=REDACTED&X-Amz-Date=…" +
				"&X-Amz-Expires=900&X-Amz-SignedHeaders=host&x-id=GetObject&X-Amz-Signature=REDACTED 200"}},
	})
}
