package main

import (
	"fmt"
	"time"
)

// quantity is what one line of the table shows.
type quantity struct {
	label  string // after the row's name; "" for none
	of     func(sample) float64
	format func(float64) string
	// perRequest: the line also shows allocations.
	perRequest bool
	// throughput: the line also shows it where there is an upload.
	throughput bool
	// whole: the ratios are of what a contender holds in all, not of what it holds above bare.
	whole bool
}

var (
	stubTime = quantity{
		of: func(s sample) float64 { return s.wall }, format: formatTime, perRequest: true,
	}
	wallTime = quantity{
		label: "wall time",
		of:    func(s sample) float64 { return s.wall }, format: formatTime, perRequest: true, throughput: true,
	}
	processTime = quantity{
		label: "CPU time",
		of:    func(s sample) float64 { return s.cpu }, format: formatTime, perRequest: true,
	}
	memory = quantity{
		label: "memory of one",
		of:    func(s sample) float64 { return s.held }, format: formatBytes, whole: true,
	}
	collection = quantity{
		label: "a collection, CPU time",
		of:    func(s sample) float64 { return s.collection }, format: formatTime,
	}
)

// formatTime formats nanoseconds with about three significant digits.
func formatTime(ns float64) string {
	switch d := time.Duration(ns); {
	case d < time.Microsecond:
		return fmt.Sprintf("%.0f ns", ns)
	case d < 10*time.Microsecond:
		return fmt.Sprintf("%.2f µs", ns/1e3)
	case d < time.Millisecond:
		return fmt.Sprintf("%.1f µs", ns/1e3)
	default:
		return fmt.Sprintf("%.2f ms", ns/1e6)
	}
}

func formatBytes(bytes float64) string { return fmt.Sprintf("%.0f B", bytes) }
