package otelhttpclient_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/otelhttpclient/otelhttpclient/internal/oteltest"
)

// fault is one way in which an exchange goes wrong, or nearly so.
type fault struct {
	name   string
	method string // GET where it is empty
	upload int    // bytes of the request body
	user   faultUser
	or     string // the name of another whose outcomes are as good
	races  bool   // the answer with the end of the connection: either is seen

	serve   faultServe       // over HTTP/1.1
	handler http.HandlerFunc // over HTTP/2

	url string // of the server that is at fault, set when it is started
}

// faultUser is what the program does with its request.
type faultUser int

const (
	faultReads           faultUser = iota // to the end
	faultClosesEarly                      // after the first byte
	faultCancelledBefore                  // it is sent
	faultCancelledThere                   // when the server has it
	faultCancelsInBody                    // after the first byte
	faultHasDeadline
	faultHasClientTimeout
)

// faultServe answers a request over HTTP/1.1, and reports whether the
// connection is kept. nth is how many requests have come over it.
type faultServe func(c *net.TCPConn, req *http.Request, nth int) (keep bool)

const faultWhole = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

// faultReset has the peer see a reset instead of an end.
func faultReset(c *net.TCPConn) {
	_ = c.SetLinger(0)
	_ = c.Close()
}

func faultAnswer(text string) faultServe {
	return func(c *net.TCPConn, req *http.Request, _ int) bool {
		_, _ = io.Copy(io.Discard, req.Body) // what is left unread makes a reset of the end
		_, _ = io.WriteString(c, text)
		return false
	}
}

func faultAnswerAndReset(text string) faultServe {
	answer := faultAnswer(text)
	return func(c *net.TCPConn, req *http.Request, nth int) bool {
		answer(c, req, nth)
		faultReset(c)
		return false
	}
}

// faultKeep answers well, until it closes or resets the kept connection
// without having said so.
func faultKeep(requests int, end func(*net.TCPConn)) faultServe {
	return func(c *net.TCPConn, req *http.Request, nth int) bool {
		_, _ = io.Copy(io.Discard, req.Body)
		_, _ = io.WriteString(c, faultWhole)
		if nth < requests {
			return true
		}
		end(c)
		return false
	}
}

