package streams

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/conformance/internal/suite"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

// On HTTP/2, a length of 0 does not end the stream: trailers may follow. A
// net/http server answers so, and gRPC errors come that way.
func TestTrailersAfterAnEmptyBody(t *testing.T) {
	for _, status := range []int{200, 304, 503} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			server := oteltest.NewServer(t, "2", func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(status)
				w.Header().Set(http.TrailerPrefix+"Grpc-Status", "13")
			})
			suite.Compare(t, server.Base, 1, func(t *testing.T, r suite.Run) string {
				got := suite.Exchange(r, oteltest.NewRequest(t, t.Context(), http.MethodPost, server.URL, nil))
				if !strings.Contains(got, "Grpc-Status:[13]") {
					t.Errorf("got %s, want the trailer", got)
				}
				return got
			})
			run := suite.NewRun(t, server.Base, otelhttpclient.WithSpanEnd(otelhttpclient.EndOnHeaders))
			if got := suite.Exchange(run, oteltest.NewRequest(t, t.Context(), http.MethodPost, server.URL, nil)); !strings.Contains(got, "Grpc-Status:[13]") {
				t.Errorf("with EndOnHeaders: got %s, want the trailer", got)
			}
		})
	}
}

// Nor does it mean that the stream ends well.
func TestResetAfterAnEmptyBody(t *testing.T) {
	const status200, status304, internalError = 0x88, 0x8b, 2 // the first two: indices in the static table
	for name, headers := range map[string][]byte{
		"content-length 0": {status200, 0x0f, 0x0d, 1, '0'},
		"304":              {status304},
	} {
		t.Run(name, func(t *testing.T) {
			url, base := oteltest.RawHTTP2Server(t, func(c net.Conn) func(oteltest.Frame) {
				return func(f oteltest.Frame) {
					if f.Kind == oteltest.FrameHeaders {
						oteltest.Frame{Kind: oteltest.FrameHeaders, Flags: oteltest.FlagEndHeaders, Stream: f.Stream, Payload: headers}.Write(c)
						oteltest.Frame{Kind: oteltest.FrameRSTStream, Stream: f.Stream, Payload: []byte{0, 0, 0, internalError}}.Write(c)
					}
				}
			})
			run := suite.NewRun(t, base)
			resp := oteltest.Open(t, run, oteltest.NewRequest(t, t.Context(), http.MethodGet, url, nil))
			_, err := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			if err == nil {
				t.Fatal("reading the body: got no error, want that of the stream")
			}
			span := run.SDK.Spans()[0]
			if got := oteltest.Attributes(span.Attributes)["error.type"].AsString(); got != "response_ended" {
				t.Errorf("error.type: got %q (%v), want response_ended", got, span.Status)
			}
		})
	}
}
