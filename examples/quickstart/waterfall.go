package main

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// The columns of a waterfall. Bars use the remaining width.
const (
	columns     = 100
	margin      = 2
	serviceMin  = labelWidth
	serviceMax  = 20
	kindWidth   = 10
	nameMin     = 22
	nameMax     = 34
	tookWidth   = 10
	statusWidth = 11 // includes the two spaces before it
)

// row is a line of a waterfall: a span and its position in the tree.
type row struct {
	span   sdktrace.ReadOnlySpan
	branch string // the tree's lines before the span's name
	below  string // the tree's lines on the rows below
}

// waterfall is a trace prepared for drawing.
type waterfall struct {
	rows  []row
	start time.Time
	total time.Duration
}

// newWaterfalls groups spans into traces and builds a tree for each. A span with an unknown parent
// becomes a root, so that it is still shown.
func newWaterfalls(spans []sdktrace.ReadOnlySpan) []waterfall {
	spans = slices.SortedStableFunc(slices.Values(spans), func(a, b sdktrace.ReadOnlySpan) int {
		return a.StartTime().Compare(b.StartTime())
	})
	var order []trace.TraceID
	traces := make(map[trace.TraceID][]sdktrace.ReadOnlySpan)
	for _, span := range spans {
		id := span.SpanContext().TraceID()
		if traces[id] == nil {
			order = append(order, id)
		}
		traces[id] = append(traces[id], span)
	}

	var all []waterfall
	for _, id := range order {
		all = append(all, newWaterfall(traces[id]))
	}
	return all
}

// newWaterfall requires spans of one trace, sorted by start time.
func newWaterfall(spans []sdktrace.ReadOnlySpan) waterfall {
	known := make(map[trace.SpanID]bool)
	for _, span := range spans {
		known[span.SpanContext().SpanID()] = true
	}
	var root trace.SpanID // the zero ID is the parent of all roots
	children := make(map[trace.SpanID][]sdktrace.ReadOnlySpan)
	end := spans[0].EndTime()
	for _, span := range spans {
		parent := span.Parent().SpanID()
		if !known[parent] {
			parent = root
		}
		children[parent] = append(children[parent], span)
		if span.EndTime().After(end) {
			end = span.EndTime()
		}
	}

	w := waterfall{start: spans[0].StartTime()}
	w.total = end.Sub(w.start)
	var add func(parent trace.SpanID, indent string)
	add = func(parent trace.SpanID, indent string) {
		for i, span := range children[parent] {
			r := row{span: span}
			switch {
			case parent == root:
			case i < len(children[parent])-1:
				r.branch, r.below = indent+"├─ ", indent+"│  "
			default:
				r.branch, r.below = indent+"└─ ", indent+"   "
			}
			id := span.SpanContext().SpanID()
			w.rows = append(w.rows, r)
			below := r.below
			if len(children[id]) > 0 {
				w.rows[len(w.rows)-1].below += "│  "
			}
			add(id, below)
		}
	}
	add(root, "")
	return w
}

// waterfalls draws the traces of spans, with the attributes in notes.
func (s screen) waterfalls(spans []sdktrace.ReadOnlySpan, notes []attribute.Key) {
	for i, w := range newWaterfalls(spans) {
		if i > 0 {
			s.line("")
		}
		s.waterfall(w, notes)
	}
}

func (s screen) waterfall(w waterfall, notes []attribute.Key) {
	serviceWidth, nameWidth := serviceMin, nameMin
	for _, r := range w.rows {
		serviceWidth = max(serviceWidth, utf8.RuneCountInString(serviceName(r.span))+2)
		nameWidth = max(nameWidth, utf8.RuneCountInString(r.branch+r.span.Name())+2)
	}
	serviceWidth, nameWidth = min(serviceWidth, serviceMax), min(nameWidth, nameMax)
	barWidth := columns - margin - serviceWidth - kindWidth - nameWidth - tookWidth - statusWidth

	scale := "0" + padLeft(duration(w.total), barWidth-1)
	s.line(s.bold("trace " + w.rows[0].span.SpanContext().TraceID().String()))
	s.line(s.dim(pad("service", serviceWidth) + pad("kind", kindWidth) + pad("span", nameWidth) +
		scale + padLeft("took", tookWidth) + "  status"))

	for _, r := range w.rows {
		took := r.span.EndTime().Sub(r.span.StartTime())
		service := serviceName(r.span)
		s.line(s.service(service, pad(service, serviceWidth)) +
			pad(strings.ToUpper(r.span.SpanKind().String()), kindWidth) +
			s.dim(r.branch) + pad(r.span.Name(), nameWidth-utf8.RuneCountInString(r.branch)) +
			s.service(service, bar(w, r.span, barWidth)) +
			padLeft(duration(took), tookWidth) + "  " + s.status(r.span))
		for _, note := range notesOf(r.span, notes) {
			indent := strings.Repeat(" ", serviceWidth+kindWidth)
			s.line(s.dim(strings.TrimRight(pad(indent+r.below+note, columns-margin), " ")))
		}
	}
}

