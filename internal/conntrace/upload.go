package conntrace

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/otelhttpclient/otelhttpclient/internal/body"
)

// The size of a request body is its Content-Length, if net/http reports that the
// request was written. On HTTP/2 that report may come after the response has ended,
// for one in ten uploads on loopback. A response alone proves nothing: a server may
// reject an upload without reading it. So without the report, one of these
// conditions must hold:
//
//   - The body fits into the server's initial window, and the response is not an
//     error.
//   - base has read the whole body, and the response has a 2xx status, after which
//     net/http continues to write. At most one buffer is not written yet.
//
// Counting what base reads requires a wrapper, but net/http treats bodies by their
// type: it writes a small one together with the headers, and sends a file without
// copying it unless the connection is encrypted. So a body is wrapped only if its
// length is unknown, or if it is large and the request uses TLS.

// smallBody is the initial flow-control window of HTTP/2 (RFC 9113, section
// 6.9.2). A socket's send buffer holds as much.
const smallBody = 1<<16 - 1

// Upload describes a request's body. It is created before base gets the request, as
// base may change it. A nil *Upload stands for a request without a body, or with one
// whose size is not recorded.
type Upload struct {
	length          int64        // the Content-Length; 0 or less: unknown
	expectsContinue bool         // the request has Expect: 100-continue
	counter         body.Counter // unused unless needsCount
}

// NewUpload returns the Upload of a request, or nil if it has no body.
func NewUpload(sent *http.Request) *Upload {
	if !hasBody(sent) {
		return nil
	}
	u := &Upload{length: sent.ContentLength, expectsContinue: expectsContinue(sent)}
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
	if expectsContinue(req) {
		u.length = -1
	}
	return u
}

func expectsContinue(req *http.Request) bool {
	return strings.EqualFold(req.Header.Get("Expect"), "100-continue")
}

func needsCount(length int64, u *url.URL) bool {
	return length <= 0 || length > smallBody && u != nil && u.Scheme == "https"
}

// Sent returns the size of the request body in its latest attempt. known is false if
// writing the request failed halfway, for example because of an early response.
// status is 0 without a response.
func (u *Upload) Sent(t *Trace, status int) (n int64, known bool) {
	if u == nil {
		return 0, true
	}
	counted, isCounted := u.counter.Sent()
	if isCounted && u.length <= 0 {
		return counted, true
	}
	sent := t.writtenPart(u.expectsContinue, status != 0)
	switch {
	case sent == sentNothing:
		return 0, true
	case u.length <= 0:
		return 0, false
	case sent == sentWhole:
		return u.length, true
	case sent == sentUnknown:
		return u.length, !u.expectsContinue && acceptedWhole(u.length, counted, status)
	}
	return 0, false
}

// acceptedWhole reports whether a response proves that a body of n bytes was
// written. counted is 0 for a body that is not counted.
func acceptedWhole(n, counted int64, status int) bool {
	if n <= smallBody {
		return status != 0 && status < http.StatusBadRequest
	}
	return status/100 == 2 && counted >= n
}
