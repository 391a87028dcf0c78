package main

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"
)

// columns are the contenders with a column in the table, besides bare.
var columns = []string{nameOurs, nameOTel, nameDatadog, nameLimit}

// writeTable writes the results as one Markdown table, padded to be readable as plain text.
func writeTable(w io.Writer, results []result) error {
	header := append([]string{"per request", nameBare}, columns...)
	header = append(header, "time ÷ otelhttp", "allocs ÷ otelhttp", "goal", "met")
	lines := [][]string{header}
	for _, res := range results {
		lines = append(lines, res.line())
		if res.row.goal.limit != 0 {
			lines = append(lines, res.limitLine())
		}
	}
	if err := writeMarkdown(w, lines); err != nil {
		return err
	}
	_, err := io.WriteString(w, notes)
	return err
}

// notes explain how to read the table.
const notes = `
- bare: the time and allocations of a request. The others: the cost above bare, as time ± half the
  interquartile range, and allocations. All values are medians over the rounds. In each round every
  contender runs once, in turn.
- Ratios are otelhttpclient's cost divided by otelhttp's. There is no ratio if otelhttp's cost is
  "below bare", or not clearly different from bare's ("in the noise").
- limit: Tracer.Start with the attributes that samplers need, Inject into copied headers,
  SetAttributes and End, written by hand. Nothing is redacted, classified, wrapped or guarded.
- All spans are root spans and go to a processor that only counts them. Every request and response is
  new, with three request headers and a body that is read to its end. The servers run in the same
  process, so their cost for the injected headers is included.
- dd-trace-go has its own tracer, which computes statistics and encodes spans in the background. It
  sends nothing and has no metrics.
- hooks, URL filter, headers: otelhttp has none of these; a custom RoundTripper below it records the
  same. dd-trace-go uses hooks; its URLs are not filtered.
- file: with the bare transport and otelhttpclient the kernel sends the file (sendfile); otelhttp copies
  it through the process. Which is faster on loopback, where the receiver copies anyway, depends on the
  kernel; see the throughput.
`

// line returns the table's line for a result.
func (r result) line() []string {
	line := []string{r.row.name, r.bareCell()}
	for _, name := range columns {
		line = append(line, r.cell(name))
	}
	timeRatio, allocRatio, met := "in the noise", "–", "–"
	ours, theirs := r.costs[nameOurs], r.costs[nameOTel]
	var goals []string
	ok := true
	ratio, known := timeRatioOf(ours, theirs)
	switch {
	case known:
		timeRatio = fmt.Sprintf("%.2f", ratio)
	case theirs.ns < -2*theirs.spread:
		timeRatio = "below bare"
	}
	if theirs.allocs >= 1 {
		allocRatio = fmt.Sprintf("%.2f", max(0, ours.allocs)/theirs.allocs)
	}
	if g := r.row.goal.time; g != 0 {
		goals = append(goals, fmt.Sprintf("time ≤ %.2f", g))
		ok = ok && known && ratio <= g
	}
	if g := r.row.goal.allocs; g != 0 {
		goals = append(goals, fmt.Sprintf("≤ %.0f allocs", g))
		// The runtime's goroutines may add up to half an allocation to the mean.
		ok = ok && ours.allocs < g+0.5
	}
	if len(goals) != 0 {
		met = yesNo(ok)
	}
	return append(line, timeRatio, allocRatio, orDash(strings.Join(goals, ", ")), met)
}

// limitLine returns the line that compares a result with the limit.
func (r result) limitLine() []string {
	line := []string{r.row.name + ", versus limit", ""}
	for range columns {
		line = append(line, "")
	}
	ratio, known := timeRatioOf(r.costs[nameOurs], r.costs[nameLimit])
	return append(line,
		fmt.Sprintf("%.2f × limit", ratio),
		fmt.Sprintf("%.2f × limit", r.costs[nameOurs].allocs/r.costs[nameLimit].allocs),
		fmt.Sprintf("time ≤ %.2f × limit", r.row.goal.limit),
		yesNo(known && ratio <= r.row.goal.limit),
	)
}

// timeRatioOf divides two costs. The ratio is unknown if the divisor is not above its own noise.
func timeRatioOf(a, b cost) (ratio float64, known bool) {
	if b.ns <= 0 || b.ns <= 2*b.spread {
		return 0, false
	}
	return a.ns / b.ns, true
}

func (r result) bareCell() string {
	cell := fmt.Sprintf("%s, %.0f", formatTime(r.bare.ns), r.bare.allocs)
	if r.upload != 0 {
		cell += ", " + throughput(r.upload, r.bare.ns)
	}
	return cell
}

func (r result) cell(name string) string {
	c, ok := r.costs[name]
	if !ok {
		return "–"
	}
	cell := fmt.Sprintf("%s ± %s, %+.0f", signed(c.ns), formatTime(c.spread), noNegativeZero(c.allocs))
	if r.upload != 0 {
		cell += ", " + throughput(r.upload, r.bare.ns+c.ns)
	}
	return cell
}

// noNegativeZero returns 0 for values that would be printed as -0.
func noNegativeZero(v float64) float64 {
	if v > -0.5 && v < 0.5 {
		return 0
	}
	return v
}

func throughput(bytes int64, ns float64) string {
	return fmt.Sprintf("%.1f GB/s", float64(bytes)/ns)
}

func signed(ns float64) string {
	if ns < 0 {
		return "-" + formatTime(-ns)
	}
	return "+" + formatTime(ns)
}

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

func yesNo(ok bool) string {
	if ok {
		return "yes"
	}
	return "**no**"
}

func orDash(s string) string {
	if s == "" {
		return "–"
	}
	return s
}

// writeMarkdown writes lines as a table. The first line is the header. Each column is as wide as its
// widest cell.
func writeMarkdown(w io.Writer, lines [][]string) error {
	widths := make([]int, len(lines[0]))
	for _, line := range lines {
		for i, cell := range line {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	for i, line := range lines {
		for j, cell := range line {
			fmt.Fprintf(&b, "| %-*s ", widths[j], cell)
		}
		b.WriteString("|\n")
		if i == 0 {
			for _, width := range widths {
				b.WriteString("|" + strings.Repeat("-", width+2))
			}
			b.WriteString("|\n")
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}
