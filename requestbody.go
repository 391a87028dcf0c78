package otelhttpclient

import (
	"io"
	"net/http"
	"strings"
	"sync/atomic"
)

// The size of a request body is its Content-Length, unless net/http reports that
// writing the request failed. Only a body of unknown length is wrapped and
// counted: net/http treats bodies by their type, and writes a small one together
// with the headers, or a file without copying it.

// sentState is what is known about the writing of a request.
type sentState uint8

const (
	sentUnknown sentState = iota
	sentNothing
	sentInPart
	sentWhole
)

func (c *config) wantsRequestSize() bool {
	return c.optInAttributes&optInRequestSize != 0 || c.optInMetrics&optInRequestSizeMetric != 0
}

// countRequestBody makes base read a counted body if its length is unknown. A
// body that base obtains to send it again is counted anew.
func (x *exchange) countRequestBody(sent *http.Request) {
	if !hasBody(sent) || sent.ContentLength > 0 {
		return
	}
	sent.Body = x.counted(sent.Body)
	if again := sent.GetBody; again != nil {
		sent.GetBody = func() (io.ReadCloser, error) {
			body, err := again()
			if err != nil || body == nil || body == http.NoBody {
				return body, err
			}
			return x.counted(body), nil
		}
	}
}

func (x *exchange) counted(body io.ReadCloser) *requestBody {
	b := &requestBody{ReadCloser: body}
	x.upload.Store(b)
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

// sentBytes returns the size of the request body in its latest attempt, if it is
// known. It is unknown if writing the request failed halfway, for example
// because the server answered early.
func (x *exchange) sentBytes() (n int64, known bool) {
	if b := x.upload.Load(); b != nil {
		return b.sent.Load(), true
	}
	sent := x.context.sending.request.Load()
	if sent == nil || !hasBody(sent) {
		return 0, true
	}
	asksFirst := strings.EqualFold(sent.Header.Get("Expect"), "100-continue")
	switch x.connection.written(asksFirst, x.outcome.status != 0) {
	case sentNothing:
		return 0, true
	case sentWhole:
		return sent.ContentLength, true
	}
	return 0, false
}
