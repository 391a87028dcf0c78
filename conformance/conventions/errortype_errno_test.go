//go:build !plan9

package conventions

import (
	"fmt"
	"net"
	"os"
	"syscall"
	"testing"
)

// The operation is not a dial, so only the number decides.
func TestErrorTypeOfSystemErrors(t *testing.T) {
	for _, test := range []struct {
		name  string
		errno syscall.Errno
		want  string
	}{
		{"ECONNREFUSED", syscall.ECONNREFUSED, "connection_error"},
		{"EHOSTUNREACH", syscall.EHOSTUNREACH, "connection_error"},
		{"ENETUNREACH", syscall.ENETUNREACH, "connection_error"},
		{"EADDRNOTAVAIL", syscall.EADDRNOTAVAIL, "connection_error"},
		{"ECONNRESET", syscall.ECONNRESET, "response_ended"},
		{"ECONNABORTED", syscall.ECONNABORTED, "response_ended"},
		{"EPIPE", syscall.EPIPE, "response_ended"},
		{"ETIMEDOUT", syscall.ETIMEDOUT, "timeout"},

		{"WSAEADDRNOTAVAIL", 10049, "connection_error"},
		{"WSAENETUNREACH", 10051, "connection_error"},
		{"WSAENETRESET", 10052, "response_ended"},
		{"WSAECONNABORTED", 10053, "response_ended"},
		{"WSAECONNRESET", 10054, "response_ended"},
		{"WSAESHUTDOWN", 10058, "response_ended"},
		{"WSAETIMEDOUT", 10060, "timeout"},
		{"WSAECONNREFUSED", 10061, "connection_error"},
		{"WSAEHOSTUNREACH", 10065, "connection_error"},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("recv", test.errno)}
			wantErrorType(t, "http://shop.invalid/", err, test.want)
			wantErrorType(t, "http://shop.invalid/", fmt.Errorf("wrapped: %w", test.errno), test.want)
		})
	}
	err := &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNRESET)}
	wantErrorType(t, "http://shop.invalid/", err, "connection_error")
}
