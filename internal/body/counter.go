package body

import (
	"io"
	"net/http"
	"sync/atomic"
)

// Counter counts what is read of a request's body. A body that base obtains to
// send it again is counted anew.
type Counter struct{ latest atomic.Pointer[countedReader] }

// Count makes req's body and its GetBody count.
func (c *Counter) Count(req *http.Request) {
	req.Body = c.count(req.Body)
	if again := req.GetBody; again != nil {
		req.GetBody = func() (io.ReadCloser, error) {
			body, err := again()
			if err != nil || body == nil || body == http.NoBody {
				return body, err
			}
			return c.count(body), nil
		}
	}
}

func (c *Counter) count(body io.ReadCloser) io.ReadCloser {
	r := &countedReader{ReadCloser: body}
	c.latest.Store(r)
	return r
}

// Sent returns the number of bytes that were read of the latest body. It is not
// known unless Count was called.
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
