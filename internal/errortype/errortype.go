// Package errortype classifies the errors of HTTP requests for the attribute
// error.type.
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

// The values of error.type for requests that failed without an error response,
// in the order in which they are tried. Timeout is this library's and Other is
// OpenTelemetry's; the rest are names of .NET's HttpRequestError. HTTPProtocol
// is wider than there: it includes .NET's invalid_response and
// configuration_limit_exceeded.
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
// canceled on purpose: whose context has ended for another reason than its
// deadline, whatever the cause, or that Request.Cancel has ended. The cause may
// be the time-out of another request, which is not this one's.
func CancelledByCaller(ctx context.Context, err error) bool {
	return !deadlinePassed(ctx) && tellsEnd(ctx, err)
}

// Expired reports whether err comes from a request whose own deadline expired.
func Expired(ctx context.Context, err error) bool {
	return deadlinePassed(ctx) && tellsEnd(ctx, err)
}

// tellsEnd reports whether err says that the request's context has ended, or that
// the request was canceled through Request.Cancel.
func tellsEnd(ctx context.Context, err error) bool {
	if isRequestCanceled(err) {
		return true
	}
	return ctx.Err() != nil &&
		(errors.Is(err, context.Canceled) || wraps(err, ctx.Err()) || wraps(err, context.Cause(ctx)))
}

// wraps is errors.Is for a target of the application. errors.Is never finds a
// target whose type cannot be compared, and panics if only its value cannot.
// There, the same type and the same text count.
func wraps(err, target error) bool {
	if target == nil {
		return false
	}
	if reflect.ValueOf(target).Comparable() {
		return errors.Is(err, target)
	}
	t, text := reflect.TypeOf(target), target.Error()
	return contains(err, func(e error) bool { return reflect.TypeOf(e) == t && e.Error() == text })
}

// contains reports whether f is true of err, or of an error that it wraps.
func contains(err error, f func(error) bool) bool {
	for err != nil {
		if f(err) {
			return true
		}
		if joined, ok := err.(interface{ Unwrap() []error }); ok {
			return slices.ContainsFunc(joined.Unwrap(), func(e error) bool { return contains(e, f) })
		}
		err = errors.Unwrap(err)
	}
	return false
}

// deadlinePassed reports whether the context's deadline has passed, even if the
// context's own timer has not fired yet: http.Client.Timeout also cancels the
// request by another way, which may be first.
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
		errors.As(err, &t) && t.Timeout() || isAny(err, timedOut)
}

// isRequestCanceled reports whether err is net/http's error for a request that
// was canceled through Request.Cancel, which http.Client.Timeout uses too.
func isRequestCanceled(err error) bool {
	return hasText(err, canceled)
}

// Of returns the value of error.type for an error of a RoundTripper, or of
// reading a response body. ctx is the request's context and scheme that of its
// URL.
func Of(ctx context.Context, scheme string, err error) string {
	switch {
	case isTimeout(err), Expired(ctx, err):
		return Timeout
	case is[*net.DNSError](err):
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

// OfConnection reports whether a value of error.type means that a connection
// failed, or could not be established.
func OfConnection(value string) bool {
	switch value {
	case Timeout, NameResolution, SecureConnection, Connection, ResponseEnded, HTTPProtocol, ProxyTunnel:
		return true
	}
	return false
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
	return isAny(err, notConnected) || hasText(err, Connection)
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
		// Only a stream that the peer has reset has a cause with this text.
		if reset.Cause != nil && reset.Cause.Error() == "received from peer" {
			return true
		}
		const protocolError, flowControl, frameSize, compression = 0x1, 0x3, 0x6, 0x9
		switch reset.Code {
		case protocolError, flowControl, frameSize, compression:
			return false // net/http has reset it
		}
		return true
	}
	return hasText(err, ResponseEnded)
}

// isOfRequestBody reports whether err is known to be that of reading the request's
// body, which says nothing of the server. On HTTP/1.1, package net marks the error
// of a body of known length, as that of a reverse proxy's client that has gone.
func isOfRequestBody(err error) bool {
	return contains(err, func(e error) bool {
		op, ok := e.(*net.OpError)
		if !ok || op.Op != "readfrom" {
			return false
		}
		switch inner := op.Err.(type) {
		case *net.OpError:
			return inner.Op == "read" // not a write to the server
		case *os.SyscallError:
			return false // of sendfile or splice
		}
		return !errors.Is(op.Err, net.ErrClosed)
	})
}

func isHTTPProtocolError(err error) bool {
	var malformed textproto.ProtocolError
	//lint:ignore SA1019 net/http still returns it, deprecated or not
	if errors.As(err, &malformed) || is[*http.ProtocolError](err) || is[streamError](err) ||
		errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum) {
		return true
	}
	return hasText(err, HTTPProtocol)
}

// isRefusedTunnel reports whether err is net/http's error for an https request
// whose proxy rejects CONNECT. Its text is the bare reason phrase of the
// proxy's status. So only an unwrapped error with a standard phrase counts; a
// proxy with phrases of its own is not recognized.
func isRefusedTunnel(err error) bool {
	if reflect.TypeOf(err) != plainError {
		return false
	}
	phrase := err.Error()
	switch phrase {
	case "", "unknown status code": // net/http's text for a status line without a phrase
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

// concreteType returns the type of the innermost error that has a type of its
// own, which a program can name: not one of the generic types of packages fmt and
// errors, nor one of the private types by which net/http marks how far it got. On
// HTTP/1.1, package net wraps the error of a request body of known length, too.
func concreteType(err error) string {
	name := Other
	contains(err, func(err error) bool {
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

// isPrivate reports whether a type is net/http's own, or of an internal package
// of the standard library.
func isPrivate(t reflect.Type) bool {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	name, pkg := t.Name(), t.PkgPath()
	return pkg == "net/http" && name != "" && name[0] >= 'a' || strings.HasPrefix(pkg, "net/http/internal") ||
		strings.HasPrefix(pkg, "internal/") || strings.HasPrefix(pkg, "vendor/")
}
