package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
)

var epoch = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// fake is a short description of a span: times are in milliseconds, IDs are one byte.
type fake struct {
	trace, id, parent byte
	service, name     string
	kind              trace.SpanKind
	from, to          float64
	status            sdktrace.Status
	attributes        []attribute.KeyValue
}

func (f fake) span() sdktrace.ReadOnlySpan {
	at := func(ms float64) time.Time { return epoch.Add(time.Duration(ms * float64(time.Millisecond))) }
	traceID := trace.TraceID{15: 1 + f.trace}
	stub := tracetest.SpanStub{
		Name:        f.name,
		SpanContext: trace.NewSpanContext(trace.SpanContextConfig{TraceID: traceID, SpanID: trace.SpanID{7: f.id}}),
		SpanKind:    f.kind,
		StartTime:   at(f.from),
		EndTime:     at(f.to),
		Attributes:  f.attributes,
		Status:      f.status,
		Resource:    resource.NewSchemaless(attribute.String("service.name", f.service)),
	}
	if f.parent != 0 {
		stub.Parent = trace.NewSpanContext(trace.SpanContextConfig{TraceID: traceID, SpanID: trace.SpanID{7: f.parent}})
	}
	return stub.Snapshot()
}

func spansOf(fakes ...fake) []sdktrace.ReadOnlySpan {
	var spans []sdktrace.ReadOnlySpan
	for _, f := range fakes {
		spans = append(spans, f.span())
	}
	return spans
}

func TestWaterfall(t *testing.T) {
	const (
		internal = trace.SpanKindInternal
		client   = trace.SpanKindClient
		server   = trace.SpanKindServer
	)
	status := func(code int) []attribute.KeyValue {
		return []attribute.KeyValue{attribute.Int("http.response.status_code", code)}
	}
	failed := sdktrace.Status{Code: codes.Error}

	for _, test := range []struct {
		name, reason string
		spans        []sdktrace.ReadOnlySpan
		notes        []attribute.Key
		want         string
	}{
		{
			name:   "tree",
			reason: "children follow their parent in order of start time, not end time",
			spans: spansOf(
				fake{id: 5, parent: 4, service: "pricing", name: "GET /b", kind: server, from: 60, to: 90, attributes: status(200)},
				fake{id: 4, parent: 1, service: "gateway", name: "GET", kind: client, from: 50, to: 100, attributes: status(200)},
				fake{id: 3, parent: 2, service: "inventory", name: "GET /a", kind: server, from: 10, to: 40, attributes: status(503), status: failed},
				fake{id: 2, parent: 1, service: "gateway", name: "GET", kind: client, from: 0, to: 50, attributes: status(503), status: failed},
				fake{id: 1, service: "gateway", name: "work", kind: internal, from: 0, to: 100},
			),
			want: `
service   kind     span                    0        100.0 ms     took  status
gateway   INTERNAL work                    █████████████████ 100.0 ms
gateway   CLIENT   ├─ GET                  █████████          50.0 ms  503 Error
inventory SERVER   │  └─ GET /a              █████            30.0 ms  503 Error
gateway   CLIENT   └─ GET                           ████████  50.0 ms  200
pricing   SERVER      └─ GET /b                      █████    30.0 ms  200
`,
		},
		{
			name:   "notes",
			reason: "only the requested attributes and the status description; the tree's lines continue",
			spans: spansOf(
				fake{id: 1, service: "gateway", name: "work", kind: internal, from: 0, to: 1},
				fake{id: 2, parent: 1, service: "gateway", name: "GET", kind: client, from: 0, to: 1,
					attributes: []attribute.KeyValue{attribute.Int("n", 1), attribute.Float64("s", 0.25), attribute.Bool("unasked", true)}},
				fake{id: 3, parent: 1, service: "gateway", name: "GET", kind: client, from: 1, to: 1,
					status: sdktrace.Status{Code: codes.Error, Description: "refused"}},
			),
			notes: []attribute.Key{"s", "n", "absent"},
			want: `
service   kind     span                    0          1.0 ms     took  status
gateway   INTERNAL work                    █████████████████   1.0 ms
gateway   CLIENT   ├─ GET                  █████████████████   1.0 ms
                   │  s = 0.2500 s
                   │  n = 1
gateway   CLIENT   └─ GET                                  ▏     0 µs  Error
                      refused
`,
		},
		{
			name:   "wait",
			reason: "the wait for a connection is the first part of the bar",
			spans: spansOf(
				fake{id: 1, service: "gateway", name: "GET", kind: client, from: 0, to: 70,
					attributes: []attribute.KeyValue{attribute.Float64("otelhttpclient.connection.wait_time", 0.030)}},
				fake{id: 2, parent: 1, service: "gateway", name: "too long", kind: client, from: 60, to: 70,
					attributes: []attribute.KeyValue{attribute.Float64("otelhttpclient.connection.wait_time", 9)}},
			),
			want: `
service   kind     span                    0         70.0 ms     took  status
gateway   CLIENT   GET                     ░░░░░░░██████████  70.0 ms
gateway   CLIENT   └─ too long                            ░░  10.0 ms
`,
		},
		{
			name:   "two traces",
			reason: "a span in a separate trace, or with an unknown parent, is shown as a root",
			spans: spansOf(
				fake{trace: 0, id: 1, service: "gateway", name: "work", kind: internal, from: 0, to: 10},
				fake{trace: 1, id: 2, service: "inventory", name: "GET /a", kind: server, from: 2, to: 9, attributes: status(200)},
				fake{trace: 0, id: 3, parent: 9, service: "pricing", name: "GET /b", kind: server, from: 5, to: 10},
			),
			want: `
service   kind     span                    0         10.0 ms     took  status
gateway   INTERNAL work                    █████████████████  10.0 ms
pricing   SERVER   GET /b                           ████████   5.0 ms
service   kind     span                    0          7.0 ms     took  status
inventory SERVER   GET /a                  █████████████████   7.0 ms  200
`,
		},
		{
			name:   "long names",
			reason: "long names are truncated to keep the columns aligned",
			spans: spansOf(
				fake{id: 1, service: "a-service-with-a-long-name", kind: client, from: 0, to: 2500,
					name: "GET /a/path/that/has/no/end/whatsoever/{id}"},
			),
			want: `
service   kind     span                    0          2.50 s     took  status
a-servi…  CLIENT   GET /a/path/that/has/n… █████████████████   2.50 s
`,
		},
		{
			name:   "zero duration",
			reason: "a coarse clock may give a trace of zero duration",
			spans:  spansOf(fake{id: 1, service: "gateway", name: "GET", kind: client}),
			want: `
service   kind     span                    0            0 µs     took  status
gateway   CLIENT   GET                     ▏                     0 µs
`,
		},
		{name: "no spans", reason: "a failed scene may have no spans", want: "\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var out bytes.Buffer
			screen{out: &out}.waterfalls(test.spans, test.notes)
			if got := "\n" + out.String(); got != test.want {
				t.Errorf("%s\ngot:%s\nwant:%s", test.reason, got, test.want)
			}
		})
	}
}