// faultTrickle answers a byte at a time.
func faultTrickle(text string) faultServe {
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

// faultHang sends a text and then nothing, until the client goes.
func faultHang(text string) faultServe {
	return func(c *net.TCPConn, req *http.Request, _ int) bool {
		_, _ = io.WriteString(c, text)
		faultArrived(req)
		_, _ = io.Copy(io.Discard, c) // not closing with something unread, which would be a reset
		return false
	}
}

// faultRedirect answers with a redirect, and the place that it leads to.
func faultRedirect(location string) faultServe {
	return func(c *net.TCPConn, req *http.Request, _ int) bool {
		if req.URL.Path == "/there" {
			_, _ = io.WriteString(c, faultWhole)
		} else {
			_, _ = fmt.Fprintf(c, "HTTP/1.1 302 Found\r\n%sContent-Length: 0\r\n\r\n", location)
		}
		return true
	}
}

// faultArrivals are the functions to be called when the server has got the
// request with that header, by which tests cancel neither too early nor late.
var (
	faultArrivals sync.Map
	faultNumbers  atomic.Int64
)

const faultNumberHeader = "X-Fault-Number"

func faultArrived(req *http.Request) {
	if f, ok := faultArrivals.Load(req.Header.Get(faultNumberHeader)); ok {
		f.(context.CancelFunc)()
	}
}

// faultsHTTP1 are those that a server can commit on the bare connection.
func faultsHTTP1() []*fault {
	nobody := closedPortOnce()
	return []*fault{
		{name: "none", serve: faultKeep(1<<30, nil)},
		{name: "none, upload", method: "POST", upload: 64 << 10, serve: faultKeep(1<<30, nil)},
		{name: "none, HEAD", method: "HEAD", serve: faultAnswer("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")},
		{name: "nobody listens", url: nobody},
		{name: "empty", serve: faultAnswer("")},
		{name: "empty, upload", method: "POST", upload: 1000, serve: faultAnswer("")},
		{name: "garbage", serve: faultAnswer("garbage\r\n\r\n")},
		{name: "status that is none", serve: faultAnswer("HTTP/1.1 20x OK\r\n\r\n")},
		{name: "header that is none", serve: faultAnswer("HTTP/1.1 200 OK\r\nno colon\r\n\r\n")},
		{name: "header that is too long", serve: faultAnswer("HTTP/1.1 200 OK\r\nA: " + strings.Repeat("a", 3*faultMaxHeader) + "\r\n\r\n")},
		{name: "reset before the header", serve: faultAnswerAndReset("")},
		{name: "reset before the header, upload", method: "POST", upload: 1000, serve: faultAnswerAndReset("")},
		{name: "end in the header", serve: faultAnswer("HTTP/1.1 200 OK\r\nContent-Le")},
		{name: "reset in the header", serve: faultAnswerAndReset("HTTP/1.1 200 OK\r\nContent-Le")},
		{name: "reset in the body", serve: faultAnswerAndReset("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe")},
		{name: "reset in the body, upload", method: "PUT", upload: 1000, serve: faultAnswerAndReset("HTTP/1.1 500 Oh\r\nContent-Length: 5\r\n\r\nhe")},
		{name: "reset in a chunk", serve: faultAnswerAndReset("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe")},
		{name: "length too long", serve: faultAnswer("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello")},
		{name: "length too short", serve: faultAnswer("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3\r\n\r\nhello")},
		{name: "length below zero", serve: faultAnswer("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n")},
		{name: "two lengths", serve: faultAnswer("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello")},
		{name: "no length", serve: faultAnswer("HTTP/1.1 200 OK\r\n\r\nhello")},
		{name: "no body", serve: faultAnswer("HTTP/1.1 204 No Content\r\n\r\n")},
		{name: "broken chunk", serve: faultAnswer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n")},
		{name: "half a chunk", serve: faultAnswer("HTTP/1.1 500 Oh\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe")},
		{name: "trailer", serve: faultAnswer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: T\r\n\r\n5\r\nhello\r\n0\r\nT: t\r\n\r\n")},
		{name: "half a trailer", serve: faultAnswer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: T\r\n\r\n5\r\nhello\r\n0\r\nT")},
		{name: "informational answer first", serve: faultAnswer("HTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n" + faultWhole)},
		{name: "no end of informational answers", serve: faultAnswer(strings.Repeat("HTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n", 100))},
		{name: "no gzip", serve: faultAnswer("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 15\r\n\r\nhellohellohello")},
		{name: "half a gzip", serve: faultAnswer("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x08\x00")},
		{name: "trickle", serve: faultTrickle(faultWhole)},
		{name: "trickle that ends too early", serve: faultTrickle(faultWhole[:len(faultWhole)-2])},
		{name: "trickle, closed early", user: faultClosesEarly, serve: faultTrickle(faultWhole)},
		{name: "connection closed after the third", serve: faultKeep(3, func(c *net.TCPConn) { _ = c.Close() })},
		{name: "connection reset after the third", serve: faultKeep(3, faultReset)},
		{name: "connection closed after the third, upload", method: "POST", upload: 100, serve: faultKeep(3, func(c *net.TCPConn) { _ = c.Close() })},
		{name: "redirect", serve: faultRedirect("Location: /there\r\n")},
		{name: "redirect without end", serve: faultRedirect("Location: /again\r\n")},
		{name: "redirect to nowhere", serve: faultRedirect("")},
		{name: "redirect to a fault", serve: faultRedirect("Location: " + nobody + "\r\n")},
		{name: "redirect to what is no URL", serve: faultRedirect("Location: http://a b/\r\n")},
		{name: "early answer to an upload", method: "POST", upload: 256 << 10,
			serve: func(c *net.TCPConn, req *http.Request, _ int) bool {
				_, _ = io.WriteString(c, "HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello")
				_, _ = io.Copy(io.Discard, req.Body)
				return false
			}},
		{name: "early answer to an upload that is cut off", method: "POST", upload: 1 << 20, races: true,
			serve: func(c *net.TCPConn, req *http.Request, _ int) bool {
				_, _ = io.WriteString(c, "HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello")
				return false
			}},
		{name: "cancelled before", user: faultCancelledBefore, serve: faultAnswer(faultWhole)},
		{name: "cancelled before, upload", method: "POST", upload: 10, user: faultCancelledBefore, serve: faultAnswer(faultWhole)},
		{name: "cancelled while it waits", user: faultCancelledThere, serve: faultHang("")},
		{name: "cancelled while it waits, upload", method: "POST", upload: 1 << 20, user: faultCancelledThere, serve: faultHang("")},
		{name: "cancelled in the header", user: faultCancelledThere, serve: faultHang("HTTP/1.1 200 OK\r\n")},
		{name: "cancelled in the body", user: faultCancelsInBody, serve: faultHang("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nh")},
		{name: "closed in the body", user: faultClosesEarly, serve: faultHang("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nh")},
		{name: "deadline while it waits", user: faultHasDeadline, serve: faultHang("")},
		{name: "deadline in the body", user: faultHasDeadline, or: "deadline while it waits", serve: faultHang("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nh")},
		{name: "time-out while it waits", user: faultHasClientTimeout, serve: faultHang("")},
		{name: "time-out in the body", user: faultHasClientTimeout, or: "time-out while it waits", serve: faultHang("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nh\r\n")},
	}
}

// faultsHTTP2 are those that a handler can commit, all on one connection.
func faultsHTTP2() []*fault {
	hello := func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, "hello")
	}
	// begun sends the header and a byte, and then does something else.
	begun := func(header string, then func(http.ResponseWriter, *http.Request)) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if header != "" {
				w.Header().Set("Content-Length", header)
			}
			_, _ = io.WriteString(w, "h")
			w.(http.Flusher).Flush()
			then(w, r)
		}
	}
	abort := func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	hang := func(_ http.ResponseWriter, r *http.Request) {
		faultArrived(r)
		<-r.Context().Done()
	}
	done := func(http.ResponseWriter, *http.Request) {}
	return []*fault{
		{name: "none", handler: hello},
		{name: "none, upload", method: "POST", upload: 64 << 10, handler: hello},
		{name: "none, HEAD", method: "HEAD", handler: hello},
		{name: "no body", handler: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }},
		{name: "reset before the header", handler: abort},
		{name: "reset before the header, upload", method: "POST", upload: 1000, handler: func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			abort(w, r)
		}},
		{name: "reset in the body", handler: begun("", abort)},
		{name: "reset in a body with a length", handler: begun("5", abort)},
		{name: "length too long", handler: begun("5", done)},
		{name: "length too short", handler: begun("1", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ello") })},
		{name: "no gzip", handler: func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			hello(w, r)
		}},
		{name: "trickle", handler: begun("5", func(w http.ResponseWriter, _ *http.Request) {
			for _, c := range "ello" {
				time.Sleep(time.Millisecond)
				_, _ = io.WriteString(w, string(c))
				w.(http.Flusher).Flush()
			}
		})},
		{name: "redirect", handler: func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/there" {
				hello(w, r)
				return
			}
			http.Redirect(w, r, "/there", http.StatusFound)
		}},
		{name: "redirect without end", handler: func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/again", http.StatusFound) }},
		{name: "early answer to an upload", method: "POST", upload: 1 << 20, handler: func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
			_, _ = io.WriteString(w, "hello")
		}},
		{name: "cancelled before", user: faultCancelledBefore, handler: hello},
		{name: "cancelled while it waits", user: faultCancelledThere, handler: hang},
		{name: "cancelled while it waits, upload", method: "POST", upload: 1 << 20, user: faultCancelledThere, handler: hang},
		{name: "cancelled in the body", user: faultCancelsInBody, handler: begun("", hang)},
		{name: "closed in the body", user: faultClosesEarly, handler: begun("", hang)},
		{name: "deadline while it waits", user: faultHasDeadline, handler: hang},
		{name: "deadline in the body", user: faultHasDeadline, or: "deadline while it waits", handler: begun("", hang)},
		{name: "time-out while it waits", user: faultHasClientTimeout, handler: hang},
		{name: "time-out in the body", user: faultHasClientTimeout, or: "time-out while it waits", handler: begun("", hang)},
	}
}

