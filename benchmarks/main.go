// Command benchmarks prints what a request costs with each of several HTTP client
// instrumentations, above what it costs with the bare transport, as one Markdown table:
//
//	go run . [-quick] [-rounds n] [-benchtime d] [-row regexp]
//
// A cell reads "+2.10 µs ± 20 ns, +12": the time above bare, half the distance between the quartiles
// of the rounds, and the allocations above bare. Each is the median over the rounds; in every round
// each contender of a row runs once, see [load.measure]. The ratios are those of this library to
// otelhttp. Spans are root spans, sampled by all or none, and end in a processor that only counts.
//
// With -profile, it writes profiles of one contender instead:
//
//	go run . -profile /tmp -contender otelhttpclient -row '^sampled$'
//
// It is a module of its own, so that what is compared here never reaches those who use the library.
package main

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"runtime"
	"strings"
	"time"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "benchmarks:", err)
		os.Exit(1)
	}
}

func run() error {
	var (
		rounds    = flag.Int("rounds", 5, "rounds, at least five for a median that means something")
		benchtime = flag.Duration("benchtime", 500*time.Millisecond, "how long one contender runs in one round")
		quick     = flag.Bool("quick", false, "cells of 20 ms: shows that everything runs; its times are rough")
		match     = flag.String("row", "", "only the rows whose names match this regular expression")
		profile   = flag.String("profile", "", "write CPU and allocation profiles into this directory, and no table")
		contender = flag.String("contender", nameOurs, "with -profile: of which contender")
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

	var results []result
	for i, r := range selected {
		fmt.Fprintf(os.Stderr, "%d/%d %s\n", i+1, len(selected), r.name)
		res, err := r.measure(*rounds, *benchtime)
		if err != nil {
			return err
		}
		results = append(results, res)
	}
	fmt.Printf("%s, %d cores, %s %s/%s, %s, %d rounds of %v\n\n",
		cpuModel(), runtime.GOMAXPROCS(0), runtime.Version(), runtime.GOOS, runtime.GOARCH,
		time.Now().UTC().Format(time.DateOnly), *rounds, *benchtime)
	return writeTable(os.Stdout, results)
}

// cpuModel is the processor's name where Linux tells it.
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
