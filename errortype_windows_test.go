package otelhttpclient_test

import (
	"syscall"
	"testing"
)

// The numbers in this library are those that package syscall has names for.
func TestErrorTypeOfWindowsErrors(t *testing.T) {
	wantErrorType(t, "http://shop.invalid/", syscall.WSAECONNRESET, "response_ended")
	wantErrorType(t, "http://shop.invalid/", syscall.WSAECONNABORTED, "response_ended")
}
