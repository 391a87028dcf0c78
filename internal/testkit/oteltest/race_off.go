//go:build !race

package oteltest

// RaceEnabled reports whether the race detector is on, which makes allocations
// and times meaningless.
const RaceEnabled = false
