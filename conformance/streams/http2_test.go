package streams

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

// newRefusingServer starts an HTTP/2 server that calls refuse for the first
// complete request and answers the others with 200. bodies receives the bodies
// of all requests.
func newRefusingServer(t *testing.T, refuse func(w io.Writer, stream uint32)) (url string, base *http.Transport, bodies <-chan string) {
	t.Helper()
	var refused atomic.Bool
	got := make(chan string, 8)
	url, base = oteltest.RawHTTP2Server(t, func(c net.Conn) func(oteltest.Frame) {
		data := map[uint32]*bytes.Buffer{}
		return func(f oteltest.Frame) {
			switch f.Kind {
			case oteltest.FrameHeaders:
				data[f.Stream] = &bytes.Buffer{}
			case oteltest.FrameData:
				data[f.Stream].Write(f.Payload)
			default:
				return
			}
			if f.Flags&oteltest.FlagEndStream == 0 {
				return
			}
			got <- data[f.Stream].String()
			if refused.CompareAndSwap(false, true) {
				refuse(c, f.Stream)
				return
			}
			const status200 = 0x88 // index in the static table
			oteltest.Frame{Kind: oteltest.FrameHeaders, Flags: oteltest.FlagEndHeaders | oteltest.FlagEndStream, Stream: f.Stream, Payload: []byte{status200}}.Write(c)
		}
	})
	return url, base, got
}
