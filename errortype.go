package otelhttpclient

import (
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The values of error.type for requests that failed without an error response,
// in the order in which they are tried. timeout is ours and _OTHER is
// OpenTelemetry's; the rest are names of .NET's HttpRequestError.
// http_protocol_error is wider than there: it includes .NET's invalid_response
// and configuration_limit_exceeded.
const (
	errorTimeout          = "timeout"
	errorNameResolution   = "name_resolution_error"
	errorSecureConnection = "secure_connection_error"
	errorConnection       = "connection_error"
	errorResponseEnded    = "response_ended"
	errorHTTPProtocol     = "http_protocol_error"
	errorProxyTunnel      = "proxy_tunnel_error"
	errorOther            = "_OTHER"
)

// cancelledByCaller reports whether err tells of a request that the caller has
// cancelled on purpose, in contrast to one whose time was up.
func cancelledByCaller(ctx context.Context, err error) bool {
	if deadlinePassed(ctx) || isTimeout(context.Cause(ctx)) {
		return false
	}
	if isRequestCanceled(err) {
		return true // through Request.Cancel, as no time was up
	}
	return ctx.Err() == context.Canceled && (errors.Is(err, context.Canceled) || errors.Is(err, context.Cause(ctx)))
}

// deadlinePassed reports whether the context's time is up, also in the moment
// before the context has noticed: http.Client.Timeout cancels on two ways at
// once.
func deadlinePassed(ctx context.Context) bool {
	if ctx.Err() == context.DeadlineExceeded {
		return true
	}
	deadline, ok := ctx.Deadline()
	return ok && ctx.Err() == nil && !time.Now().Before(deadline)
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) ||
		errors.As(err, &t) && t.Timeout() || isAny(err, timedOut)
}

// isRequestCanceled knows net/http's error for a request that was cancelled
// through Request.Cancel, by which http.Client.Timeout works too.
func isRequestCanceled(err error) bool {
	return strings.HasPrefix(message(err), "net/http: request canceled")
}

// errorType is the value of error.type for an error of the base, or of reading
// a response body. scheme is that of the request's URL.
func errorType(ctx context.Context, scheme string, err error) string {
	var named interface{ ErrorType() string }
	if errors.As(err, &named) {
		name := ""
		if call("ErrorType method", func() { name = named.ErrorType() }) && name != "" {
			return name
		}
	}
	switch {
	case isTimeout(err), deadlinePassed(ctx) && (errors.Is(err, context.Cause(ctx)) || isRequestCanceled(err)),
		ctx.Err() == context.Canceled && isTimeout(context.Cause(ctx)) && errors.Is(err, context.Canceled):
		return errorTimeout
	case is[*net.DNSError](err):
		return errorNameResolution
	case isSecureConnectionError(err):
		return errorSecureConnection
	case isConnectionError(err):
		return errorConnection
	// What could not be understood may say so by wrapping an EOF.
	case isResponseEnded(err):
		return errorResponseEnded
	case isHTTPProtocolError(err):
		return errorHTTPProtocol
	case scheme == "https" && isRefusedTunnel(err):
		return errorProxyTunnel
	}
	return concreteType(err)
}

// is reports whether err wraps an error of type E.
func is[E error](err error) bool {
	var e E
	return errors.As(err, &e)
}

// isAny reports whether err is, or wraps, one of the errors.
func isAny(err error, of []error) bool {
	return slices.ContainsFunc(of, func(e error) bool { return errors.Is(err, e) })
}

func isSecureConnectionError(err error) bool {
	if is[tls.RecordHeaderError](err) || is[tls.AlertError](err) || is[*tls.CertificateVerificationError](err) ||
		is[*tls.ECHRejectionError](err) || is[x509.UnknownAuthorityError](err) || is[x509.HostnameError](err) ||
		is[x509.CertificateInvalidError](err) || errors.Is(err, http.ErrSchemeMismatch) {
		return true
	}
	// crypto/tls has no type for most of what can go wrong in a handshake.
	m := message(err)
	return strings.HasPrefix(m, "tls: ") || strings.HasPrefix(m, "x509: ") || strings.HasPrefix(m, "remote error: tls: ")
}

func isConnectionError(err error) bool {
	var op *net.OpError
	if errors.As(err, &op) {
		switch op.Op {
		case "dial", "proxyconnect", "socks connect":
			return true
		}
	}
	return isAny(err, notConnected)
}

// streamError has the shape that net/http's own error for a reset HTTP/2
// stream knows how to fill in.
type streamError struct {
	StreamID uint32
	Code     uint32
	Cause    error
}

