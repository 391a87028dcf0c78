package streams

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/instrumented"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

// On HTTP/2, trailers are available even if the body ends before its
// Content-Length.
func TestTrailersOfShortBody(t *testing.T) {
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		server := oteltest.NewServer(t, version, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, "short")
			w.Header().Set(http.TrailerPrefix+"Grpc-Status", "13")
		})
		read := func(rt http.RoundTripper) string {
			resp := oteltest.Open(t, rt, oteltest.NewRequest(t, t.Context(), "GET", server.URL, nil))
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			return fmt.Sprint(string(body), " ", err, " ", resp.Trailer)
		}
		base := server.Client().Transport
		if got, want := read(instrumented.Transport(oteltest.New(t), base)), read(base); got != want {
			t.Errorf("got %s, want what base gives, %s", got, want)
		}
	})
}

// A base other than net/http may leave ContentLength 0 in a response with a
// body, on HTTP/2 too.
func TestBodyWithLengthZero(t *testing.T) {
	broken := errors.New("broken")
	tel := oteltest.New(t)
	rt := instrumented.Transport(tel, oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		resp := oteltest.Reply(req, 200, io.NopCloser(io.MultiReader(strings.NewReader("content"), oteltest.FailingBody("", broken))))
		resp.ProtoMajor, resp.ProtoMinor, resp.ContentLength = 2, 0, 0
		return resp, nil
	}))
	resp := oteltest.Open(t, rt, oteltest.NewRequest(t, t.Context(), "GET", "https://example.com/", nil))
	if got := len(tel.Spans()); got != 0 {
		t.Errorf("spans that have ended before the body was read: got %d, want 0", got)
	}
	if _, err := io.ReadAll(resp.Body); !errors.Is(err, broken) {
		t.Errorf("reading: got %v, want %v", err, broken)
	}
	_ = resp.Body.Close()
	if tel.OnlySpan().Status.Code != 1 {
		t.Errorf("status: got %v, want Error", tel.OnlySpan().Status)
	}
}

// With EndOnHeaders, the span and the duration end before the stream does.
func TestEndOnHeaders(t *testing.T) {
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		next := make(chan struct{})
		server := oteltest.NewServer(t, version, func(w http.ResponseWriter, _ *http.Request) {
			w.(http.Flusher).Flush()
			<-next
			_, _ = io.WriteString(w, "event")
		})
		tel := oteltest.New(t)
		rt := instrumented.Transport(tel, server.Client().Transport, otelhttpclient.WithSpanEnd(otelhttpclient.EndOnHeaders))
		req := oteltest.NewRequest(t, t.Context(), http.MethodGet, server.URL, nil)
		resp := oteltest.Open(t, rt, req)
		tel.OnlySpan()
		tel.DurationAttributes()
		close(next)
		if got, err := io.ReadAll(resp.Body); err != nil || string(got) != "event" {
			t.Errorf("body: got %q and %v, want %q and no error", got, err, "event")
		}
		resp.Body.Close()
		tel.OnlySpan() // still
	})
}
