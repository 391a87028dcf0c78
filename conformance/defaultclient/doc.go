// Package defaultclient tests InstrumentDefault: that the default transport is
// traced, and otherwise like that of a program without tracing, and that exporters
// which use it are not traced.
package defaultclient
