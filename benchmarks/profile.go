package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/pprof"
	"strings"
	"time"
)

// writeProfiles runs one contender in one row and writes a CPU profile and a profile of every
// allocation. Profiling is slow, so the numbers differ from the table's.
func writeProfiles(dir, contender string, rows []row, benchtime time.Duration) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	// Allocations are recorded only after the CPU profile.
	runtime.MemProfileRate = 0
	if len(rows) != 1 {
		// The runtime cannot reset its allocation profile.
		return fmt.Errorf("-profile needs exactly one row, -row matches %d", len(rows))
	}
	r := rows[0]
	if r.responses > 0 {
		return fmt.Errorf("row %q has no profile", r.name)
	}
	t, stop, err := r.start()
	if err != nil {
		return err
	}
	defer stop()
	lanes := r.lanes(t, func(name string) bool { return name == contender })
	if len(lanes) == 0 {
		return fmt.Errorf("no contender %q in row %q", contender, r.name)
	}
	ln, load := lanes[0], r.load(t)
	if err := load.calibrate(ln, 10*benchtime); err != nil {
		return err
	}

	base := filepath.Join(dir, strings.Trim(regexp.MustCompile(`\W+`).ReplaceAllString(r.name, "-"), "-"))
	cpu, err := os.Create(base + ".cpu.pprof")
	if err != nil {
		return err
	}
	defer cpu.Close()
	if err := pprof.StartCPUProfile(cpu); err != nil {
		return err
	}
	s, err := load.run(ln, ln.requests)
	pprof.StopCPUProfile()
	if err != nil {
		return err
	}
	fmt.Printf("%s: %d requests, %s, %.1f allocations each\n", cpu.Name(), ln.requests, formatTime(s.wall), s.allocs)

	// A round number, so that the profile's counts are easy to read per request.
	const requests = 10_000
	runtime.MemProfileRate = 1
	if _, err := load.run(ln, requests); err != nil {
		return err
	}
	runtime.MemProfileRate = 0
	allocs, err := os.Create(base + ".allocs.pprof")
	if err != nil {
		return err
	}
	defer allocs.Close()
	// The profile omits allocations of the last two GC cycles.
	runtime.GC()
	runtime.GC()
	if err := pprof.Lookup("allocs").WriteTo(allocs, 0); err != nil {
		return err
	}
	fmt.Printf("%s: %d requests\n", allocs.Name(), requests)
	return nil
}