// bar draws a span at the scale of its trace: █ for the span, ░ for the wait for a connection, and ▏ for a
// span shorter than one cell.
func bar(w waterfall, span sdktrace.ReadOnlySpan, width int) string {
	cells := func(d time.Duration) int {
		if w.total <= 0 {
			return 0
		}
		return int(math.Round(float64(d) / float64(w.total) * float64(width)))
	}
	from, to := cells(span.StartTime().Sub(w.start)), cells(span.EndTime().Sub(w.start))
	if from >= to {
		from = min(from, width-1)
		return pad(strings.Repeat(" ", from)+"▏", width)
	}
	waited := 0
	if seconds, ok := attributeOf(span, "otelhttpclient.connection.wait_time"); ok {
		wait := time.Duration(seconds.AsFloat64() * float64(time.Second))
		waited = min(cells(span.StartTime().Add(wait).Sub(w.start))-from, to-from)
	}
	return pad(strings.Repeat(" ", from)+strings.Repeat("░", waited)+strings.Repeat("█", to-from-waited), width)
}

// notesOf returns the span's attributes in notes, and its status description.
func notesOf(span sdktrace.ReadOnlySpan, notes []attribute.Key) []string {
	var lines []string
	for _, key := range notes {
		if value, ok := attributeOf(span, key); ok {
			lines = append(lines, fmt.Sprintf("%s = %s", key, text(value)))
		}
	}
	if description := span.Status().Description; description != "" {
		lines = append(lines, description)
	}
	return lines
}

// status returns the HTTP status code, if there is one, and "Error" if the span's status is Error.
func (s screen) status(span sdktrace.ReadOnlySpan) string {
	var parts []string
	if code, ok := attributeOf(span, "http.response.status_code"); ok {
		parts = append(parts, text(code))
	}
	if span.Status().Code == codes.Error {
		return s.red(strings.Join(append(parts, "Error"), " "))
	}
	return strings.Join(parts, " ")
}

func serviceName(span sdktrace.ReadOnlySpan) string {
	name, _ := span.Resource().Set().Value("service.name")
	return cmp.Or(text(name), "unknown")
}

func attributeOf(span sdktrace.ReadOnlySpan, key attribute.Key) (attribute.Value, bool) {
	for _, kv := range span.Attributes() {
		if kv.Key == key {
			return kv.Value, true
		}
	}
	return attribute.Value{}, false
}

func text(value attribute.Value) string {
	if value.Type() == attribute.FLOAT64 {
		return fmt.Sprintf("%.4f s", value.AsFloat64()) // all float attributes here are durations in seconds
	}
	return value.String()
}

func duration(d time.Duration) string {
	switch {
	case d >= time.Second:
		return fmt.Sprintf("%.2f s", d.Seconds())
	case d >= 100*time.Microsecond:
		return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
	default:
		return fmt.Sprintf("%d µs", d.Microseconds())
	}
}

// pad pads text with spaces to width, or truncates it to leave one space.
func pad(text string, width int) string {
	n := utf8.RuneCountInString(text)
	if n <= width {
		return text + strings.Repeat(" ", width-n)
	}
	return string([]rune(text)[:max(width-2, 0)]) + "… "
}

func padLeft(text string, width int) string {
	return strings.Repeat(" ", max(width-utf8.RuneCountInString(text), 0)) + text
}
