package main

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// The code that a request passes through is counted with Valgrind's cachegrind, which simulates the
// processor's caches: instructions, and misses of an instruction cache of 32 KiB, which are lines of 64
// bytes. Between two requests on a socket the kernel and net/http replace the cache's content, so that each
// line is fetched anew. Unlike times, these counts are the same on a busy machine, and on another one.
//
// Each contender runs in a process of its own, once for n requests and once for 3n: the difference is
// that of 2n requests without the start of the program. The server is not simulated, and no garbage is
// collected.

// countVariable is the environment variable that makes a run of this program send requests for a count.
// Its value is row, contender and number of requests, separated by semicolons.
const countVariable = "OTELHTTPCLIENT_BENCHMARK_COUNT"

// codeRows are the rows of the table of code.
var codeRows = []row{
	{name: "no SDK", sdk: noSDK, open: loopbackGet},
	{name: "unsampled", sdk: unsampled, open: loopbackGet},
	{name: "sampled", sdk: sampled, open: loopbackGet},
	{name: "sampled, metrics", sdk: sampledMetrics, open: loopbackGet},
	{name: "sampled, POST 1 KiB", sdk: sampled, open: loopbackPost},
	{name: "sampled, hooks, URL filter, headers", sdk: sampled, features: features{hooks: true}, open: loopbackGet},
	{name: "sampled, metrics, WithAttributes", sdk: sampledMetrics, features: features{attributes: true}, open: loopbackGet},
}

// codeContenders are the columns. dd-trace-go works in the background, which cannot be told apart.
var codeContenders = []string{nameBare, nameOurs, nameByHand, nameOTel}

