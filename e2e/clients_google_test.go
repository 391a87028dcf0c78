package e2e

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/googleapis/gax-go/v2"
	"google.golang.org/api/googleapi"
	"google.golang.org/api/storage/v1"

	"github.com/otelhttpclient/otelhttpclient"
)

// TestGoogleAPI: users depend on resumable uploads, in which each chunk is a request and 308 is no redirect,
// on retries that the client decides by status and error type, and on *googleapi.Error. Tokens may be in
// the query.
func TestGoogleAPI(t *testing.T) {
	insert := func(size int, retries bool) func(*clientRun) {
		return func(r *clientRun) {
			ctx := r.ctx
			if retries {
				ctx = otelhttpclient.ContextWithRetries(ctx)
			}
			object, err := googleStorage(r.t, r.transport(), r.url).Objects.Insert("bucket", &storage.Object{Name: "name"}).
				Media(strings.NewReader(strings.Repeat("x", size)), googleapi.ChunkSize(googleapi.MinUploadChunkSize)).
				WithRetry(&gax.Backoff{Initial: time.Millisecond, Max: time.Millisecond}, nil).
				Context(ctx).Do(googleapi.QueryParameter("access_token", accessToken))
			if err != nil {
				r.failed(err)
				return
			}
			r.saw("%d %s", object.HTTPStatusCode, object.Name)
		}
	}
	twoChunks := insert(googleapi.MinUploadChunkSize+100, false)
	get := func(r *clientRun) {
		object, err := googleStorage(r.t, r.transport(), r.url).Objects.Get("bucket", "name").
			Context(r.ctx).Do(googleapi.QueryParameter("access_token", accessToken))
		var failure *googleapi.Error
		if errors.As(err, &failure) {
			r.saw("code %d, %s", failure.Code, failure.Message)
			return
		}
		if err != nil {
			r.failed(err)
			return
		}
		r.saw("%d %s", object.HTTPStatusCode, object.Name)
	}
	// resumable is the server's side of an upload in two chunks, of which the second fails at first.
	resumable := func(fail http.HandlerFunc) func() http.HandlerFunc {
		return func() http.HandlerFunc {
			var requests int
			return func(w http.ResponseWriter, req *http.Request) {
				io.Copy(io.Discard, req.Body)
				requests++
				switch requests {
				case 1:
					w.Header().Set("Location", "http://"+req.Host+"/session?upload_id=1")
				case 2:
					w.Header().Set("X-Http-Status-Code-Override", "308")
					w.Header().Set("Range", fmt.Sprintf("bytes=0-%d", googleapi.MinUploadChunkSize-1))
				case 3:
					fail(w, req)
				default:
					object(w, req)
				}
			}
		}
	}
	denied := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusForbidden)
		io.WriteString(w, `{"error": {"code": 403, "message": "not yours"}}`)
	}
	started := "POST URL/upload/storage/v1/b/bucket/o?access_token=REDACTED&alt=json&prettyPrint=false&uploadType=resumable 200"
	whole := "POST URL/upload/storage/v1/b/bucket/o?access_token=REDACTED&alt=json&prettyPrint=false&uploadType=multipart "
	chunk := "POST URL/session?upload_id=1 "
	got := "GET URL/storage/v1/b/bucket/o/name?access_token=REDACTED&alt=json&prettyPrint=false "
	tests := []clientTest{
		{name: "resumable upload with a 503", serve: resumable(unavailable), use: twoChunks, want: []string{"200 stored"},
			wantSpans: []string{started, chunk + "200", chunk + "503 error 503", chunk + "200"}},
		{name: "resumable upload with a reset", serve: resumable(reset), use: twoChunks, want: []string{"200 stored"},
			wantSpans: []string{started, chunk + "200", chunk + "error response_ended", chunk + "200"}},
		{name: "multipart upload with a reset", serve: failFirst(1, reset, object), use: insert(10, true), want: []string{"200 stored"},
			wantSpans: []string{whole + "error response_ended", whole + "200 resend 1"}},
		{name: "error response", serve: failFirst(0, nil, denied), use: get, want: []string{"code 403, not yours"},
			wantSpans: []string{got + "403 error 403"}},
	}
	for i := range tests {
		tests[i].secrets = []string{accessToken}
	}
	runClientTests(t, tests)
}

// object answers as the storage service.
func object(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	io.WriteString(w, `{"name": "stored"}`)
}
