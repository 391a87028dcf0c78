// Package errortype classifies the errors of HTTP requests for the attribute
// error.type. It is given an error, and the context and the scheme of its request.
// It does not know spans, metrics or options.
package errortype

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

// The values of error.type for requests that failed without an error response, in
// order of precedence. Timeout is this library's and Other is OpenTelemetry's; the
// rest are names of .NET's HttpRequestError. HTTPProtocol also includes .NET's
// invalid_response and configuration_limit_exceeded.
const (
	Timeout          = "timeout"
	NameResolution   = "name_resolution_error"
	SecureConnection = "secure_connection_error"
	Connection       = "connection_error"
	ResponseEnded    = "response_ended"
	HTTPProtocol     = "http_protocol_error"
	ProxyTunnel      = "proxy_tunnel_error"
	Other            = "_OTHER"
)

// CancelledByCaller reports whether err comes from a request that the caller
// canceled: through its context, for another reason than its deadline, or through
// Request.Cancel. The context's cause does not matter: it may be the time-out of
// another request.
func CancelledByCaller(ctx context.Context, err error) bool {
	return !deadlinePassed(ctx) && reportsCancellation(ctx, err)
}

// Expired reports whether err comes from a request whose own deadline has expired.
func Expired(ctx context.Context, err error) bool {
	return deadlinePassed(ctx) && reportsCancellation(ctx, err)
}

// reportsCancellation reports whether the cause of err is the end of the request's
// context, or Request.Cancel.
func reportsCancellation(ctx context.Context, err error) bool {
	if isRequestCanceled(err) {
		return true
	}
	return ctx.Err() != nil &&
		(errors.Is(err, context.Canceled) || wraps(err, ctx.Err()) || wraps(err, context.Cause(ctx)))
}

// wraps is errors.Is for a target from the application. errors.Is does not find a
// target whose type is not comparable, and panics if only its value is not. Such
// targets are compared by type and text.
func wraps(err, target error) bool {
	if target == nil {
		return false
	}
	if reflect.ValueOf(target).Comparable() {
		return errors.Is(err, target)
	}
	t, text := reflect.TypeOf(target), target.Error()
	return anyInTree(err, func(e error) bool { return reflect.TypeOf(e) == t && e.Error() == text })
}

// anyInTree reports whether f returns true for err, or for an error that it wraps.
func anyInTree(err error, f func(error) bool) bool {
	for err != nil {
		if f(err) {
			return true
		}
		if joined, ok := err.(interface{ Unwrap() []error }); ok {
			return slices.ContainsFunc(joined.Unwrap(), func(e error) bool { return anyInTree(e, f) })
		}
		err = errors.Unwrap(err)
	}
	return false
}

// deadlinePassed reports whether the context's deadline has passed, even if the
// context's own timer has not fired yet: http.Client.Timeout also cancels the request
// through a second timer, which may fire first.
func deadlinePassed(ctx context.Context) bool {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return true
	}
	deadline, ok := ctx.Deadline()
	return ok && ctx.Err() == nil && !time.Now().Before(deadline)
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) ||
		errors.As(err, &t) && t.Timeout() || isAnyOf(err, timedOut)
}

// isRequestCanceled reports whether err is net/http's error for a request that was
// canceled through Request.Cancel, also by http.Client.Timeout.
func isRequestCanceled(err error) bool {
	return hasText(err, requestCanceled)
}

// Of returns the value of error.type for an error from a RoundTripper, or from
// reading a response body. ctx is the request's context, and scheme the scheme of
// its URL.
func Of(ctx context.Context, scheme string, err error) string {
	switch {
	case isTimeout(err), Expired(ctx, err):
		return Timeout
	case wrapsType[*net.DNSError](err):
		return NameResolution
	case isSecureConnectionError(err):
		return SecureConnection
	case isConnectionError(err):
		return Connection
	case !isOfRequestBody(err) && isResponseEnded(err): // before protocol errors, which may wrap an EOF
		return ResponseEnded
	case isHTTPProtocolError(err):
		return HTTPProtocol
	case scheme == "https" && isRefusedTunnel(err):
		return ProxyTunnel
	}
	return concreteType(err)
}

// OfConnection reports whether a value of error.type stands for the failure of a
// connection, or of establishing one.
func OfConnection(value string) bool {
	switch value {
	case Timeout, NameResolution, SecureConnection, Connection, ResponseEnded, HTTPProtocol, ProxyTunnel:
		return true
	}
	return false
}

// wrapsType reports whether err is, or wraps, an error of type E.
func wrapsType[E error](err error) bool {
	var e E
	return errors.As(err, &e)
}

// isAnyOf reports whether err is, or wraps, one of the targets.
func isAnyOf(err error, targets []error) bool {
	return slices.ContainsFunc(targets, func(e error) bool { return errors.Is(err, e) })
}

