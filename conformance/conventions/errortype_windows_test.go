package conventions

import (
	"syscall"
	"testing"
)

// The numbers in errortype_errno.go equal those of package syscall.
func TestErrorTypeOfWindowsErrors(t *testing.T) {
	wantErrorType(t, "http://shop.invalid/", syscall.WSAECONNRESET, "response_ended")
	wantErrorType(t, "http://shop.invalid/", syscall.WSAECONNABORTED, "response_ended")
}
