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

// The columns of a waterfall.
const (
	columns      = 80
	serviceWidth = 10
	kindWidth    = 9
	nameWidth    = 24
	barWidth     = 17
	tookWidth    = 9
)

// waterfall is one trace, prepared for drawing.
type waterfall struct {
	screen   screen
	notes    []attribute.Key
	children map[trace.SpanID][]sdktrace.ReadOnlySpan // in the order of their start
	start    time.Time
	total    time.Duration
}

// waterfalls draws the traces of spans, with the attributes in notes. A span with an unknown parent becomes
// a root.
func (s screen) waterfalls(spans []sdktrace.ReadOnlySpan, notes []attribute.Key) {
	spans = slices.SortedStableFunc(slices.Values(spans), func(a, b sdktrace.ReadOnlySpan) int {
		return a.StartTime().Compare(b.StartTime())
	})
	for len(spans) > 0 {
		id := spans[0].SpanContext().TraceID()
		var rest, own []sdktrace.ReadOnlySpan
		for _, span := range spans {
			if span.SpanContext().TraceID() == id {
				own = append(own, span)
			} else {
				rest = append(rest, span)
			}
		}
		s.waterfall(own, notes)
		spans = rest
	}
}

// waterfall draws spans of one trace, sorted by start time.
func (s screen) waterfall(spans []sdktrace.ReadOnlySpan, notes []attribute.Key) {
	w := waterfall{screen: s, notes: notes, children: map[trace.SpanID][]sdktrace.ReadOnlySpan{}, start: spans[0].StartTime()}
	known := map[trace.SpanID]bool{}
	for _, span := range spans {
		known[span.SpanContext().SpanID()] = true
	}
	for _, span := range spans {
		parent := span.Parent().SpanID()
		if !known[parent] {
			parent = trace.SpanID{} // of all roots
		}
		w.children[parent] = append(w.children[parent], span)
		w.total = max(w.total, span.EndTime().Sub(w.start))
	}
	s.line(s.paint(dim, pad("service", serviceWidth)+pad("kind", kindWidth)+pad("span", nameWidth)+
		"0"+padLeft(duration(w.total), barWidth-1)+padLeft("took", tookWidth)+"  status"))
	w.rows(trace.SpanID{}, "", "")
}

// rows draws the children of a span. indent is what the tree draws before each of them, and below before
// their own children.
func (w *waterfall) rows(parent trace.SpanID, indent, below string) {
	children := w.children[parent]
	for i, span := range children {
		branch, next := indent, below
		if parent.IsValid() {
			branch, next = below+"├─ ", below+"│  "
			if i == len(children)-1 {
				branch, next = below+"└─ ", below+"   "
			}
		}
		w.row(span, branch, next)
		w.rows(span.SpanContext().SpanID(), branch, next)
	}
}

func (w *waterfall) row(span sdktrace.ReadOnlySpan, branch, below string) {
	s, color := w.screen, colorOf(serviceName(span))
	took := span.EndTime().Sub(span.StartTime())
	s.line(s.paint(color, pad(serviceName(span), serviceWidth-1)) + " " +
		pad(strings.ToUpper(span.SpanKind().String()), kindWidth) +
		s.paint(dim, branch) + pad(span.Name(), nameWidth-utf8.RuneCountInString(branch)) +
		s.paint(color, w.bar(span)) + padLeft(duration(took), tookWidth) + "  " + s.status(span))
	for _, key := range w.notes {
		if value, ok := attributeOf(span, key); ok {
			w.note(fmt.Sprintf("%s = %s", key, text(value)), below)
		}
	}
	if description := span.Status().Description; description != "" {
		w.note(description, below)
	}
}

func (w *waterfall) note(text, below string) {
	w.screen.line(strings.TrimRight(pad(strings.Repeat(" ", serviceWidth+kindWidth)+below+text, columns), " "))
}

// bar draws a span at the scale of its trace: █ for the span, ░ for the wait for a connection, and ▏ for a
// span shorter than one cell.
func (w *waterfall) bar(span sdktrace.ReadOnlySpan) string {
	cells := func(d time.Duration) int {
		return int(math.Round(float64(d) / float64(max(w.total, 1)) * barWidth))
	}
	from, to := cells(span.StartTime().Sub(w.start)), cells(span.EndTime().Sub(w.start))
	if from >= to {
		return pad(strings.Repeat(" ", min(from, barWidth-1))+"▏", barWidth)
	}
	waited := 0
	if seconds, ok := attributeOf(span, "otelhttpclient.connection.wait_time"); ok {
		waited = min(cells(time.Duration(seconds.AsFloat64()*float64(time.Second))), to-from)
	}
	return pad(strings.Repeat(" ", from)+strings.Repeat("░", waited)+strings.Repeat("█", to-from-waited), barWidth)
}

// status returns the HTTP status code, if there is one, and "Error" if the span's status is Error.
func (s screen) status(span sdktrace.ReadOnlySpan) string {
	status := ""
	if code, ok := attributeOf(span, "http.response.status_code"); ok {
		status = text(code)
	}
	if span.Status().Code == codes.Error {
		return s.paint(red, strings.TrimLeft(status+" Error", " "))
	}
	return status
}

// colorOf returns the color of a service. All other names are the gateway's: OTEL_SERVICE_NAME is arbitrary.
func colorOf(service string) string {
	switch service {
	case "inventory":
		return "33"
	case "pricing":
		return "35"
	}
	return "36"
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