// sendIfCounted sends requests if this process is to be counted.
func sendIfCounted() {
	value := os.Getenv(countVariable)
	if value == "" {
		return
	}
	if err := sendCounted(value); err != nil {
		fmt.Fprintln(os.Stderr, "benchmarks: count:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func sendCounted(value string) error {
	os.Unsetenv(countVariable) // the server is another run of this program
	part := strings.Split(value, ";")
	if len(part) != 3 {
		return fmt.Errorf("%s is %q, want row;contender;number", countVariable, value)
	}
	i := slices.IndexFunc(codeRows, func(r row) bool { return r.name == part[0] })
	n, err := strconv.Atoi(part[2])
	if i < 0 || err != nil {
		return fmt.Errorf("%s is %q, want a row's name, a contender and a number", countVariable, value)
	}
	t, err := codeRows[i].open()
	if err != nil {
		return err
	}
	defer t.close()
	lanes := codeRows[i].lanes(t, func(name string) bool { return name == part[1] })
	if len(lanes) != 1 {
		return fmt.Errorf("no contender %q in row %q", part[1], part[0])
	}
	buf := make([]byte, 4<<10)
	for range n {
		req, err := t.newRequest()
		if err == nil {
			err = lanes[0].exchange(req, buf)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// cost is what a request costs.
type cost struct{ instructions, lines float64 }

func (c cost) minus(d cost) cost { return cost{c.instructions - d.instructions, c.lines - d.lines} }

// profile is the cost of a request by function.
type profile map[string]cost

func (p profile) total() (c cost) {
	for _, f := range p {
		c.instructions += f.instructions
		c.lines += f.lines
	}
	return c
}

// counter runs this program under Valgrind.
type counter struct {
	dir, program string
	requests     int
}

// newCounter builds this program so that Valgrind knows the stacks of goroutines.
func newCounter(requests int) (c *counter, remove func(), err error) {
	if _, err := exec.LookPath("valgrind"); err != nil {
		return nil, nil, errors.New("valgrind is missing: install the package valgrind of your system (on Debian: apt-get install valgrind)")
	}
	dir, err := os.MkdirTemp("", "code")
	if err != nil {
		return nil, nil, err
	}
	c = &counter{dir: dir, program: filepath.Join(dir, "benchmarks"), requests: requests}
	if out, err := exec.Command("go", "build", "-tags", "valgrind", "-o", c.program, ".").CombinedOutput(); err != nil {
		os.RemoveAll(dir)
		return nil, nil, fmt.Errorf("go build: %w: %s", err, out)
	}
	return c, func() { os.RemoveAll(dir) }, nil
}

// count returns the cost of a request: the median of the rounds. The requests are the same in each, but not
// what the scheduler does while they wait.
func (c *counter) count(r row, contender string, rounds int) (profile, error) {
	counts := make([]profile, rounds)
	for i := range counts {
		var err error
		if counts[i], err = c.countOnce(r, contender); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(counts, func(a, b profile) int { return cmp.Compare(a.total().lines, b.total().lines) })
	return counts[rounds/2], nil
}

func (c *counter) countOnce(r row, contender string) (profile, error) {
	few, err := c.run(r, contender, c.requests)
	if err != nil {
		return nil, err
	}
	many, err := c.run(r, contender, 3*c.requests)
	if err != nil {
		return nil, err
	}
	for name, f := range many {
		d := f.minus(few[name])
		many[name] = cost{d.instructions / float64(2*c.requests), d.lines / float64(2*c.requests)}
	}
	return many, nil
}

func (c *counter) run(r row, contender string, n int) (profile, error) {
	out := filepath.Join(c.dir, "out")
	cmd := exec.Command("valgrind", "--tool=cachegrind", "--cache-sim=yes",
		"--I1=32768,8,64", "--D1=32768,8,64", "--LL=33554432,16,64", "--cachegrind-out-file="+out, c.program)
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1", "GOGC=off", fmt.Sprintf("%s=%s;%s;%d", countVariable, r.name, contender, n))
	if text, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%s, %s: valgrind: %w: %s", r.name, contender, err, bytes.TrimSpace(text))
	}
	f, err := os.Open(out)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return parseCachegrind(f)
}

// parseCachegrind returns the instructions and the misses of the instruction cache by function, from a
// file of cachegrind.
func parseCachegrind(r io.Reader) (profile, error) {
	p := profile{}
	var function string
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		if events, ok := strings.CutPrefix(line, "events: "); ok {
			if !strings.HasPrefix(events, "Ir I1mr ") {
				return nil, fmt.Errorf("cachegrind's events are %q, want Ir and I1mr first", events)
			}
		} else if name, ok := strings.CutPrefix(line, "fn="); ok {
			function = name
		} else if line != "" && line[0] >= '0' && line[0] <= '9' {
			field := strings.Fields(line) // line number, Ir, I1mr, …
			if len(field) < 3 {
				return nil, fmt.Errorf("cachegrind's line is %q, want a line number and counts", line)
			}
			ir, err := strconv.ParseFloat(field[1], 64)
			misses, err2 := strconv.ParseFloat(field[2], 64)
			if err := errors.Join(err, err2); err != nil {
				return nil, err
			}
			c := p[function]
			p[function] = cost{c.instructions + ir, c.lines + misses}
		}
	}
	if len(p) == 0 && lines.Err() == nil {
		return nil, errors.New("cachegrind's file has no functions")
	}
	return p, lines.Err()
}

// ourPackage begins the names of this library's functions.
const ourPackage = "github.com/otelhttpclient/otelhttpclient."

func isOurs(function string) bool {
	return strings.HasPrefix(function, ourPackage) || strings.HasPrefix(function, strings.TrimSuffix(ourPackage, ".")+"/internal/")
}

// ours returns this library's functions, those with the most lines first, and their sum.
func (p profile) ours() (names []string, total cost) {
	for _, name := range p.byLines() {
		if isOurs(name) && p[name].lines >= 0.5 {
			names = append(names, name)
			total.instructions += p[name].instructions
			total.lines += p[name].lines
		}
	}
	return names, total
}

// countCode counts the rows whose names match, and prints a table and this library's functions in each row.
func countCode(w io.Writer, pattern *regexp.Regexp, requests, rounds int) error {
	c, remove, err := newCounter(requests)
	if err != nil {
		return err
	}
	defer remove()
	table := &strings.Builder{}
	fmt.Fprintln(table, "| loopback | bare | "+strings.Join(codeContenders[1:], " | ")+" | ÷ hand-written | ÷ otelhttp |")
	fmt.Fprintln(table, "|"+strings.Repeat(" --- |", len(codeContenders)+3))
	for _, r := range codeRows {
		if !pattern.MatchString(r.name) {
			continue
		}
		profiles := map[string]profile{}
		for _, contender := range codeContenders {
			fmt.Fprintf(os.Stderr, "%s, %s\n", r.name, contender)
			if profiles[contender], err = c.count(r, contender, rounds); err != nil {
				return err
			}
		}
		writeCodeRow(table, r, profiles)
		writeFunctions(w, r, profiles[nameOurs], profiles[nameBare])
	}
	_, err = io.WriteString(w, table.String())
	return err
}

// writeCodeRow writes what a request costs above bare: instructions and lines of code.
func writeCodeRow(w io.Writer, r row, profiles map[string]profile) {
	bare := profiles[nameBare].total()
	fmt.Fprintf(w, "| %s | %s |", r.name, bare)
	for _, contender := range codeContenders[1:] {
		fmt.Fprintf(w, " +%s |", profiles[contender].total().minus(bare))
	}
	ours := profiles[nameOurs].total().minus(bare)
	for _, other := range []string{nameByHand, nameOTel} {
		o := profiles[other].total().minus(bare)
		fmt.Fprintf(w, " %.2f, %.2f |", ours.instructions/o.instructions, ours.lines/o.lines)
	}
	fmt.Fprintln(w)
}

// writeFunctions lists this library's functions, and those of other packages that cost more than with the
// bare transport.
func writeFunctions(w io.Writer, r row, p, bare profile) {
	names, total := p.ours()
	fmt.Fprintf(w, "%s: %d functions of this library, %.0f instructions, %.0f lines\n\n", r.name, len(names), total.instructions, total.lines)
	for _, name := range names {
		fmt.Fprintf(w, "%7.1f lines %7.0f instructions  %s\n", p[name].lines, p[name].instructions, strings.TrimPrefix(name, "github.com/otelhttpclient/"))
	}
	others := profile{}
	for name, c := range p {
		if d := c.minus(bare[name]); !isOurs(name) && d.lines >= 4 {
			others[name] = d
		}
	}
	fmt.Fprintln(w, "\nother packages, above bare:")
	for _, name := range others.byLines() {
		fmt.Fprintf(w, "%7.1f lines %7.0f instructions  %s\n", others[name].lines, others[name].instructions, name)
	}
	fmt.Fprintln(w)
}

// byLines returns the functions, those with the most lines first.
func (p profile) byLines() []string {
	return slices.SortedFunc(maps.Keys(p), func(a, b string) int {
		return cmp.Or(cmp.Compare(p[b].lines, p[a].lines), strings.Compare(a, b))
	})
}

func (c cost) String() string { return fmt.Sprintf("%.0f, %.0f", c.instructions, c.lines) }
