// Package e2e tests otelhttpclient together with what it meets in production: the OpenTelemetry
// Collector, services on the other side of the wire, and the HTTP libraries that applications put
// above, below and around a transport. It holds tests only, and is a module of its own so that none
// of what they need becomes a dependency of the library.
//
// Everything runs inside the test process and on the loopback interface; nothing has to be installed.
package e2e
