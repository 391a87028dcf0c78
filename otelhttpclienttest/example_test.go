package otelhttpclienttest_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"go.opentelemetry.io/otel/attribute"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/otelhttpclienttest"
)

// lookUp is the code under test. It tries twice.
func lookUp(ctx context.Context, client *http.Client, url string) error {
	for range 2 {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
	return nil
}

func Example() {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()

	rec := otelhttpclienttest.NewRecorder(server.Client().Transport)
	lookUp(context.Background(), rec.Client(), server.URL+"/items/42")

	span := rec.Spans()[0]
	fmt.Println(span.Name, span.Attribute("http.response.status_code").AsInt64())
	// Output: GET 404
}

// Requests have the headers that the propagator injected. SpanOf finds the span
// of each.
func ExampleRecorder_Requests() {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()

	rec := otelhttpclienttest.NewRecorder(server.Client().Transport)
	ctx := otelhttpclient.ContextWithRetries(context.Background())
	lookUp(ctx, rec.Client(), server.URL)

	for _, req := range rec.Requests() {
		span, ended := rec.SpanOf(req)
		fmt.Println(req.Header.Get("Traceparent") != "", ended, span.Attribute("http.request.resend_count").AsInt64())
	}
	// Output:
	// true true 0
	// true true 1
}

func ExampleRecorder_Sum() {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()

	rec := otelhttpclienttest.NewRecorder(server.Client().Transport)
	lookUp(context.Background(), rec.Client(), server.URL)

	_, failed := rec.Sum("http.client.request.duration", attribute.String("error.type", "404"))
	_, timedOut := rec.Sum("http.client.request.duration", attribute.String("error.type", "timeout"))
	fmt.Println(failed, timedOut)
	// Output: 2 0
}
