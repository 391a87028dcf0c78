package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// suite runs the tests of the copied GOROOT.
type suite struct {
	dir     string // for binaries and outputs
	goroot  string
	timeout time.Duration
}

// results are the results of tests, by name: pass, fail or skip.
type results struct {
	result, output map[string]string

	failed bool // the process
}

func (r results) count(result string) int {
	n := 0
	for _, got := range r.result {
		if got == result {
			n++
		}
	}
	return n
}

// timedOut names the tests that ran when the time was over.
func (r results) timedOut() string {
	for _, output := range r.output {
		if _, list, found := strings.Cut(output, "\trunning tests:\n"); found {
			list, _, _ = strings.Cut(list, "\n\n")
			return "; the time was over in:\n" + strings.TrimRight(list, "\n")
		}
	}
	return ""
}

// own is the test that wrap_test.go adds. It is not counted.
const own = "TestZConformance"

// test runs all tests of a package, but for those that are left out.
func (s *suite) test(pkg string, r run) (results, error) {
	var skip []string
	for _, l := range leftOut {
		if l.pkg == pkg {
			skip = append(skip, pattern(l.name))
		}
	}
	args := []string{}
	if len(skip) > 0 {
		args = append(args, "-test.skip="+strings.Join(skip, "|"))
	}
	out, err := s.execute(pkg, r, args...)
	if err != nil {
		return results{}, err
	}
	if err := os.WriteFile(fmt.Sprintf("%s/%s-%s.json", s.dir, r.name, strings.ReplaceAll(pkg, "/", "-")), out, 0o644); err != nil {
		return results{}, err
	}
	got := parse(out)
	if len(got.result) == 0 {
		return got, fmt.Errorf("%s: %s: no test ran:\n%s", r.name, pkg, got.output[""])
	}
	if got.result[own] == "pass" {
		delete(got.result, own)
	}
	return got, nil
}

// testAlone runs one test, or one subtest.
func (s *suite) testAlone(pkg string, r run, name string) (string, error) {
	out, err := s.execute(pkg, r, "-test.run="+pattern(name))
	return parse(out).result[name], err
}

// pattern is the pattern of the flags -run and -skip for one name.
func pattern(name string) string {
	parts := strings.Split(name, "/")
	for i, p := range parts {
		parts[i] = "^" + regexp.QuoteMeta(p) + "$"
	}
	return strings.Join(parts, "/")
}

func (s *suite) execute(pkg string, r run, args ...string) ([]byte, error) {
	binary, err := s.build(pkg, r.race)
	if err != nil {
		return nil, err
	}
	args = append([]string{"tool", "test2json", "-p", pkg, binary, "-test.v=test2json", "-test.timeout=" + s.timeout.String()}, args...)
	cmd := goCommand(filepath.Join(s.goroot, "src", pkg), args...)
	cmd.Env = append(os.Environ(), "GOROOT="+s.goroot, "CONFORMANCE_MODE="+r.mode, "OTEL_SEMCONV_STABILITY_OPT_IN=")
	if r.mode == "everything" {
		cmd.Env = append(cmd.Env, "OTEL_SEMCONV_STABILITY_OPT_IN=http/dup")
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) { // a failed test is in the output
			return nil, err
		}
	}
	return out.Bytes(), nil
}

// build returns the test binary of a package.
func (s *suite) build(pkg string, race bool) (string, error) {
	binary := filepath.Join(s.dir, strings.ReplaceAll(pkg, "/", "-")+".test")
	args := []string{"test", "-c", "-vet=off"}
	if race {
		binary += ".race"
		args = append(args, "-race")
	}
	if _, err := os.Stat(binary); err == nil {
		return binary, nil
	}
	cmd := goCommand(filepath.Join(s.goroot, "src"), append(args, "-o", binary, pkg)...)
	cmd.Env = append(os.Environ(), "GOROOT="+s.goroot, "GOWORK=off", "GOFLAGS=-mod=vendor")
	cmd.Stdout = os.Stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("cannot build the tests of %s: %w", pkg, err)
	}
	return binary, nil
}

// parse reads the output of test2json.
func parse(out []byte) results {
	got := results{result: map[string]string{}, output: map[string]string{}}
	for line := range bytes.Lines(out) {
		var event struct{ Action, Test, Output string }
		if json.Unmarshal(line, &event) != nil {
			got.output[""] += string(line)
			continue
		}
		switch event.Action {
		case "pass", "fail", "skip":
			if event.Test != "" {
				got.result[event.Test] = event.Action
			} else if event.Action == "fail" {
				got.failed = true
			}
		case "output":
			got.output[event.Test] += event.Output
		}
	}
	return got
}
