package errortype

import (
	"errors"
	"strings"
)

// texts lists, with their error.type, errors of the standard library that only their
// text distinguishes. Each text is the beginning of an error's. sources_test.go
// compares them with net/http's sources.
var texts = []struct{ text, value string }{
	// crypto/tls has no type for most errors of a handshake.
	{"tls: ", SecureConnection},
	{"x509: ", SecureConnection},
	{"http: server gave HTTP response to HTTPS client", SecureConnection},
	{"http2: could not negotiate protocol mutually", SecureConnection},
	{"http2: unexpected ALPN protocol", SecureConnection},

	{"http2: client conn could not be established", Connection},
	{"net/http: Transport.Dial hook returned (nil, nil)", Connection},
	{"net/http: Transport.DialContext hook returned (nil, nil)", Connection},
	{"net/http: Transport.DialTLS or DialTLSContext returned (nil, nil)", Connection},

	{"ClientConn closed", ResponseEnded},
	{"http: CloseIdleConnections called", ResponseEnded},
	{"http: idle connection timeout", ResponseEnded},
	{"http: persistConn.readLoop exiting", ResponseEnded},
	{"http: server closed idle connection", ResponseEnded},
	{"http: unexpected EOF reading trailer", ResponseEnded},
	{"http2: Transport received", ResponseEnded}, // a GOAWAY
	{"http2: Transport: cannot retry err [", ResponseEnded},
	{"http2: client conn is closed", ResponseEnded},
	{"http2: client conn not usable", ResponseEnded},
	{"http2: client connection force closed", ResponseEnded},
	{"http2: client connection lost", ResponseEnded},
	{"http2: server sent GOAWAY", ResponseEnded},
	{"net/http: cannot rewind body after connection loss", ResponseEnded},

	{"bad Content-Length", HTTPProtocol},
	{"bad trailer key", HTTPProtocol},
	{"chunked encoding contains too much non-data", HTTPProtocol},
	{"chunked line ends with bare LF", HTTPProtocol},
	{"connection error: COMPRESSION_ERROR", HTTPProtocol}, // these four are HTTP/2's
	{"connection error: FLOW_CONTROL_ERROR", HTTPProtocol},
	{"connection error: FRAME_SIZE_ERROR", HTTPProtocol},
	{"connection error: PROTOCOL_ERROR", HTTPProtocol},
	{"connection exceeded flow control window size", HTTPProtocol},
	{"empty hex number for chunk length", HTTPProtocol},
	{"flate: corrupt input", HTTPProtocol},
	{"header line too long", HTTPProtocol}, // or a line of a chunk
	{"http chunk length too large", HTTPProtocol},
	{"http2: closing connection with", HTTPProtocol}, // since Go 1.27
	{"http2: connection error: ", HTTPProtocol},
	{"http2: frame too large", HTTPProtocol},
	{"http2: response header list larger than advertised limit", HTTPProtocol},
	{"http: message cannot contain multiple Content-Length headers", HTTPProtocol},
	{"http: suspiciously long trailer after chunked body", HTTPProtocol},
	{"invalid CR in chunked line", HTTPProtocol},
	{"invalid byte in chunk length", HTTPProtocol},
	{"invalid empty Content-Length", HTTPProtocol},
	{"malformed HTTP", HTTPProtocol},
	{"malformed chunked encoding", HTTPProtocol},
	{"malformed response from server", HTTPProtocol},
	{"net/http: ill-formed Content-Length header", HTTPProtocol},
	{"net/http: invalid Content-Length header", HTTPProtocol},
	{"net/http: server replied with more than declared Content-Length", HTTPProtocol},
	{"net/http: server response headers exceeded", HTTPProtocol},
	{"too many transfer encodings", HTTPProtocol},
	{"unsupported transfer encoding", HTTPProtocol},

	{"net/http: request canceled", requestCanceled},
}

// requestCanceled stands for Request.Cancel. It is not a value of error.type.
const requestCanceled = "canceled"

// hasText reports whether err is, or wraps, an error whose text stands for value.
// Only the innermost errors count: the texts of the others contain theirs.
func hasText(err error, value string) bool {
	return anyInTree(err, func(e error) bool {
		if _, joined := e.(interface{ Unwrap() []error }); joined || errors.Unwrap(e) != nil {
			return false
		}
		return valueOfText(e.Error()) == value
	})
}

// valueOfText returns the error.type of an error's text, or "". An application may
// have added words and a colon in front. The first match counts: later ones may be
// from what the server has sent.
func valueOfText(text string) (value string) {
	text = ": " + text
	first := len(text)
	for _, t := range texts {
		if i := strings.Index(text[:min(len(text), first+len(t.text)+1)], ": "+t.text); i >= 0 && i < first {
			first, value = i, t.value
		}
	}
	return value
}
