package oteltest

import (
	"bufio"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"testing"
)

// The frames and flags of HTTP/2 that tests use.
const (
	FrameData, FrameHeaders, FrameRSTStream, FrameSettings, FrameGoAway = 0, 1, 3, 4, 7

	FlagEndStream, FlagAck, FlagEndHeaders = 1, 1, 4
)

// A Frame is a frame of HTTP/2.
type Frame struct {
	Kind, Flags byte
	Stream      uint32
	Payload     []byte
}

// Write writes the frame to w.
func (f Frame) Write(w io.Writer) {
	head := []byte{byte(len(f.Payload) >> 16), byte(len(f.Payload) >> 8), byte(len(f.Payload)), f.Kind, f.Flags}
	_, _ = w.Write(append(binary.BigEndian.AppendUint32(head, f.Stream), f.Payload...))
}

// RawHTTP2Server starts a server that reads the frames of HTTP/2 and leaves the
// answers to the function that serve returns for each connection. It returns the
// server's URL, and a transport that trusts it.
func RawHTTP2Server(t testing.TB, serve func(c net.Conn) func(Frame)) (url string, base *http.Transport) {
	t.Helper()
	s := NewServer(t, "2", nil) // for its certificate and client
	config := s.TLS.Clone()
	config.NextProtos = []string{"h2"}
	l, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				readFrames(c, serve(c))
			}()
		}
	}()
	return "https://" + l.Addr().String(), s.Base
}

// readFrames calls got for each frame of a client but for those of settings,
// which it acknowledges, until the connection ends.
func readFrames(c net.Conn, got func(Frame)) {
	in := bufio.NewReader(c)
	if _, err := in.Discard(len("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")); err != nil {
		return
	}
	Frame{Kind: FrameSettings}.Write(c)
	for head := make([]byte, 9); ; {
		if _, err := io.ReadFull(in, head); err != nil {
			return
		}
		f := Frame{head[3], head[4], binary.BigEndian.Uint32(head[5:]), make([]byte, int(head[0])<<16|int(head[1])<<8|int(head[2]))}
		if _, err := io.ReadFull(in, f.Payload); err != nil {
			return
		}
		switch {
		case f.Kind != FrameSettings:
			got(f)
		case f.Flags&FlagAck == 0:
			Frame{Kind: FrameSettings, Flags: FlagAck}.Write(c)
		}
	}
}