func TestColors(t *testing.T) {
	spans := spansOf(fake{id: 1, service: "inventory", name: "GET", kind: trace.SpanKindServer, to: 1, status: sdktrace.Status{Code: codes.Error}})
	var plain, colored bytes.Buffer
	screen{out: &plain}.waterfalls(spans, nil)
	screen{out: &colored, colored: true}.waterfalls(spans, nil)
	if strings.Contains(plain.String(), "\x1b") {
		t.Errorf("plain output contains colors: %q", plain.String())
	}
	if want := "\x1b[31mError\x1b[0m"; !strings.Contains(colored.String(), want) {
		t.Errorf("got %q, want the error in red: %q", colored.String(), want)
	}
}

func TestCheckServers(t *testing.T) {
	client := fake{trace: 0, id: 1, service: "gateway", name: "GET", kind: trace.SpanKindClient}
	serverOf := func(traceID, parent byte) fake {
		return fake{trace: traceID, id: 5, parent: parent, service: "pricing", name: "GET /b", kind: trace.SpanKindServer}
	}
	const stray = `pricing: SERVER span "GET /b" is not the child of a CLIENT span`
	for _, test := range []struct {
		name  string
		spans []sdktrace.ReadOnlySpan
		want  string
	}{
		{"child of client span", spansOf(serverOf(0, 1), client), "<nil>"},
		{"no server span", spansOf(client), "<nil>"},
		{"root", spansOf(client, serverOf(0, 0)), stray},
		{"client of another trace", spansOf(client, serverOf(1, 1)), stray},
		{"child of another span", spansOf(client, fake{id: 2, parent: 1, kind: trace.SpanKindInternal}, serverOf(0, 2)), stray},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, err := checkServers(test.spans); fmt.Sprint(err) != test.want {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
}
