package main

import (
	"strings"
	"testing"
)

func TestReport(t *testing.T) {
	g, err := read("./testdata/sample")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		reason  string
		most    int
		allowed cycles
		want    bool
	}{
		{"no limits", -1, nil, true},
		{"as many references as there are", 3, nil, true},
		{"fewer references than there are", 2, nil, false},
		{"the cycle is allowed", -1, cycles{{"a.go", "x.go"}, {"c.go", "b.go", "a.go"}}, true},
		{"another cycle is allowed", -1, cycles{{"a.go", "b.go"}}, false},
	} {
		var out strings.Builder
		if got := g.report(&out, true, c.most, c.allowed); got != c.want {
			t.Errorf("%s: got %v, want %v:\n%s", c.reason, got, c.want, out.String())
		}
		for _, line := range []string{"a.go: b.go\n", "b.go: c.go\n", "c.go: b.go\n", "3 files, 3 references", "cycle of 2: b.go c.go"} {
			if !strings.Contains(out.String(), line) {
				t.Errorf("%s: no %q in:\n%s", c.reason, line, out.String())
			}
		}
	}
}
