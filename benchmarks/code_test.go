package main

import (
	"strings"
	"testing"
)

func TestParseCachegrind(t *testing.T) {
	const file = `desc: I1 cache: 32768 B
cmd: x
events: Ir I1mr ILmr Dr
fl=a.go
fn=github.com/otelhttpclient/otelhttpclient.(*Transport).RoundTrip
10 100 3 0 0
11 20 1 0 0
fn=github.com/otelhttpclient/otelhttpclient/internal/redact.Query
5 7 2 0 0
fl=b.go
fn=net/http.(*Transport).RoundTrip
5 1000 50 0 0
summary: 1127 56 0 0
`
	p, err := parseCachegrind(strings.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := p.total(), (cost{1127, 56}); got != want {
		t.Errorf("total: got %v, want %v", got, want)
	}
	names, ours := p.ours()
	if want := (cost{127, 6}); len(names) != 2 || ours != want || !strings.HasSuffix(names[0], "RoundTrip") {
		t.Errorf("ours: got %v %v, want RoundTrip first of 2, %v", names, ours, want)
	}
	for reason, bad := range map[string]string{
		"other events":  "events: Ir Dr\nfn=f\n1 2 3\n",
		"no functions":  "events: Ir I1mr\n",
		"no counts":     "events: Ir I1mr ILmr\nfn=f\n1 2\n",
		"not a number":  "events: Ir I1mr ILmr\nfn=f\n1 x 2\n",
		"an empty file": "",
	} {
		if _, err := parseCachegrind(strings.NewReader(bad)); err == nil {
			t.Errorf("%s: got no error", reason)
		}
	}
}

// recordedLines is how many lines of this library's code a sampled GET passes through.
const recordedLines = 520

// TestCodeOfARequest fails if a sampled request passes through more code than was recorded, or so much less
// that the figure is stale.
func TestCodeOfARequest(t *testing.T) {
	if testing.Short() {
		t.Skip("counts for some seconds")
	}
	c, remove, err := newCounter(100)
	if err != nil {
		t.Skip(err)
	}
	defer remove()
	p, err := c.count(codeRows[2], nameOurs, 1)
	if err != nil {
		t.Fatal(err)
	}
	names, total := p.ours()
	const tolerance = 0.05
	if total.lines > recordedLines*(1+tolerance) || total.lines < recordedLines*(1-tolerance) {
		t.Errorf("lines of a %s request: got %.0f in %d functions, want %d ± 5 %%: run go run . -code", codeRows[2].name, total.lines, len(names), recordedLines)
		for _, name := range names {
			t.Logf("%6.1f %s", p[name].lines, name)
		}
	}
}
