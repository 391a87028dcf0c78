package errortype

import "syscall"

// The operating system's errors by class. On Plan 9 they are texts.
var (
	timedOut     []error // they have a Timeout method that returns true
	notConnected = []error{syscall.ErrorString("connection refused")}
	disconnected = []error{syscall.ErrorString("i/o on hungup channel")}
)
