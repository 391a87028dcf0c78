// Command conformance runs the test suites of net/http, net/http/httputil and
// net/http/httptest with an otelhttpclient.Transport around every
// http.Transport. Every test that passes without it must pass with it. See
// README.md.
//
// Run it in the repository's root:
//
//	go run ./conformance/nethttp
package main

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// packages are the tested packages, by import path.
var packages = []string{"net/http", "net/http/httputil", "net/http/httptest"}

// A run is one configuration in which all packages are tested.
type run struct {
	name string
	mode string // for testdata/wrap_test.go; empty: without a Transport
	race bool
}

var runs = []run{
	{name: "unwrapped"},
	{name: "defaults", mode: "defaults"},
	{name: "everything", mode: "everything"},
	{name: "race", mode: "everything", race: true},
}

func main() {
	var (
		selected = flag.String("runs", runNames(), "which `runs` to make, separated by commas")
		keep     = flag.Bool("keep", false, "keep the copied GOROOT and the output of each run, and print their directory")
		timeout  = flag.Duration("timeout", 10*time.Minute, "limit for one package in one run")
	)
	flag.Parse()
	ok, err := conformance(strings.Split(*selected, ","), *keep, *timeout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(2)
	}
	if !ok {
		os.Exit(1)
	}
}

func runNames() string {
	var names []string
	for _, r := range runs {
		names = append(names, r.name)
	}
	return strings.Join(names, ",")
}

// conformance reports whether all selected runs pass.
func conformance(selected []string, keep bool, timeout time.Duration) (ok bool, err error) {
	for _, name := range selected {
		if !slices.ContainsFunc(runs, func(r run) bool { return r.name == name }) {
			return false, fmt.Errorf("no run %q; the runs are %s", name, runNames())
		}
	}
	dir, err := os.MkdirTemp("", "conformance")
	if err != nil {
		return false, err
	}
	if keep {
		fmt.Println(dir)
	} else {
		defer os.RemoveAll(dir)
		interrupted := make(chan os.Signal, 1)
		signal.Notify(interrupted, os.Interrupt)
		go func() {
			<-interrupted
			os.RemoveAll(dir)
			os.Exit(2)
		}()
	}

	goroot, version, err := copyGoroot(filepath.Join(dir, "goroot"))
	if err != nil {
		return false, err
	}
	s := &suite{dir: dir, goroot: goroot, timeout: timeout}
	fmt.Printf("%s, %d tests left out by name\n\n", version, len(leftOut))
	fmt.Printf("%-12s %-20s %8s %8s %8s %8s %8s\n", "run", "package", "passed", "skipped", "failed", "rerun", "seconds")

	ok = true
	unwrapped := map[string]results{} // by package
	for _, r := range runs {
		if r.mode != "" && !slices.Contains(selected, r.name) {
			continue
		}
		for _, pkg := range packages {
			started := time.Now()
			got, err := s.test(pkg, r)
			if err != nil {
				return false, err
			}
			if r.mode == "" {
				unwrapped[pkg] = got
			}
			faults, reruns, err := s.compare(pkg, r, got, unwrapped[pkg])
			if err != nil {
				return false, err
			}
			fmt.Printf("%-12s %-20s %8d %8d %8d %8d %8.1f\n", r.name, pkg, got.count("pass"), got.count("skip"), len(faults), reruns, time.Since(started).Seconds())
			for _, name := range slices.Sorted(maps.Keys(faults)) {
				ok = false
				fmt.Printf("\n%s: %s: %s\n%s\n", r.name, name, faults[name], indent(got.output[name]))
			}
		}
	}
	if ok {
		fmt.Println("\nEvery test that passes without the Transport passes with it.")
	}
	return ok, nil
}

// rerunAtMost is how many tests of a package are run again. More are not flaky:
// the run was cut short, or the Transport is broken.
const rerunAtMost = 30

// compare returns what went wrong: tests that fail or have no result, and tests
// of the unwrapped run that are missing. Each of them is run alone again, up to
// twice. got is corrected accordingly.
func (s *suite) compare(pkg string, r run, got, unwrapped results) (faults map[string]string, reruns int, err error) {
	faults = map[string]string{}
	differing := map[string]bool{}
	for name, result := range got.result {
		if result == "fail" {
			differing[name] = true
		}
	}
	for name, result := range unwrapped.result {
		if result == "pass" && got.result[name] != "pass" {
			differing[name] = true
		}
	}
	if got.failed && len(differing) == 0 {
		// TestMain looks for leaked goroutines.
		faults[""] = "all tests pass, but the process failed"
	}
	if len(differing) > rerunAtMost {
		names := slices.Sorted(maps.Keys(differing))
		faults[names[0]] = fmt.Sprintf("got %s, want pass, as for %d more tests%s", orNone(got.result[names[0]]), len(names)-1, got.timedOut())
		return faults, 0, nil
	}
	// A test fails with its subtests, so only these are run again.
	for _, name := range slices.Backward(slices.Sorted(maps.Keys(differing))) {
		want := unwrapped.result[name]
		if want == "" {
			want = "pass"
		}
		if hasSubtest(differing, name) {
			if !hasSubtestFault(faults, name) {
				got.result[name] = want
			} else {
				faults[name] = "fails with a subtest"
			}
			continue
		}
		fmt.Printf("%s: %s: %s %s, run alone again\n", r.name, pkg, name, orNone(got.result[name]))
		passed := false
		for range 2 {
			reruns++
			again, err := s.testAlone(pkg, r, name)
			if err != nil {
				return nil, 0, err
			}
			if passed = again == want; passed {
				break
			}
		}
		switch {
		case passed:
			got.result[name] = want
		case r.mode != "" && s.same(pkg, r, name, got.result[name]):
			// The test has the same result in this build without the Transport.
		default:
			faults[name] = fmt.Sprintf("got %s, want %s", orNone(got.result[name]), want)
		}
	}
	return faults, reruns, nil
}

// same reports whether a test has a result also without the Transport, in the
// same build. Some tests are skipped under the race detector.
func (s *suite) same(pkg string, r run, name, result string) bool {
	again, err := s.testAlone(pkg, run{race: r.race}, name)
	return err == nil && result != "" && again == result
}

func orNone(result string) string {
	if result == "" {
		return "no result"
	}
	return result
}

func hasSubtest(names map[string]bool, parent string) bool {
	for name := range names {
		if strings.HasPrefix(name, parent+"/") {
			return true
		}
	}
	return false
}

func hasSubtestFault(faults map[string]string, parent string) bool {
	for name := range faults {
		if strings.HasPrefix(name, parent+"/") {
			return true
		}
	}
	return false
}

func indent(text string) string {
	const limit = 4000
	if len(text) > limit {
		text = text[:limit] + "\n…"
	}
	return "\t" + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n\t")
}

// goCommand returns the go command of the running toolchain.
func goCommand(dir string, args ...string) *exec.Cmd {
	cmd := exec.Command("go", args...)
	cmd.Dir = dir
	cmd.Stderr = os.Stderr
	return cmd
}
