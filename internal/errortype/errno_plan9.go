package errortype

import "syscall"

// The meaning of the operating system's errors, which on Plan 9 are texts.
var (
	timedOut     []error // they have a Timeout method that returns true
	notConnected = []error{syscall.ErrorString("connection refused")}
	disconnected = []error{syscall.ErrorString("i/o on hungup channel")}
)
