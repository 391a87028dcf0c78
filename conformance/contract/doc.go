// Package contract tests that a Transport keeps net/http's contract of
// RoundTripper: the program and the base see what they would see without it.
package contract
