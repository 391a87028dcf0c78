package e2e

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-retryablehttp"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/otelhttpclient/otelhttpclient"
)

// flaky is a server that fails the first requests and keeps all of them.
type flaky struct {
	url string

	mu           sync.Mutex
	failures     int
	traceparents []string
	bodies       []string
}

func newFlaky(t *testing.T, failures int) *flaky {
	f := &flaky{failures: failures}
	f.url = httptestServer(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		f.mu.Lock()
		defer f.mu.Unlock()
		f.traceparents = append(f.traceparents, r.Header.Get("Traceparent"))
		f.bodies = append(f.bodies, string(body))
		if len(f.bodies) <= f.failures {
			http.Error(w, "not now", http.StatusServiceUnavailable)
			return
		}
		io.WriteString(w, "done")
	}).URL
	return f
}

// retrying returns a client that retries up to twice, without delay.
func retrying(rt http.RoundTripper) *retryablehttp.Client {
	c := retryablehttp.NewClient()
	c.HTTPClient = &http.Client{Transport: rt, Timeout: patience}
	c.RetryMax = 2
	c.RetryWaitMin, c.RetryWaitMax = time.Millisecond, time.Millisecond
	c.Logger = nil
	return c
}

// TestRetryablehttpAbove: with a retrying client above the Transport, each attempt is a span. The spans are
// siblings.
func TestRetryablehttpAbove(t *testing.T) {
	const attempts = 3
	tests := []struct {
		name     string
		failures int
		// retries is whether ContextWithRetries is used.
		retries bool
		// wantResends is http.request.resend_count of each attempt.
		wantResends [attempts]any
		wantStatus  int
		why         string
	}{
		{"with retry context", 2, true, [attempts]any{nil, int64(1), int64(2)}, 200,
			"the count is an ordinal, and the first attempt has none"},
		{"without retry context", 2, false, [attempts]any{nil, nil, nil}, 200,
			"two requests with one context may be separate operations"},
		{"giving up", 3, true, [attempts]any{nil, int64(1), int64(2)}, 0,
			"the span of a discarded response ends too"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			rec := newRecorder(t)
			f := newFlaky(t, tt.failures)
			client := retrying(rec.transport(newBase(t)))

			ctx, parent := rec.parent(t.Context())
			if tt.retries {
				ctx = otelhttpclient.ContextWithRetries(ctx)
			}
			req, err := retryablehttp.NewRequestWithContext(ctx, http.MethodPost, f.url+"/jobs", strings.NewReader("job"))
			if err != nil {
				t.Fatal(err)
			}
			resp, err := client.Do(req)
			status := 0
			if err == nil {
				status = resp.StatusCode
				io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
			}
			if status != tt.wantStatus {
				t.Errorf("status %d, error %v; want status %d", status, err, tt.wantStatus)
			}

			for i, s := range rec.wait(t, attempts) {
				what := fmt.Sprintf("attempt %d", i+1)
				if s.Parent().SpanID() != parent.SpanID() {
					t.Errorf("%s: parent %s, want %s: attempts are siblings", what, s.Parent().SpanID(), parent.SpanID())
				}
				if got := attributeOf(s, semconv.HTTPRequestResendCountKey); got != tt.wantResends[i] {
					t.Errorf("%s: resend_count = %v, want %v (%s)", what, got, tt.wantResends[i], tt.why)
				}
				wantCode, wantStatus := codes.Unset, int64(200)
				if i < tt.failures {
					wantCode, wantStatus = codes.Error, 503
				}
				if s.Status().Code != wantCode || attributeOf(s, semconv.HTTPResponseStatusCodeKey) != wantStatus {
					t.Errorf("%s: status %v with code %v, want %v with %d",
						what, s.Status().Code, attributeOf(s, semconv.HTTPResponseStatusCodeKey), wantCode, wantStatus)
				}
				if want := s.SpanContext().SpanID().String(); !strings.Contains(f.traceparents[i], want) {
					t.Errorf("%s: traceparent %q, want its own span %s", what, f.traceparents[i], want)
				}
				if f.bodies[i] != "job" {
					t.Errorf("%s: body at the server = %q, want %q", what, f.bodies[i], "job")
				}
			}
		})
	}
}

// TestRetryablehttpBelow: with a retrying RoundTripper below the Transport, there is one span, and all
// attempts carry it.
func TestRetryablehttpBelow(t *testing.T) {
	tests := []struct {
		name      string
		failures  int
		wantCode  codes.Code
		wantError bool
	}{
		{"success after retries", 2, codes.Unset, false},
		{"giving up", 3, codes.Error, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			rec := newRecorder(t)
			f := newFlaky(t, tt.failures)
			client := &http.Client{Transport: rec.transport(&retryablehttp.RoundTripper{Client: retrying(newBase(t))})}

			ctx, parent := rec.parent(t.Context())
			req, err := http.NewRequestWithContext(ctx, http.MethodPost, f.url+"/jobs", strings.NewReader("job"))
			if err != nil {
				t.Fatal(err)
			}
			resp, err := client.Do(req)
			if got := err != nil; got != tt.wantError {
				t.Errorf("error %v, want one: %t", err, tt.wantError)
			}
			if err == nil {
				io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
			}

			s := rec.wait(t, 1)[0]
			if s.Parent().SpanID() != parent.SpanID() {
				t.Errorf("parent %s, want %s", s.Parent().SpanID(), parent.SpanID())
			}
			if s.Status().Code != tt.wantCode {
				t.Errorf("status %v, want %v", s.Status().Code, tt.wantCode)
			}
			if got := attributeOf(s, semconv.HTTPRequestResendCountKey); got != nil {
				t.Errorf("resend_count = %v, want none: the Transport sees one request", got)
			}
			if got := len(f.traceparents); got != 3 {
				t.Errorf("attempts at the server = %d, want 3", got)
			}
			for i, tp := range f.traceparents {
				if want := s.SpanContext().SpanID().String(); !strings.Contains(tp, want) {
					t.Errorf("attempt %d: traceparent %q, want span %s", i+1, tp, want)
				}
			}
		})
	}
}
