package faults

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

// serveFunc answers a request and reports whether to keep the connection. nth
// counts the requests on the connection from 1.
type serveFunc func(c *net.TCPConn, req *http.Request, nth int) (keep bool)

const wholeAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

const maxHeader = 4096

// reset closes a connection so that the peer sees a reset.
func reset(c *net.TCPConn) {
	_ = c.SetLinger(0)
	_ = c.Close()
}

// answer reads the request, sends a text and closes the connection.
func answer(text string) serveFunc {
	return func(c *net.TCPConn, req *http.Request, _ int) bool {
		_, _ = io.Copy(io.Discard, req.Body) // closing with unread data would reset the connection
		_, _ = io.WriteString(c, text)
		return false
	}
}

func answerAndReset(text string) serveFunc {
	answer := answer(text)
	return func(c *net.TCPConn, req *http.Request, nth int) bool {
		answer(c, req, nth)
		reset(c)
		return false
	}
}

// keep answers well and then, after some requests, calls end on the connection
// without notice.
func keep(requests int, end func(*net.TCPConn)) serveFunc {
	return func(c *net.TCPConn, req *http.Request, nth int) bool {
		_, _ = io.Copy(io.Discard, req.Body)
		_, _ = io.WriteString(c, wholeAnswer)
		if nth < requests {
			return true
		}
		end(c)
		return false
	}
}

// trickle sends a text byte by byte.
func trickle(text string) serveFunc {
	return func(c *net.TCPConn, req *http.Request, _ int) bool {
		for i := range len(text) {
			if _, err := io.WriteString(c, text[i:i+1]); err != nil {
				return false
			}
			time.Sleep(time.Millisecond)
		}
		return false
	}
}

// hang sends a text and then nothing until the client closes the connection.
func hang(text string) serveFunc {
	return func(c *net.TCPConn, req *http.Request, _ int) bool {
		_, _ = io.WriteString(c, text)
		arrived(req)
		_, _ = io.Copy(io.Discard, c) // closing with unread data would reset the connection
		return false
	}
}

// redirect answers with a redirect, and with 200 at /there.
func redirect(location string) serveFunc {
	return func(c *net.TCPConn, req *http.Request, _ int) bool {
		if req.URL.Path == "/there" {
			_, _ = io.WriteString(c, wholeAnswer)
		} else {
			_, _ = fmt.Fprintf(c, "HTTP/1.1 302 Found\r\n%sContent-Length: 0\r\n\r\n", location)
		}
		return true
	}
}