func isSecureConnectionError(err error) bool {
	if wrapsType[tls.RecordHeaderError](err) || wrapsType[tls.AlertError](err) || wrapsType[*tls.CertificateVerificationError](err) ||
		wrapsType[*tls.ECHRejectionError](err) || wrapsType[x509.UnknownAuthorityError](err) || wrapsType[x509.HostnameError](err) ||
		wrapsType[x509.CertificateInvalidError](err) || errors.Is(err, http.ErrSchemeMismatch) {
		return true
	}
	return hasText(err, SecureConnection)
}

func isConnectionError(err error) bool {
	var op *net.OpError
	if errors.As(err, &op) {
		switch op.Op {
		case "dial", "proxyconnect", "socks connect":
			return true
		}
	}
	return isAnyOf(err, notConnected) || hasText(err, Connection)
}

// streamError has the same fields as net/http's error for a reset HTTP/2 stream,
// whose method As fills in any such struct.
type streamError struct {
	StreamID uint32
	Code     uint32
	Cause    error
}

func (e streamError) Error() string { return "stream error" }

func isResponseEnded(err error) bool {
	if isAnyOf(err, disconnected) || isAnyOf(err, []error{io.EOF, io.ErrUnexpectedEOF, io.ErrClosedPipe, net.ErrClosed}) {
		return true
	}
	var reset streamError
	if errors.As(err, &reset) {
		// A cause with this text means that the peer reset the stream.
		if reset.Cause != nil && reset.Cause.Error() == "received from peer" {
			return true
		}
		const protocolError, flowControl, frameSize, compression = 0x1, 0x3, 0x6, 0x9
		switch reset.Code {
		case protocolError, flowControl, frameSize, compression:
			return false // net/http reset the stream
		}
		return true
	}
	return hasText(err, ResponseEnded)
}

// isOfRequestBody reports whether err is known to come from reading the request's
// body, not from the server. On HTTP/1.1, package net marks the error of a body of
// known length, such as that of a reverse proxy whose client has disconnected.
func isOfRequestBody(err error) bool {
	return anyInTree(err, func(e error) bool {
		op, ok := e.(*net.OpError)
		if !ok || op.Op != "readfrom" {
			return false
		}
		switch inner := op.Err.(type) {
		case *net.OpError:
			return inner.Op == "read" // not a write to the server
		case *os.SyscallError:
			return false // from sendfile or splice
		}
		return !errors.Is(op.Err, net.ErrClosed)
	})
}

func isHTTPProtocolError(err error) bool {
	var malformed textproto.ProtocolError
	//lint:ignore SA1019 net/http still returns it, deprecated or not
	if errors.As(err, &malformed) || wrapsType[*http.ProtocolError](err) || wrapsType[streamError](err) ||
		errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum) {
		return true
	}
	return hasText(err, HTTPProtocol)
}

// isRefusedTunnel reports whether err is net/http's error for an https request whose
// proxy rejects CONNECT. Its text is only the reason phrase of the proxy's status. So
// only an unwrapped error with a standard phrase counts; proxies with their own
// phrases are not recognized.
func isRefusedTunnel(err error) bool {
	if reflect.TypeOf(err) != plainError {
		return false
	}
	phrase := err.Error()
	switch phrase {
	case "", "unknown status code": // net/http's text for a status line without a phrase
		return true
	}
	// net/http's server writes "799 status code 799" for a code without a phrase.
	if digits, ok := strings.CutPrefix(phrase, "status code "); ok {
		code, err := strconv.Atoi(digits)
		return err == nil && len(digits) == 3 && code >= 100
	}
	return isReasonPhrase(phrase)
}

var plainError = reflect.TypeOf(errors.New(""))

// isReasonPhrase reports whether s is net/http's phrase for a status code.
func isReasonPhrase(s string) bool {
	for code := 100; code < 600; code++ {
		if http.StatusText(code) == s && code != http.StatusOK {
			return s != ""
		}
	}
	return false
}

// concreteType returns the type of the innermost error with a specific type, which a
// program can name. The generic types of packages fmt and errors, and the private
// types by which net/http marks its progress, do not count. Nor does package net's
// wrapper of the error of a request body on HTTP/1.1.
func concreteType(err error) string {
	name := Other
	anyInTree(err, func(err error) bool {
		if op, ok := err.(*net.OpError); ok && op.Op == "readfrom" {
			return false
		}
		if t := reflect.TypeOf(err); !isGeneric(t) && !isPrivate(t) {
			if pkg, base := t.PkgPath(), t.Name(); pkg != "" && base != "" {
				name = pkg + "." + base
			} else {
				name = t.String()
			}
		}
		return false
	})
	return name
}

func isGeneric(t reflect.Type) bool {
	switch t.String() {
	case "*errors.errorString", "*errors.joinError", "*fmt.wrapError", "*fmt.wrapErrors", "*fmt.fmtError", "*url.Error":
		return true
	}
	return false
}

// isPrivate reports whether a type is unexported by net/http, or declared in an
// internal package of the standard library.
func isPrivate(t reflect.Type) bool {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	name, pkg := t.Name(), t.PkgPath()
	return pkg == "net/http" && name != "" && name[0] >= 'a' || strings.HasPrefix(pkg, "net/http/internal") ||
		strings.HasPrefix(pkg, "internal/") || strings.HasPrefix(pkg, "vendor/")
}
