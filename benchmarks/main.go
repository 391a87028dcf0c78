// Command benchmarks measures the cost of a request with several HTTP client instrumentations, above the
// cost with the bare transport, and prints one Markdown table:
//
//	go run . [-quick] [-rounds n] [-benchtime d] [-row regexp] [-cpu]
//
// A cell such as "+2.10 µs ± 20 ns, +12" has the time above bare, half the interquartile range of the
// rounds, and the allocations above bare. Time and allocations are medians over the rounds. Each
// contender of a row runs once per round, see [interleave]. Ratios compare this library with
// instrumentation written by hand, see [handWritten], and with otelhttp. Spans are root spans, all sampled
// or none, and go to a processor that only counts them. Servers run in a process of their own.
//
// With -profile, it writes profiles of one contender instead:
//
//	go run . -profile /tmp -contender otelhttpclient -row '^sampled$'
//
// With -code, it counts the instructions and the lines of machine code of a request instead, see code.go:
//
//	go run . -code [-row '^sampled$']
//
// This is a separate module, so that the other libraries never become dependencies of the library.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"regexp"
	"runtime"
	"strings"
	"time"
)

func main() {
	serveIfServer()
	sendIfCounted()
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "benchmarks:", err)
		os.Exit(1)
	}
}

func run() error {
	var (
		rounds    = flag.Int("rounds", 9, "number of rounds; the published tables are medians of nine, with -code of three")
		benchtime = flag.Duration("benchtime", 500*time.Millisecond, "duration of one contender's run in one round")
		quick     = flag.Bool("quick", false, "20 ms per cell: checks that everything runs; times are inaccurate")
		cpu       = flag.Bool("cpu", false, "measure the CPU time of the rows without a network, too: for a busy machine")
		match     = flag.String("row", "", "run only rows whose names match this regular expression")
		profile   = flag.String("profile", "", "write CPU and allocation profiles to this directory instead of a table")
		code      = flag.Bool("code", false, "count instructions and lines of code with Valgrind instead of measuring times")
		requests  = flag.Int("requests", 500, "with -code: how many requests the shorter of two runs sends")
		contender = flag.String("contender", nameOurs, "with -profile: the contender to profile")
	)
	flag.Parse()
	if flag.NArg() != 0 {
		return fmt.Errorf("unexpected argument %q", flag.Arg(0))
	}
	if *rounds < 1 {
		return fmt.Errorf("-rounds is %d, want at least 1", *rounds)
	}
	if *quick {
		*benchtime = 20 * time.Millisecond
	}
	pattern, err := regexp.Compile(*match)
	if err != nil {
		return fmt.Errorf("-row: %w", err)
	}
	if *code {
		return countCode(os.Stdout, pattern, *requests, *rounds)
	}
	var selected []row
	for _, r := range rows {
		if pattern.MatchString(r.name) {
			selected = append(selected, r)
		}
	}
	if len(selected) == 0 {
		return fmt.Errorf("no row matches %q", *match)
	}
	if *profile != "" {
		return writeProfiles(*profile, *contender, selected, *benchtime)
	}

	if _, known := cpuTime(); *cpu && !known {
		return errors.New("-cpu: CPU time is unknown on this system")
	}

	var results []result
	for i, r := range selected {
		fmt.Fprintf(os.Stderr, "%d/%d %s\n", i+1, len(selected), r.name)
		res, err := r.measure(*rounds, *benchtime)
		if err != nil {
			return err
		}
		if *cpu {
			res.useCPUTime()
		}
		results = append(results, res)
	}
	fmt.Printf("%s, %d cores, %s %s/%s, %s, %d rounds of %v\n\n",
		cpuModel(), runtime.GOMAXPROCS(0), runtime.Version(), runtime.GOOS, runtime.GOARCH,
		time.Now().UTC().Format(time.DateOnly), *rounds, *benchtime)
	return writeTable(os.Stdout, results)
}

// cpuModel returns the processor's name on Linux, else "unknown CPU".
func cpuModel() string {
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown CPU"
	}
	for line := range strings.Lines(string(info)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown CPU"
}
