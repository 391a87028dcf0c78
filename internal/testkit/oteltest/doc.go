// Package oteltest is the kit of the tests: an SDK that keeps what it is given
// in memory, servers on loopback, a way to send a request, and checks.
//
// It does not import the package that it tests, so that internal tests can use
// it. Package instrumented makes Transports that report to its SDK.
//
// Functions that take a testing.TB and do not say otherwise end the test on
// failure, and so are called on the test's own goroutine. Whatever they start
// is stopped when the test ends.
package oteltest
