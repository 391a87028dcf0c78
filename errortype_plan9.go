package otelhttpclient

import "syscall"

// What the operating system's errors mean. Plan 9 has texts for numbers.
var (
	timedOut     []error // they have a method Timeout that says so
	notConnected = []error{syscall.ErrorString("connection refused")}
	disconnected = []error{syscall.ErrorString("i/o on hungup channel")}
)
