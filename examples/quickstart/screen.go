package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

const (
	labelWidth  = 11
	headerWidth = 15
)

// screen prints to a terminal, within 100 columns.
type screen struct {
	out     io.Writer
	colored bool
}

// isColorTerminal reports whether f is a terminal and colors are not disabled.
func isColorTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 &&
		os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

func (s screen) introduction() {
	s.heading("otelhttpclient quickstart")
	s.line("A gateway calls two services, inventory and pricing, over HTTP. Six scenes show the traces.")
	s.line("")
	for _, term := range [][2]string{
		{"trace", "all work of one operation, across services"},
		{"span", "one piece of that work: service, name, time and outcome"},
		{"CLIENT", "the gateway's side of a request, recorded by otelhttpclient"},
		{"SERVER", "the service's side: a child of the CLIENT span, linked by the traceparent header"},
		{"headers", "the headers received, without net/http's own User-Agent and Accept-Encoding"},
	} {
		s.line(s.bold(pad(term[0], labelWidth)) + term[1])
	}
}

func (s screen) sceneTitle(number int, scene scene) {
	s.heading(fmt.Sprintf("%d  %s", number, scene.title))
	for _, line := range scene.about {
		s.line(line)
	}
	s.line("")
}

// headers prints the request headers of each SERVER span, in the order of the waterfall. With explain,
// it labels the parts of the first traceparent.
func (s screen) headers(spans []sdktrace.ReadOnlySpan, received func(trace.SpanID) http.Header, explain bool) {
	title := "headers"
	for _, w := range newWaterfalls(spans) {
		for _, r := range w.rows {
			header := received(r.span.SpanContext().SpanID())
			if header == nil {
				continue
			}
			if title != "" {
				s.line("")
				s.line(s.dim(title))
				title = ""
			}
			service := serviceName(r.span)
			label := s.service(service, pad(service, labelWidth))
			for _, name := range headerNames(header) {
				for _, value := range header[name] {
					s.line(label + pad(strings.ToLower(name), headerWidth) + value)
					label = strings.Repeat(" ", labelWidth)
				}
				if explain && name == "Traceparent" {
					s.line(label + s.dim(strings.Repeat(" ", headerWidth)+
						"   └────────── the trace ─────────┘ └ CLIENT span ─┘ └ recorded"))
					explain = false
				}
			}
		}
	}
}

// headerNames returns the propagation headers first, and omits those that net/http adds.
func headerNames(header http.Header) []string {
	names := []string{"Traceparent", "Tracestate", "Baggage"}
	for _, name := range slices.Sorted(maps.Keys(header)) {
		if !slices.Contains(names, name) && name != "User-Agent" && name != "Accept-Encoding" {
			names = append(names, name)
		}
	}
	return names
}

func (s screen) details(lines [][2]string) {
	s.line("")
	for _, line := range lines {
		s.line(s.dim(pad(line[0], labelWidth)) + line[1])
	}
}

// oneSpan prints a complete span as JSON.
func (s screen) oneSpan(span sdktrace.ReadOnlySpan) {
	s.heading("One complete span")
	s.line("This is the first CLIENT span of scene 3, as a collector would receive it.")
	s.line("")
	text, err := spanJSON(span)
	if err != nil {
		text = err.Error()
	}
	for line := range strings.Lines(text) {
		s.line(strings.TrimRight(line, "\n"))
	}
}

