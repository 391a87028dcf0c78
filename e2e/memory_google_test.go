package e2e

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/googleapis/gax-go/v2"
	"google.golang.org/api/googleapi"
	"google.golang.org/api/option"
	"google.golang.org/api/storage/v1"
)

func googleStorage(t *testing.T, rt http.RoundTripper, url string) *storage.Service {
	client, err := storage.NewService(t.Context(),
		option.WithHTTPClient(&http.Client{Transport: rt, Timeout: patience}),
		option.WithEndpoint(url+"/storage/v1/"))
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func googleDownload(t *testing.T, rt http.RoundTripper, url string) call {
	client := googleStorage(t, rt, url)
	return func(ctx context.Context) (string, error) {
		return readResponse(client.Objects.Get("bucket", "name").Context(ctx).Download())
	}
}

func googleUpload(t *testing.T, rt http.RoundTripper, url string) call {
	client := googleStorage(t, rt, url)
	return func(ctx context.Context) (string, error) {
		object, err := client.Objects.Insert("bucket", &storage.Object{Name: "name"}).
			Media(strings.NewReader(upload), googleapi.ChunkSize(googleapi.MinUploadChunkSize)).
			WithRetry(&gax.Backoff{Initial: time.Millisecond}, nil).
			Context(ctx).Do()
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("%d %s", object.HTTPStatusCode, object.Name), nil
	}
}