// closedPortOnce is closedPort without a test.
func closedPortOnce() string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "http://127.0.0.1:1"
	}
	defer l.Close()
	return "http://" + l.Addr().String()
}

// faultServer starts a server of its own for the fault, so that no other has
// to do with its connections. stop waits for all its goroutines.
func faultServer(t *testing.T, f *fault) (stop func()) {
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

// faultServer2 starts one server of HTTP/2 for all faults, which so share a
// connection. base makes transports that trust it.
func faultServer2(faults []*fault) (base func() *http.Transport, stop func()) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var n int
		_, _ = fmt.Sscanf(r.Header.Get("X-Fault"), "%d", &n)
		faults[n].handler(w, r)
	}))
	s.EnableHTTP2 = true
	s.Config.ErrorLog = oteltest.Quiet
	s.StartTLS()
	for _, f := range faults {
		f.url = s.URL + "/"
	}
	return func() *http.Transport { return s.Client().Transport.(*http.Transport).Clone() }, func() {
		s.Client().CloseIdleConnections()
		s.CloseClientConnections()
		s.Close()
	}
}

const faultMaxHeader = 4096

// What differs from one time to the next in the texts of errors.
var faultVarying = regexp.MustCompile(`127\.0\.0\.1:\d+|stream ID \d+|StreamID:\d+`)

