package body

import (
	"io"
	"net/http"
	"sync/atomic"
)

// Counter counts the bytes that base reads of a request's body. The count restarts
// when base calls GetBody to send the body again.
type Counter struct{ latest atomic.Pointer[countedReader] }

// Count wraps req.Body and req.GetBody.
func (c *Counter) Count(req *http.Request) {
	req.Body = c.wrapBody(req.Body)
	if again := req.GetBody; again != nil {
		req.GetBody = func() (io.ReadCloser, error) {
			body, err := again()
			if err != nil || body == nil || body == http.NoBody {
				return body, err
			}
			return c.wrapBody(body), nil
		}
	}
}

func (c *Counter) wrapBody(body io.ReadCloser) io.ReadCloser {
	r := &countedReader{ReadCloser: body}
	c.latest.Store(r)
	return r
}

// Sent returns the number of bytes read from the latest body. known is false if
// Count was not called.
func (c *Counter) Sent() (n int64, known bool) {
	r := c.latest.Load()
	if r == nil {
		return 0, false
	}
	return r.sent.Load(), true
}

type countedReader struct {
	io.ReadCloser
	sent atomic.Int64
}

func (r *countedReader) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	if n > 0 {
		r.sent.Add(int64(n))
	}
	return n, err
}