// faultsHTTP1 returns the faults of a server on the raw connection.
func faultsHTTP1(t *testing.T) []*fault {
	nobody := oteltest.ClosedPort(t)
	return []*fault{
		{name: "none", serve: keep(1<<30, nil)},
		{name: "none, upload", method: "POST", upload: 64 << 10, serve: keep(1<<30, nil)},
		{name: "none, HEAD", method: "HEAD", serve: answer("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")},
		{name: "refused connection", url: nobody},
		{name: "empty", serve: answer("")},
		{name: "empty, upload", method: "POST", upload: 1000, serve: answer("")},
		{name: "garbage", serve: answer("garbage\r\n\r\n")},
		{name: "invalid status", serve: answer("HTTP/1.1 20x OK\r\n\r\n")},
		{name: "invalid header line", serve: answer("HTTP/1.1 200 OK\r\nno colon\r\n\r\n")},
		{name: "too long header", serve: answer("HTTP/1.1 200 OK\r\nA: " + strings.Repeat("a", 3*maxHeader) + "\r\n\r\n")},
		{name: "reset before the header", serve: answerAndReset("")},
		{name: "reset before the header, upload", method: "POST", upload: 1000, serve: answerAndReset("")},
		{name: "end in the header", serve: answer("HTTP/1.1 200 OK\r\nContent-Le")},
		{name: "reset in the header", serve: answerAndReset("HTTP/1.1 200 OK\r\nContent-Le")},
		{name: "reset in the body", serve: answerAndReset("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe")},
		{name: "reset in the body, upload", method: "PUT", upload: 1000, serve: answerAndReset("HTTP/1.1 500 Oh\r\nContent-Length: 5\r\n\r\nhe")},
		{name: "reset in a chunk", serve: answerAndReset("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe")},
		{name: "length too long", serve: answer("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello")},
		{name: "length too short", serve: answer("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3\r\n\r\nhello")},
		{name: "length below zero", serve: answer("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n")},
		{name: "two lengths", serve: answer("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello")},
		{name: "no length", serve: answer("HTTP/1.1 200 OK\r\n\r\nhello")},
		{name: "no body", serve: answer("HTTP/1.1 204 No Content\r\n\r\n")},
		{name: "broken chunk", serve: answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n")},
		{name: "half a chunk", serve: answer("HTTP/1.1 500 Oh\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe")},
		{name: "trailer", serve: answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: T\r\n\r\n5\r\nhello\r\n0\r\nT: t\r\n\r\n")},
		{name: "half a trailer", serve: answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: T\r\n\r\n5\r\nhello\r\n0\r\nT")},
		{name: "informational answer first", serve: answer("HTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n" + wholeAnswer)},
		{name: "endless informational answers", serve: answer(strings.Repeat("HTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n", 100))},
		{name: "no gzip", serve: answer("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 15\r\n\r\nhellohellohello")},
		{name: "half a gzip", serve: answer("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x08\x00")},
		{name: "trickle", serve: trickle(wholeAnswer)},
		{name: "trickle that ends too early", serve: trickle(wholeAnswer[:len(wholeAnswer)-2])},
		{name: "trickle, closed early", user: closesEarly, serve: trickle(wholeAnswer)},
		{name: "connection closed after the third", serve: keep(3, func(c *net.TCPConn) { _ = c.Close() })},
		{name: "connection reset after the third", serve: keep(3, reset)},
		{name: "connection closed after the third, upload", method: "POST", upload: 100, serve: keep(3, func(c *net.TCPConn) { _ = c.Close() })},
		{name: "redirect", serve: redirect("Location: /there\r\n")},
		{name: "redirect without end", serve: redirect("Location: /again\r\n")},
		{name: "redirect to nowhere", serve: redirect("")},
		{name: "redirect to a fault", serve: redirect("Location: " + nobody + "\r\n")},
		{name: "redirect to an invalid URL", serve: redirect("Location: http://a b/\r\n")},
		{name: "early answer to an upload", method: "POST", upload: 256 << 10,
			serve: func(c *net.TCPConn, req *http.Request, _ int) bool {
				_, _ = io.WriteString(c, "HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello")
				_, _ = io.Copy(io.Discard, req.Body)
				return false
			}},
		{name: "early answer to an upload, then the end", method: "POST", upload: 1 << 20, races: true,
			serve: func(c *net.TCPConn, req *http.Request, _ int) bool {
				_, _ = io.WriteString(c, "HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello")
				return false
			}},
		{name: "cancelled before", user: cancelledBefore, serve: answer(wholeAnswer)},
		{name: "cancelled before, upload", method: "POST", upload: 10, user: cancelledBefore, serve: answer(wholeAnswer)},
		{name: "cancelled while it waits", user: cancelledAtServer, serve: hang("")},
		{name: "cancelled while it waits, upload", method: "POST", upload: 1 << 20, user: cancelledAtServer, serve: hang("")},
		{name: "cancelled in the header", user: cancelledAtServer, serve: hang("HTTP/1.1 200 OK\r\n")},
		{name: "cancelled in the body", user: cancelsInBody, serve: hang("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nh")},
		{name: "closed in the body", user: closesEarly, serve: hang("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nh")},
		{name: "deadline while it waits", user: hasDeadline, serve: hang("")},
		{name: "deadline in the body", user: hasDeadline, or: "deadline while it waits", serve: hang("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nh")},
		{name: "time-out while it waits", user: hasClientTimeout, serve: hang("")},
		{name: "time-out in the body", user: hasClientTimeout, or: "time-out while it waits", serve: hang("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nh\r\n")},
	}
}

// startHTTP1 starts a server for one fault. stop waits for all its goroutines.
func startHTTP1(t *testing.T, f *fault) (stop func()) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f.url = "http://" + l.Addr().String() + "/"
	var conns sync.Map
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			conns.Store(c, true)
			all.Go(func() {
				defer conns.Delete(c)
				defer c.Close()
				r := bufio.NewReader(c)
				for nth := 1; ; nth++ {
					req, err := http.ReadRequest(r)
					if err != nil || !f.serve(c.(*net.TCPConn), req, nth) {
						return
					}
				}
			})
		}
	})
	return func() {
		_ = l.Close()
		conns.Range(func(c, _ any) bool { _ = c.(net.Conn).Close(); return true })
		all.Wait()
	}
}
