package conntrace

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/otelhttpclient/otelhttpclient/internal/body"
)

// The size of a request body is its Content-Length, if net/http reports that it
// has written the request. On HTTP/2 that report may come after the response has
// ended, for one in ten uploads on loopback. A response alone proves nothing: a
// server may reject an upload that it has not read. So without the report, one of
// these must hold:
//
//   - The body fits into what a server takes unasked, and the response is no error.
//   - base has read the whole body, and the response has a 2xx status, on which
//     net/http continues to write. At most one buffer is not written yet.
//
// Counting what base reads takes a wrapper, but net/http treats bodies by their
// type: it writes a small one together with the headers, and sends a file without
// copying it unless it is encrypted. So a body is wrapped only if its length is
// unknown, or if it is large and goes through TLS.

// smallBody is the initial flow-control window of HTTP/2 (RFC 9113, section
// 6.9.2). The kernel takes as much, too.
const smallBody = 1<<16 - 1

// Upload is what is known of a request's body. It is read before base gets the
// request, which base may change. A nil *Upload is a request without a body, or one
// whose size is not recorded.
type Upload struct {
	length    int64        // the Content-Length; not above 0: unknown
	asksFirst bool         // whether the server wants the body
	counter   body.Counter // counts only where the count is needed
}

// NewUpload returns the Upload of a request, or nil if it has no body.
func NewUpload(sent *http.Request) *Upload {
	if !hasBody(sent) {
		return nil
	}
	u := &Upload{length: sent.ContentLength, asksFirst: asksFirst(sent)}
	if needsCount(u.length, sent.URL) {
		u.counter.Count(sent)
	}
	return u
}

// UncountedUpload returns the Upload of a request that passes through to be sent by
// another Transport, or nil if it has no body. Its size is known from its
// Content-Length alone.
func UncountedUpload(req *http.Request) *Upload {
	if !hasBody(req) {
		return nil
	}
	u := &Upload{length: req.ContentLength}
	if asksFirst(req) {
		u.length = -1
	}
	return u
}

func asksFirst(req *http.Request) bool {
	return strings.EqualFold(req.Header.Get("Expect"), "100-continue")
}

func needsCount(length int64, u *url.URL) bool {
	return length <= 0 || length > smallBody && u != nil && u.Scheme == "https"
}

// Sent returns the size of the request body in its latest attempt, if it is
// known. It is unknown if writing the request failed halfway, for example
// because the server answered early. status is 0 without a response.
func (u *Upload) Sent(t *Trace, status int) (n int64, known bool) {
	if u == nil {
		return 0, true
	}
	counted, isCounted := u.counter.Sent()
	if isCounted && u.length <= 0 {
		return counted, true
	}
	sent := t.written(u.asksFirst, status != 0)
	switch {
	case sent == sentNothing:
		return 0, true
	case u.length <= 0:
		return 0, false
	case sent == sentWhole:
		return u.length, true
	case sent == sentUnknown:
		return u.length, !u.asksFirst && acceptedWhole(u.length, counted, status)
	}
	return 0, false
}

// acceptedWhole reports whether a response proves that a body of n bytes was
// written. counted is 0 if it is not counted.
func acceptedWhole(n, counted int64, status int) bool {
	if n <= smallBody {
		return status != 0 && status < http.StatusBadRequest
	}
	return status/100 == 2 && counted >= n
}
