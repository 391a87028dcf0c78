package conventions

import (
	"encoding/binary"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

// http2Failures returns the ways in which an HTTP/2 server fails a request whose
// body it has read and net/http cannot send again.
func http2Failures() []failure {
	var list []failure
	type answer = func(c net.Conn, stream uint32)
	add := func(name, reason, want string, status int, answer answer) {
		run := func(t *testing.T, wrap func(http.RoundTripper) http.RoundTripper) error {
			url, base := oteltest.RawHTTP2Server(t, func(c net.Conn) func(oteltest.Frame) {
				return func(f oteltest.Frame) {
					if f.Kind == oteltest.FrameData && f.Flags&oteltest.FlagEndStream != 0 {
						answer(c, f.Stream)
					}
				}
			})
			_, err := oteltest.Send(wrap(base), oteltest.NewRequest(t, t.Context(), "POST", url, oteltest.NewBody(strings.NewReader("content"))))
			return err
		}
		list = append(list, failure{name + ", HTTP/2", reason, want, status, run})
	}
	frame := func(kind, flags byte, payload string) answer {
		return func(c net.Conn, stream uint32) {
			oteltest.Frame{Kind: kind, Flags: flags, Stream: stream, Payload: []byte(payload)}.Write(c)
		}
	}
	reset := func(code byte) answer { return frame(oteltest.FrameRSTStream, 0, string([]byte{0, 0, 0, code})) }
	goAway := func(code byte, processed bool) answer {
		return func(c net.Conn, stream uint32) {
			if !processed {
				stream = 0
			}
			payload := append(binary.BigEndian.AppendUint32(nil, stream), 0, 0, 0, code)
			oteltest.Frame{Kind: oteltest.FrameGoAway, Payload: payload}.Write(c)
		}
	}
	headers := func(block string, flags byte) answer {
		return frame(oteltest.FrameHeaders, oteltest.FlagEndHeaders|flags, block)
	}
	data := func(text string) answer { return frame(oteltest.FrameData, oteltest.FlagEndStream, text) }
	hangUp := func(c net.Conn, _ uint32) { c.Close() }
	all := func(answers ...answer) answer {
		return func(c net.Conn, stream uint32) {
			for _, a := range answers {
				a(c, stream)
			}
		}
	}
	const (
		status200    = "\x88"           // of HPACK's static table
		status103    = "\x08\x03103"    // a literal
		length3      = "\x5c\x013"      // content-length
		invalidName  = "\x00\x01A\x01b" // in upper case
		protocol     = 0x1
		internal     = 0x2
		flowControl  = 0x3
		refused      = 0x7
		tooLarge     = 1 << 21
		ofConnection = 0
	)
	add("refused stream", "after the body, without GetBody", "response_ended", 0, reset(refused))
	add("graceful GOAWAY", "after the body, without GetBody", "response_ended", 0, goAway(0, false))
	add("GOAWAY with an error", "", "response_ended", 0, goAway(internal, false))
	add("GOAWAY and the end", "", "response_ended", 0, all(goAway(0, true), hangUp))
	add("hang up", "unexpected EOF", "response_ended", 0, hangUp)
	add("hang up in the body", "unexpected EOF", "response_ended", 200, all(headers(status200, 0), hangUp))
	for name, code := range map[string]byte{"PROTOCOL_ERROR": protocol, "INTERNAL_ERROR": internal, "FLOW_CONTROL_ERROR": flowControl} {
		add("reset with "+name, "the server ends it, whatever it calls that", "response_ended", 0, reset(code))
		add("reset in the body with "+name, "", "response_ended", 200, all(headers(status200, 0), reset(code)))
	}
	add("less than the declared length", "unexpected EOF", "response_ended", 200, all(headers(status200+length3, 0), data("ab")))
	add("more than the declared length", "", "http_protocol_error", 200, all(headers(status200+length3, 0), data("abcde")))
	add("no status", "", "http_protocol_error", 0, headers(length3, 0))
	add("data before headers", "net/http resets the stream without a reason", "http_protocol_error", 0, data("abc"))
	add("an invalid header", "", "http_protocol_error", 0, headers(status200+invalidName, 0))
	add("1xx that ends the stream", "", "http_protocol_error", 0, headers(status103, oteltest.FlagEndStream))
	add("headers of no stream", "", "http_protocol_error", 0, func(c net.Conn, _ uint32) { headers(status200, 0)(c, ofConnection) })
	add("headers that HPACK does not know", "", "http_protocol_error", 0, headers("\xff\xff\xff\x7f", 0))
	add("a frame too large", "", "http_protocol_error", 200, all(headers(status200, 0), data(strings.Repeat("x", tooLarge))))
	return list
}
