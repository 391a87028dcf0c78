// Package e2e tests otelhttpclient with the OpenTelemetry Collector, with services that continue the
// trace, and with the HTTP libraries that applications use above, below and around a Transport. It
// contains only tests. It is a separate module, so that its dependencies never become dependencies of the
// library.
//
// Everything runs locally, on the loopback interface. The tests need no installation.
package e2e
