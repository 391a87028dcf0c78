package main

import (
	"fmt"
	"io"
	"math"
	"strings"
	"unicode/utf8"
)

// columns are the contenders with a column in the table, besides bare.
var columns = []string{nameOurs, nameByHand, nameOTel, nameDatadog}

// writeTable writes the results as one Markdown table, padded to be readable as plain text.
func writeTable(w io.Writer, results []result) error {
	header := append([]string{"per request", nameBare}, columns...)
	header = append(header, "÷ hand-written", "allocs ÷ hand-written", "÷ otelhttp")
	lines := [][]string{header}
	for _, res := range results {
		for _, q := range res.quantities {
			lines = append(lines, res.line(q).cells())
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
- bare: a request's time and allocations. The others: the cost above bare, as time ± half the
  interquartile range, and allocations. All values are medians over the rounds. In each round every
  contender runs once, in turn.
- Ratios are otelhttpclient's cost above bare divided by the other's; ± is half the interquartile range
  of the ratios within a round. There is no ratio if the other's cost is "below bare", or not clearly
  different from bare's ("in the noise").
- hand-written: minimal careful instrumentation of one application:
  start a span with four attributes, copy the request and its headers, inject, record status and
  protocol version, wrap the body, record the duration where metrics are on, end. Nothing is redacted,
  classified or guarded, and the peer's address is left out. Where a row has features, the same is
  written by hand.
- All spans are root spans and go to a processor that only counts them. Every request and response is
  new, with three request headers and a body that is read to EOF.
- Time is wall time unless the row says otherwise; with 16 goroutines it is the inverse of the throughput.
  CPU time is that of this process, from getrusage, including garbage collection.
- loopback: the server is another process, so CPU time is the client's alone, and wall time includes the
  server's work. CPU time varies less.
- dd-trace-go has its own tracer, which computes statistics and encodes spans in the background. It
  sends nothing and has no metrics.
- hooks, URL filter, headers; WithAttributes: otelhttp has none of these for spans; a custom RoundTripper
  below it records the same. dd-trace-go uses hooks; its URLs are not filtered.
- everything on: hooks, URL filter, headers, WithAttributes, and the opt-in metrics for active requests,
  body sizes, time in queue and DNS lookups. Of these metrics, otelhttp has only the request body size.
- open responses: the heap memory that one open response of the stub holds, and the CPU time of one
  garbage collection while all of them are open. The ratios of memory include what the bare transport
  holds.
- file: with the bare transport, otelhttpclient and the hand-written contender the kernel sends the file
  (sendfile); otelhttp copies it through the process. Which is faster on loopback, where the receiver
  copies anyway, depends on the kernel; see the throughput.
`

// line is one line of the table.
type line struct {
	name   string
	values []string // of bare and the other contenders
	byHand string   // ratio
	allocs string   // ratio to the hand-written contender's
	otel   string   // ratio
}

func (l line) cells() []string {
	cells := append([]string{l.name}, l.values...)
	return append(cells, l.byHand, l.allocs, l.otel)
}

// line returns the table's line for a quantity of a result.
func (r result) line(q quantity) line {
	l := line{name: r.row.name, allocs: "–"}
	if q.label != "" {
		l.name += ", " + q.label
	}
	l.values = append(l.values, r.bareCell(q))
	for _, name := range columns {
		l.values = append(l.values, r.cell(name, q))
	}
	l.byHand = r.ratioCell(nameByHand, q)
	l.otel = r.ratioCell(nameOTel, q)
	if q.perRequest {
		l.allocs = r.allocsRatio()
	}
	return l
}

// costs returns a contender's costs above bare, one per round.
func (r result) costs(name string, of func(sample) float64) []float64 {
	return above(each(r.samples[name], of), each(r.samples[nameBare], of))
}

// divided returns what the ratios of a quantity divide.
func (r result) divided(name string, q quantity) []float64 {
	if q.whole {
		return each(r.samples[name], q.of)
	}
	return r.costs(name, q.of)
}

func (r result) ratioCell(divisor string, q quantity) string {
	ours, theirs := r.divided(nameOurs, q), r.divided(divisor, q)
	if len(ours) == 0 || len(theirs) == 0 {
		return "–"
	}
	if ratio, known := ratioOf(ours, theirs); known {
		return fmt.Sprintf("%.2f ± %.2f", ratio.median, ratio.spread)
	}
	switch v := valueOf(theirs); {
	case math.IsNaN(v.median):
		return "–"
	case v.median < -2*v.spread:
		return "below bare"
	}
	return "in the noise"
}

func (r result) allocsRatio() string {
	ours, theirs := r.costs(nameOurs, allocs), r.costs(nameByHand, allocs)
	if len(ours) == 0 || len(theirs) == 0 || valueOf(theirs).median < 1 {
		return "–"
	}
	return fmt.Sprintf("%.2f", max(0, valueOf(ours).median)/valueOf(theirs).median)
}

func allocs(s sample) float64 { return s.allocs }

func (r result) bareCell(q quantity) string {
	bare := r.samples[nameBare]
	v := valueOf(each(bare, q.of))
	if math.IsNaN(v.median) {
		return "not measurable on this system"
	}
	cell := fmt.Sprintf("%s ± %s", q.format(v.median), q.format(v.spread))
	if q.perRequest {
		cell += fmt.Sprintf(", %.0f", valueOf(each(bare, allocs)).median)
	}
	if q.throughput {
		cell += r.throughput(v.median)
	}
	return cell
}

func (r result) cell(name string, q quantity) string {
	costs := r.costs(name, q.of)
	if len(costs) == 0 {
		return "–"
	}
	v := valueOf(costs)
	if math.IsNaN(v.median) {
		return "–"
	}
	cell := fmt.Sprintf("%s ± %s", signed(v.median, q.format), q.format(v.spread))
	if q.perRequest {
		cell += fmt.Sprintf(", %+.0f", noNegativeZero(valueOf(r.costs(name, allocs)).median))
	}
	if q.throughput {
		cell += r.throughput(valueOf(each(r.samples[nameBare], q.of)).median + v.median)
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

// throughput returns the bytes sent per time, after a comma, if the row uploads any.
func (r result) throughput(ns float64) string {
	if r.upload == 0 {
		return ""
	}
	return fmt.Sprintf(", %.1f GB/s", float64(r.upload)/ns)
}

func signed(v float64, format func(float64) string) string {
	if v < 0 {
		return "-" + format(-v)
	}
	return "+" + format(v)
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
