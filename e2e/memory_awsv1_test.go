//lint:file-ignore SA1019 aws-sdk-go is deprecated, but many programs still use it.

package e2e

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go/aws"
	"github.com/aws/aws-sdk-go/aws/credentials"
	"github.com/aws/aws-sdk-go/aws/session"
	"github.com/aws/aws-sdk-go/service/s3"
)

// awsV1 makes the response reachable from the request: Request.GetBody is a method value of the SDK's
// own request, which refers to both.
func awsV1(retries int, do func(context.Context, *s3.S3) (string, error)) func(*testing.T, http.RoundTripper, string) call {
	return func(t *testing.T, rt http.RoundTripper, url string) call {
		t.Setenv("AWS_CA_BUNDLE", "") // with it, a session accepts only an *http.Transport
		s, err := session.NewSessionWithOptions(session.Options{
			SharedConfigState: session.SharedConfigDisable,
			Config: aws.Config{
				Endpoint:         &url,
				Region:           aws.String("us-east-1"),
				S3ForcePathStyle: aws.Bool(true),
				Credentials:      credentials.NewStaticCredentials("id", "secret", ""),
				HTTPClient:       &http.Client{Transport: rt, Timeout: patience},
				MaxRetries:       &retries,
				SleepDelay:       func(time.Duration) {},
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		client := s3.New(s)
		return func(ctx context.Context) (string, error) { return do(ctx, client) }
	}
}

func awsV1Get(ctx context.Context, client *s3.S3) (string, error) {
	out, err := client.GetObjectWithContext(ctx, &s3.GetObjectInput{
		Bucket: aws.String("bucket"), Key: aws.String("key"),
	})
	if err != nil {
		return "", err
	}
	defer out.Body.Close()
	body, err := io.ReadAll(out.Body)
	return *out.ETag + string(body), err
}

func awsV1Put(ctx context.Context, client *s3.S3) (string, error) {
	out, err := client.PutObjectWithContext(ctx, &s3.PutObjectInput{
		Bucket: aws.String("bucket"), Key: aws.String("key"), Body: strings.NewReader(upload),
	})
	if err != nil {
		return "", err
	}
	return *out.ETag, nil
}
