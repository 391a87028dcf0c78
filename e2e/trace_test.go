package e2e

import (
	"fmt"
	"strings"
	"testing"
)

const noParent = ""

// traceTree has the spans of one trace by parent.
type traceTree struct {
	id       string
	spans    []span
	children map[string][]span
}

// traceOf builds the tree of spans, which must belong to one trace.
func traceOf(t testing.TB, spans []span) *traceTree {
	t.Helper()
	if len(spans) == 0 {
		t.Fatalf("no spans at the sink, want a trace")
	}
	tr := &traceTree{id: spans[0].TraceID, children: map[string][]span{}}
	// In order of start time, so that siblings are in the order of the calls.
	tr.spans = pick(spans, func(s span) bool { return true })
	ids := map[string]bool{}
	for _, s := range tr.spans {
		if s.TraceID != tr.id {
			t.Fatalf("span %q has trace %s, want %s", s.Name, s.TraceID, tr.id)
		}
		if ids[s.SpanID] {
			t.Fatalf("span ID %s arrived twice, want it once", s.SpanID)
		}
		ids[s.SpanID] = true
		tr.children[s.ParentID] = append(tr.children[s.ParentID], s)
	}
	return tr
}

// checkTree compares the tree with want. Each line of want is a span as service/Kind and name, indented by two
// spaces under its parent.
func (tr *traceTree) checkTree(t testing.TB, want string) {
	t.Helper()
	var b strings.Builder
	var walk func(parent string, depth int)
	seen := 0
	walk = func(parent string, depth int) {
		for _, s := range tr.children[parent] {
			seen++
			fmt.Fprintf(&b, "%s%v/%v %s\n", strings.Repeat("  ", depth), s.Resource["service.name"], s.Kind, s.Name)
			walk(s.SpanID, depth+1)
		}
	}
	walk(noParent, 0)
	if seen != len(tr.spans) {
		t.Errorf("%d of %d spans are below the root, want all: %s", seen, len(tr.spans), describe(tr.spans))
	}
	if got, want := strings.TrimSpace(b.String()), strings.TrimSpace(want); got != want {
		t.Errorf("trace:\n%s\nwant:\n%s", got, want)
	}
}
