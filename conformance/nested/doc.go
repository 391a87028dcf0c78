// Package nested tests Transports around Transports, with layers between them that
// send a request again: each attempt has a span and a measurement of its own.
package nested
