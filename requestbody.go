package otelhttpclient

import (
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync/atomic"
)

// The size of a request body is its Content-Length where that is known, unless
// net/http reports that writing the request failed. Only a body of unknown length
// is wrapped and counted: net/http treats bodies by their type, and writes a
// small one together with the headers, or a file without copying it.

// sentState is what is known about the writing of a request.
type sentState uint8

const (
	sentUnknown sentState = iota
	sentWhole
	sentInPart
)

func (in *instrumentation) wantsRequestSize() bool {
	return in.attributes&optInRequestSize != 0 || in.metrics&optInRequestSizeMetric != 0
}

// watchRequestBody adds the hooks that report how the request was written.
func (rt *roundTrip) watchRequestBody() {
	c := &rt.connection
	rt.trace.WroteRequest = func(info httptrace.WroteRequestInfo) {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.ended || !c.obtained {
			return
		}
		c.sent = sentWhole
		if info.Err != nil {
			c.sent = sentInPart
		}
	}
	rt.trace.Got100Continue = func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.continued = c.continued || c.obtained
	}
}

// countRequestBody makes base read a counted body where its length is unknown.
// A body that base gets anew, to send it again, is counted anew.
func (rt *roundTrip) countRequestBody(sent *http.Request) {
	if !hasBody(sent) || sent.ContentLength > 0 {
		return
	}
	sent.Body = rt.counted(sent.Body)
	if again := sent.GetBody; again != nil {
		sent.GetBody = func() (io.ReadCloser, error) {
			body, err := again()
			if err != nil || body == nil || body == http.NoBody {
				return body, err
			}
			return rt.counted(body), nil
		}
	}
}

func (rt *roundTrip) counted(body io.ReadCloser) *requestBody {
	b := &requestBody{ReadCloser: body}
	rt.requestBody.Store(b)
	return b
}

// requestBody counts what is read of a request body.
type requestBody struct {
	io.ReadCloser
	sent atomic.Int64
}

func (b *requestBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if n > 0 {
		b.sent.Add(int64(n))
	}
	return n, err
}

// sentBytes returns how much of the request body was sent, in its last attempt.
// It is unknown where writing the request failed halfway, for example because
// the server answered early. A report that has not come when the response has
// says nothing: HTTP/2 writes and reads side by side.
func (rt *roundTrip) sentBytes() (n int64, known bool) {
	if b := rt.requestBody.Load(); b != nil {
		return b.sent.Load(), true
	}
	sent := rt.sending.request.Load()
	if sent == nil || !hasBody(sent) {
		return 0, true
	}
	c := &rt.connection
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.asked && !c.obtained && rt.status == 0 {
		return 0, true // for want of a connection
	}
	if strings.EqualFold(sent.Header.Get("Expect"), "100-continue") && !c.continued {
		return 0, false // net/http calls it written without its body, too
	}
	return sent.ContentLength, c.sent == sentWhole || c.sent == sentUnknown && rt.status != 0
}
