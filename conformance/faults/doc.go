// Package faults tests that nothing that goes wrong goes further with a
// Transport than without it: faults of servers, of the base, of callbacks, of
// the SDK and of its exporter. Every span that was started ends, and memory
// stays bounded.
package faults