// faultOutcome makes the request of faults[n] and tells all that the program
// gets to see of the answer.
func faultOutcome(rt http.RoundTripper, faults []*fault, n int) string {
	f := faults[n]
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	client := &http.Client{Transport: rt}
	number := fmt.Sprint(faultNumbers.Add(1))
	switch f.user {
	case faultCancelledBefore:
		cancel()
	case faultCancelledThere:
		faultArrivals.Store(number, cancel)
		defer faultArrivals.Delete(number)
	case faultHasDeadline:
		ctx, cancel = context.WithTimeout(ctx, faultPatience)
		defer cancel()
	case faultHasClientTimeout:
		client.Timeout = faultPatience
	}
	method := f.method
	if method == "" {
		method = "GET"
	}
	var body io.Reader
	if f.upload > 0 {
		body = strings.NewReader(strings.Repeat("u", f.upload))
	}
	req, err := http.NewRequestWithContext(ctx, method, f.url, body)
	if err != nil {
		return err.Error()
	}
	req.Header.Set("X-Fault", fmt.Sprint(n))
	req.Header.Set(faultNumberHeader, number)
	resp, err := client.Do(req)
	if f.races {
		if err == nil {
			oteltest.Discard(resp)
		}
		return "an answer or an error"
	}
	if err != nil {
		return f.errorText(err)
	}
	var read []byte
	var readErr error
	switch f.user {
	case faultClosesEarly, faultCancelsInBody:
		read = make([]byte, 1)
		_, readErr = io.ReadFull(resp.Body, read)
		if f.user == faultCancelsInBody && readErr == nil {
			cancel()
			var rest []byte
			rest, readErr = io.ReadAll(resp.Body)
			read = append(read, rest...)
		}
	default:
		read, readErr = io.ReadAll(resp.Body)
	}
	if readErr != nil && (f.user == faultHasDeadline || f.user == faultHasClientTimeout) {
		read = nil // how far it has come by then is a matter of the machine's speed
	}
	closeErr := resp.Body.Close()
	if f.user == faultHasClientTimeout && readErr != nil {
		closeErr = nil // for the reason that errorText tells
	}
	resp.Header.Del("Date")
	text := fmt.Sprintf("%s %s %s, length %d, header %v, trailer %v, body %q, read: %s, close: %s",
		resp.Proto, resp.Status, resp.Request.URL.Path, resp.ContentLength, resp.Header, resp.Trailer, read, f.errorText(readErr), f.errorText(closeErr))
	return faultVarying.ReplaceAllString(text, "*")
}

// faultPatience is how long requests with a deadline wait for what never comes.
const faultPatience = 60 * time.Millisecond

// errorText is an error with the types of all that it wraps.
func (f *fault) errorText(err error) string {
	if err == nil {
		return "nil"
	}
	text := err.Error()
	if f.user == faultHasClientTimeout && (strings.Contains(text, "deadline exceeded") || strings.Contains(text, "request canceled")) {
		// With a RoundTripper that is not net/http's own, http.Client cancels in
		// two ways at once: text and type are those of the one that is first.
		return "the time is up"
	}
	for e := err; e != nil; e = errors.Unwrap(e) {
		text += fmt.Sprintf(" %T", e)
	}
	return faultVarying.ReplaceAllString(text, "*")
}
