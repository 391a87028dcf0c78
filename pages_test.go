package otelhttpclient_test

import (
	"cmp"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// pages returns the Markdown files of the repository, with their text.
func pages(t *testing.T) map[string]string {
	t.Helper()
	texts := map[string]string{}
	err := filepath.WalkDir(".", func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (entry.Name() == "testdata" || entry.Name() == ".git") {
			return fs.SkipDir
		}
		if path.Ext(entry.Name()) == ".md" {
			text, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			texts[filepath.ToSlash(file)] = strings.ReplaceAll(string(text), "\r\n", "\n")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return texts
}

var (
	codeBlock = regexp.MustCompile("(?ms)^```.*?^```$")
	heading   = regexp.MustCompile(`(?m)^#+ +(.*)$`)
	notInSlug = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
	linkTo    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
)

// anchors returns the fragments by which GitHub links to the headings of a page.
func anchors(text string) (slugs []string) {
	for _, m := range heading.FindAllStringSubmatch(codeBlock.ReplaceAllString(text, ""), -1) {
		slug := notInSlug.ReplaceAllString(strings.ToLower(m[1]), "")
		slugs = append(slugs, strings.ReplaceAll(slug, " ", "-"))
	}
	return slugs
}

// Links to files of the repository, to headings, and to examples have a target.
func TestLinks(t *testing.T) {
	examples := exampleNames(t)
	texts := pages(t)
	checked := 0
	for page, text := range texts {
		for _, m := range linkTo.FindAllStringSubmatch(codeBlock.ReplaceAllString(text, ""), -1) {
			link := m[1]
			if example, ok := strings.CutPrefix(link, "https://pkg.go.dev/github.com/otelhttpclient/otelhttpclient#example-"); ok {
				if !slices.Contains(examples, strings.ToLower(example)) {
					t.Errorf("%s: %s: got no such example, want one of %q", page, link, examples)
				}
				continue
			}
			if strings.Contains(link, "://") {
				continue
			}
			checked++
			file, fragment, _ := strings.Cut(link, "#")
			target := page
			if file != "" {
				target = path.Join(path.Dir(page), file)
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: %s: got %v, want a file", page, link, err)
				continue
			}
			if got := anchors(texts[target]); fragment != "" && !slices.Contains(got, fragment) {
				t.Errorf("%s: %s: got no such heading, want one of %q", page, link, got)
			}
		}
	}
	if checked < 50 {
		t.Errorf("links: got %d, want all, more than 50", checked)
	}
}

// exampleNames returns the examples of this package as pkg.go.dev links to them.
func exampleNames(t *testing.T) (names []string) {
	t.Helper()
	files, err := filepath.Glob("example*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?m)^func Example(\w+)\(\)`).FindAllStringSubmatch(string(text), -1) {
			names = append(names, strings.ToLower(strings.ReplaceAll(m[1], "_", "-")))
		}
	}
	return names
}

// Numbers of the README are those of the pages and files that they come from.
func TestNumbers(t *testing.T) {
	texts := pages(t)
	readme := texts["README.md"]
	find := func(text, pattern string) []string {
		t.Helper()
		m := regexp.MustCompile(pattern).FindStringSubmatch(text)
		if m == nil {
			t.Fatalf("got no text that matches %s, want one", pattern)
		}
		return m[1:]
	}

	// conformance/nethttp prints its tables.
	passed := find(readme, `([\d,]+) of ([\d,]+) with Go 1\.26 and ([\d,]+) of ([\d,]+) with Go 1\.27`)
	tables := strings.Split(texts["conformance/nethttp/README.md"], "| Run |")
	if len(tables) != 3 {
		t.Fatalf("conformance/nethttp/README.md: got %d tables of runs, want 2", len(tables)-1)
	}
	for i, table := range tables[1:] {
		runs := regexp.MustCompile(`(?m)^\| (?:unwrapped|defaults|everything|race)[^|]*\| ([\d,]+) \|`).FindAllStringSubmatch(table, -1)
		if len(runs) != 4 {
			t.Errorf("conformance/nethttp/README.md, table %d: got %d runs, want 4", i, len(runs))
		}
		for _, run := range runs {
			if run[1] != passed[2*i] || run[1] != passed[2*i+1] {
				t.Errorf("tests of net/http, table %d: README.md has %s of %s, want %s", i, passed[2*i], passed[2*i+1], run[1])
			}
		}
	}

	// e2e/trial prints its table.
	compiled, modules := 0, 0
	for line := range strings.Lines(texts["e2e/README.md"]) {
		if strings.Contains(line, "tests pass |") {
			modules++
			if !strings.Contains(line, "does not compile") {
				compiled++
			}
		}
	}
	if compiled != 9 || modules != 11 || !strings.Contains(readme, "[Nine of eleven released modules]") {
		t.Errorf("released modules: got %d of %d in e2e/README.md, want nine of eleven, as README.md has", compiled, modules)
	}

	// The redaction's examples are run by its tests.
	examples := 0
	for _, file := range []string{"clean.jsonl", "secret.jsonl"} {
		text, err := os.ReadFile("internal/redact/testdata/" + file)
		if err != nil {
			t.Fatal(err)
		}
		examples += strings.Count(string(text), "\n")
	}
	if want := find(readme, `\[(\d+) examples\]`)[0]; strconv.Itoa(examples/100*100) != want {
		t.Errorf("examples of the redaction: got %d, want %s and a few more, as README.md has", examples, want)
	}

	// benchmarks prints the table of docs/cost.md. Its columns are: row, bare,
	// otelhttpclient, hand-written, otelhttp, dd-trace-go, ÷ hand-written, allocs ÷
	// hand-written, ÷ otelhttp.
	cells := func(line string) []string { return strings.Split(strings.Trim(line, "| \n"), " | ") }
	// That of the code has: row, bare, otelhttpclient, hand-written, otelhttp, ÷
	// hand-written, ÷ otelhttp.
	cost, code := map[string][]string{}, map[string]string{}
	for line := range strings.Lines(texts["docs/cost.md"]) {
		switch row := cells(line); len(row) {
		case 9:
			cost[row[0]] = row
		case 7:
			code[row[0]] = row[6]
		}
	}
	var rows []string
	_, section, _ := strings.Cut(readme, "| per request |")
	for line := range strings.Lines(section) {
		row := cells(line)
		want := cost[row[0]]
		if len(row) != 7 || want == nil {
			continue
		}
		rows = append(rows, row[0])
		if want := []string{want[0], want[1], want[2], want[4], want[8], want[6], cmp.Or(code[row[0]], "–")}; !slices.Equal(row, want) {
			t.Errorf("costs: README.md has %q, want %q of docs/cost.md", row, want)
		}
	}
	// A row of CPU time stands for that of wall time, and 10,000 responses for 100.
	twin := strings.NewReplacer("wall time", "CPU time", "100 open", "10,000 open")
	ratios := 0
	for name, row := range cost {
		required := slices.Contains([]string{"no SDK", "unsampled", "sampled", "sampled, metrics"}, name)
		var ratio, spread float64
		if n, _ := fmt.Sscanf(row[8], "%f ± %f", &ratio, &spread); n == 2 {
			required = required || ratio-spread > 1
			ratios++
		}
		if required && !slices.Contains(rows, twin.Replace(name)) {
			t.Errorf("costs: got no row %q in README.md, want it: otelhttpclient's cost is %s of otelhttp's", twin.Replace(name), row[8])
		}
	}
	if len(code) < 5 {
		t.Errorf("code: got %d rows in docs/cost.md, want five or more", len(code))
	}
	if ratios < 10 {
		t.Errorf("costs: got %d rows with a ratio to otelhttp in docs/cost.md, want more, at least 10", ratios)
	}
}

// The README is read in a few minutes. What is longer is in docs.
func TestREADMELength(t *testing.T) {
	if got := strings.Count(pages(t)["README.md"], "\n"); got == 0 || got > 150 {
		t.Errorf("README.md: got %d lines, want at most 150", got)
	}
}

// Bounds that pages and doc comments give are those of the code.
func TestBounds(t *testing.T) {
	for _, row := range []struct {
		file, code string // code is a line, spaces apart
		page, text string
	}{
		{"internal/redact/policy.go", "maxText = 2 << 10", "docs/redaction.md", "cut to 2 KiB after redaction"},
		{"internal/redact/policy.go", "maxTextInput = 8 << 10", "docs/redaction.md", "The first 8 KiB are searched"},
		{"internal/redact/policy.go", "maxURL = 64 << 10", "docs/redaction.md", "The part of a URL beyond 64 KiB is hidden"},
		{"internal/redact/policy.go", "maxReference = 16 << 10", "docs/redaction.md", "another URL in a header beyond 16 KiB"},
		{"internal/redact/policy.go", "maxHeader = 4 << 10", "docs/redaction.md", "32 values each, cut to 4 KiB"},
		{"internal/redact/policy.go", "maxHeaderValues = 32", "docs/redaction.md", "32 values each, cut to 4 KiB"},
		{"internal/redact/policy.go", "maxHeaderValues = 32", "headers.go", "At most 32 values of a header are recorded, each cut to 4 KiB"},
		{"internal/capture/headers.go", "maxHeaders = 48", "docs/redaction.md", "48 of a message with 128 KiB of values"},
		{"internal/capture/headers.go", "maxHeaders = 48", "headers.go", "At most 48 headers of a message"},
		{"internal/capture/headers.go", "maxValueBytes = 128 << 10", "docs/redaction.md", "48 of a message with 128 KiB of values"},
		{"internal/capture/headers.go", "maxNameLength = 256", "docs/redaction.md", "no name of more than 256 bytes"},
		{"internal/hostport/hostport.go", "const longestHost = 253", "docs/redaction.md", "A host of more than 253 bytes"},
		{"internal/openconns/pool.go", "const checkInterval = time.Second", "docs/limits.md", "poll connections once a second"},
		{"internal/conntrace/timings.go", "const streamWait = 10 * time.Millisecond", "docs/conventions.md", "`.stream.wait_time` from 10 ms on"},
		{"internal/semconv/instruments.go", "metric.WithExplicitBucketBoundaries(0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300))",
			"docs/conventions.md", "0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300"},
		{"internal/semconv/instruments.go", "metric.WithExplicitBucketBoundaries(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30))",
			"docs/conventions.md", "0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30."},
	} {
		words := func(name string) string {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			return strings.Join(strings.Fields(strings.ReplaceAll(string(text), "//", " ")), " ")
		}
		if !strings.Contains(words(row.file), row.code) {
			t.Errorf("%s: got no %q, want it, or another bound here and in %s", row.file, row.code, row.page)
		}
		if !strings.Contains(words(row.page), row.text) {
			t.Errorf("%s: got no %q, want it, as %s has %q", row.page, row.text, row.file, row.code)
		}
	}
}
