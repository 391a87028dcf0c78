package streams

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/otelhttpclient/otelhttpclient/internal/oteltest"
)

// The HTTP/2 frames and flags of these tests.
const (
	frameData, frameHeaders, frameRSTStream, frameSettings, frameGoAway = 0, 1, 3, 4, 7

	flagEndStream, flagAck, flagEndHeaders = 1, 1, 4
)

func writeFrame(w io.Writer, kind, flags byte, stream uint32, payload ...byte) {
	head := []byte{byte(len(payload) >> 16), byte(len(payload) >> 8), byte(len(payload)), kind, flags}
	_, _ = w.Write(append(binary.BigEndian.AppendUint32(head, stream), payload...))
}

// newRefusingServer starts an HTTP/2 server that calls refuse for the first
// complete request and answers the others with 200. bodies receives the bodies
// of all requests.
func newRefusingServer(t *testing.T, refuse func(w io.Writer, stream uint32)) (address string, base *http.Transport, bodies <-chan string) {
	t.Helper()
	w := oteltest.NewServer(t, "2", nil) // for its certificate and client
	config := w.TLS.Clone()
	config.NextProtos = []string{"h2"}
	l, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	var refused atomic.Bool
	got := make(chan string, 8)
	serve := func(c net.Conn) {
		defer c.Close()
		in := bufio.NewReader(c)
		if _, err := in.Discard(len("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")); err != nil {
			return
		}
		writeFrame(c, frameSettings, 0, 0)
		data := map[uint32]*bytes.Buffer{}
		for head := make([]byte, 9); ; {
			if _, err := io.ReadFull(in, head); err != nil {
				return
			}
			payload := make([]byte, int(head[0])<<16|int(head[1])<<8|int(head[2]))
			if _, err := io.ReadFull(in, payload); err != nil {
				return
			}
			kind, flags, stream := head[3], head[4], binary.BigEndian.Uint32(head[5:])
			switch kind {
			case frameSettings:
				if flags&flagAck == 0 {
					writeFrame(c, frameSettings, flagAck, 0)
				}
			case frameHeaders:
				data[stream] = &bytes.Buffer{}
			case frameData:
				data[stream].Write(payload)
			}
			if (kind == frameHeaders || kind == frameData) && flags&flagEndStream != 0 {
				got <- data[stream].String()
				if refused.CompareAndSwap(false, true) {
					refuse(c, stream)
					continue
				}
				const status200 = 0x88 // index in the static table
				writeFrame(c, frameHeaders, flagEndHeaders|flagEndStream, stream, status200)
			}
		}
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go serve(c)
		}
	}()
	return "https://" + l.Addr().String(), w.Base, got
}
