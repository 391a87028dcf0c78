package otelhttpclient

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// TestLastActivityFollowsTheClock: the clock here is years away from the one
// that the process was started with, as after it was set.
func TestLastActivityFollowsTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rt := NewTransport(stub(func(req *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Header: http.Header{}, Body: struct{ io.ReadCloser }{io.NopCloser(strings.NewReader("fine"))}, Request: req}, nil
		}), WithTracerProvider(sdktrace.NewTracerProvider()))
		req, _ := http.NewRequestWithContext(t.Context(), "GET", "https://example.com/", nil)
		resp, err := rt.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b := resp.Body.(*responseBody)
		for range 2 {
			time.Sleep(time.Hour)
			_, _ = resp.Body.Read(make([]byte, 1))
			if got, want := b.x.lastActive(), time.Now(); got.UnixNano() != want.UnixNano() {
				t.Errorf("last activity: got %v, want %v", got, want)
			}
		}
	})
}

type stub func(*http.Request) (*http.Response, error)

func (s stub) RoundTrip(req *http.Request) (*http.Response, error) { return s(req) }