func (e streamError) Error() string { return "stream error" }

func isResponseEnded(err error) bool {
	if isAny(err, disconnected) || isAny(err, []error{io.EOF, io.ErrUnexpectedEOF, io.ErrClosedPipe, net.ErrClosed}) {
		return true
	}
	var reset streamError
	if errors.As(err, &reset) {
		const protocolError, flowControl, frameSize, compression = 0x1, 0x3, 0x6, 0x9
		switch reset.Code {
		case protocolError, flowControl, frameSize, compression:
			// Our side has reset the stream, if it has a reason to tell.
			return reset.Cause == nil || is[streamError](reset.Cause)
		}
		return true
	}
	m := message(err)
	for _, prefix := range []string{
		"http: server closed idle connection",
		"http2: server sent GOAWAY",
		"http2: client connection lost",
		"http2: client connection force closed",
		"net/http: transport closed before response was received",
	} {
		if strings.HasPrefix(m, prefix) {
			return true
		}
	}
	return false
}

func isHTTPProtocolError(err error) bool {
	var malformed textproto.ProtocolError
	//lint:ignore SA1019 net/http still returns it, deprecated or not
	if errors.As(err, &malformed) || is[*http.ProtocolError](err) || is[streamError](err) ||
		errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum) {
		return true
	}
	m := message(err)
	for _, part := range []string{
		"malformed HTTP", "malformed MIME", "malformed chunked encoding", "invalid byte in chunk length",
		"http chunk length too large", "chunked encoding", "chunked line too long", "header line too long",
		"bad Content-Length", "invalid Content-Length", "unsupported transfer encoding", "too many transfer encodings",
		"server response headers exceeded", "response headers exceeded", "too many 1xx informational responses",
		"connection error: ", "http2: response header list larger", "http2: invalid", "http2: malformed",
		"flate: corrupt input", "http2: frame too large", "missing status pseudo header",
	} {
		if strings.Contains(m, part) {
			return true
		}
	}
	return false
}

// isRefusedTunnel reports whether err is what net/http returns for an https
// request whose proxy answers CONNECT with another status than 200. That is the
// reason phrase and nothing else: no type, no prefix, no status code. So only
// phrases that say nothing but a status count, and only in an error that nobody
// has wrapped; a proxy with words of its own for a refusal is not recognized.
func isRefusedTunnel(err error) bool {
	if reflect.TypeOf(err) != plainError {
		return false
	}
	phrase := err.Error()
	switch phrase {
	case "unknown status code", // net/http's words for no phrase and no space either
		"": // no phrase
		return true
	}
	// net/http's server writes "799 status code 799" where it knows no phrase.
	if digits, ok := strings.CutPrefix(phrase, "status code "); ok {
		code, err := strconv.Atoi(digits)
		return err == nil && len(digits) == 3 && code >= 100
	}
	return isReasonPhrase(phrase)
}

var plainError = reflect.TypeOf(errors.New(""))

// isReasonPhrase reports whether net/http knows a status of that name.
func isReasonPhrase(s string) bool {
	for code := 100; code < 600; code++ {
		if http.StatusText(code) == s && code != http.StatusOK {
			return s != ""
		}
	}
	return false
}

// message is an error's text, for the errors of the standard library that have
// nothing else to be told by.
func message(err error) string {
	text := err.Error()
	if inner := innermost(err); inner != nil {
		text = inner.Error()
	}
	return text
}

func innermost(err error) error {
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return err
		}
		err = next
	}
}

// concreteType names the type of the innermost error whose type says
// something, which those of package fmt and package errors do not.
func concreteType(err error) string {
	telling := errorOther
	var visit func(error, int)
	visit = func(err error, depth int) {
		const deepEnough = 100
		if err == nil || depth > deepEnough {
			return
		}
		if t := reflect.TypeOf(err); !saysNothing(t) {
			if pkg, name := t.PkgPath(), t.Name(); pkg != "" && name != "" {
				telling = pkg + "." + name
			} else {
				telling = t.String()
			}
		}
		switch w := err.(type) {
		case interface{ Unwrap() error }:
			visit(w.Unwrap(), depth+1)
		case interface{ Unwrap() []error }:
			for _, e := range w.Unwrap() {
				visit(e, depth+1)
			}
		}
	}
	visit(err, 0)
	return telling
}

func saysNothing(t reflect.Type) bool {
	switch t.String() {
	case "*errors.errorString", "*errors.joinError", "*fmt.wrapError", "*fmt.wrapErrors", "*fmt.fmtError", "*url.Error":
		return true
	}
	return false
}