func spanJSON(span sdktrace.ReadOnlySpan) (string, error) {
	type scopeJSON struct {
		Name      string `json:"name"`
		Version   string `json:"version,omitempty"`
		SchemaURL string `json:"schema_url,omitempty"`
	}
	type statusJSON struct {
		Code        string `json:"code"`
		Description string `json:"description,omitempty"`
	}
	text, err := json.MarshalIndent(struct {
		Name       string         `json:"name"`
		Kind       string         `json:"kind"`
		TraceID    string         `json:"trace_id"`
		SpanID     string         `json:"span_id"`
		ParentID   string         `json:"parent_span_id,omitempty"`
		Start      time.Time      `json:"start"`
		End        time.Time      `json:"end"`
		Status     statusJSON     `json:"status"`
		Attributes map[string]any `json:"attributes"`
		Resource   map[string]any `json:"resource"`
		Scope      scopeJSON      `json:"scope"`
	}{
		Name:       span.Name(),
		Kind:       strings.ToUpper(span.SpanKind().String()),
		TraceID:    span.SpanContext().TraceID().String(),
		SpanID:     span.SpanContext().SpanID().String(),
		ParentID:   parentID(span),
		Start:      span.StartTime().UTC(),
		End:        span.EndTime().UTC(),
		Status:     statusJSON{span.Status().Code.String(), span.Status().Description},
		Attributes: attributeMap(span.Attributes()),
		Resource:   attributeMap(span.Resource().Attributes()),
		Scope: scopeJSON{
			span.InstrumentationScope().Name,
			span.InstrumentationScope().Version,
			span.InstrumentationScope().SchemaURL,
		},
	}, "", "  ")
	return string(text), err
}

func parentID(span sdktrace.ReadOnlySpan) string {
	if !span.Parent().SpanID().IsValid() {
		return ""
	}
	return span.Parent().SpanID().String()
}

func attributeMap(attributes []attribute.KeyValue) map[string]any {
	m := make(map[string]any, len(attributes))
	for _, kv := range attributes {
		m[string(kv.Key)] = kv.Value.AsInterface()
	}
	return m
}

func (s screen) result(spans []sdktrace.ReadOnlySpan, problems []string, delivery []outcome) {
	s.heading("Result")
	if len(problems) == 0 {
		servers := 0
		for _, span := range spans {
			if span.SpanKind() == trace.SpanKindServer {
				servers++
			}
		}
		s.line(s.green(fmt.Sprintf("✓ All %d SERVER spans are in their client's trace, each the child of a CLIENT span.", servers)))
	}
	for _, problem := range problems {
		s.marked(s.red("✗ "), problem)
	}
	for _, o := range delivery {
		mark := "• "
		if !o.ok {
			mark = s.red("✗ ")
		}
		for _, line := range o.lines {
			s.marked(mark, line)
			mark = "  "
		}
	}
}

// marked prints text after a two-column mark, wrapped at the width of the screen.
func (s screen) marked(mark, text string) {
	var line string
	for word := range strings.FieldsSeq(text) {
		if line != "" && utf8.RuneCountInString(line+" "+word) > columns-margin-2 {
			s.line(mark + line)
			mark, line = "  ", ""
		}
		line = strings.TrimLeft(line+" "+word, " ")
	}
	s.line(mark + line)
}

// fail prints err and returns the exit code.
func (s screen) fail(err error) (code int) {
	s.line(s.red("✗ The quickstart could not run: " + err.Error()))
	return 1
}

func (s screen) heading(title string) {
	rule := strings.Repeat("─", max(columns-utf8.RuneCountInString("── "+title+" "), 0))
	fmt.Fprintf(s.out, "\n%s %s %s\n\n", s.dim("──"), s.bold(title), s.dim(rule))
}

func (s screen) line(text string) {
	text = strings.TrimRight(text, " ")
	if text == "" {
		fmt.Fprintln(s.out)
		return
	}
	fmt.Fprintln(s.out, strings.Repeat(" ", margin)+text)
}

func (s screen) bold(text string) string  { return s.paint("1", text) }
func (s screen) dim(text string) string   { return s.paint("2", text) }
func (s screen) red(text string) string   { return s.paint("31", text) }
func (s screen) green(text string) string { return s.paint("32", text) }

// service paints text in the color of the service. All other names get the gateway's color, because
// OTEL_SERVICE_NAME is arbitrary.
func (s screen) service(name, text string) string {
	switch name {
	case "inventory":
		return s.paint("33", text)
	case "pricing":
		return s.paint("35", text)
	default:
		return s.paint("36", text)
	}
}

func (s screen) paint(code, text string) string {
	if !s.colored || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}
