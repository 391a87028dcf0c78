// Package setup tests the README's program and the two below it, which set up the
// OpenTelemetry SDK: explicit in code, environment by environment variables. It is
// a module of its own, so that the exporters never become dependencies of the library.
package setup
