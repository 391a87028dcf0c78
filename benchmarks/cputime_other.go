//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package main

import "time"

// cpuTime is unknown without getrusage.
func cpuTime() (t time.Duration, known bool) { return 0, false }
