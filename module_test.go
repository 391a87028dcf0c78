package otelhttpclient_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/otelhttpclient/otelhttpclient"
)

// The root package must not add an SDK, an exporter or gRPC to the programs
// that use it. Its packages come from these modules only.
var allowedModules = []string{
	"github.com/otelhttpclient/otelhttpclient",
	"go.opentelemetry.io/otel",
	"go.opentelemetry.io/otel/metric",
	"go.opentelemetry.io/otel/trace",

	// Dependencies of OpenTelemetry's API: its logger, a hash for attribute
	// sets, the global logger provider, and the hook for automatic
	// instrumentation.
	"github.com/cespare/xxhash/v2",
	"github.com/go-logr/logr",
	"github.com/go-logr/stdr",
	"go.opentelemetry.io/auto/sdk",
	"go.opentelemetry.io/otel/log",
}

func TestDependencies(t *testing.T) {
	cmd := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.Module.Path}} {{.ImportPath}}{{end}}", ".")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v = %v, want no error\n%s", cmd, err, out)
	}
	needed := map[string]bool{}
	for line := range strings.Lines(string(out)) {
		module, pkg, ok := strings.Cut(strings.TrimSpace(line), " ")
		if !ok {
			continue
		}
		needed[module] = true
		if !slices.Contains(allowedModules, module) {
			t.Errorf("package %s of module %s is needed, want packages of these alone: %q", pkg, module, allowedModules)
		}
	}
	for _, module := range allowedModules {
		if !needed[module] {
			t.Errorf("module %s is not needed, want the list to hold what is: %q", module, allowedModules)
		}
	}
}

// Every program that adds the library gets at least the versions of its go.mod.
// Other modules that tests and examples need belong in the nested modules.
func TestRequirements(t *testing.T) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{if not (or .Main .Indirect)}}{{.Path}}{{end}}", "all").Output()
	if err != nil {
		t.Fatalf("go list -m = %v, want no error", err)
	}
	want := []string{
		"go.opentelemetry.io/otel",
		"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc",
		"go.opentelemetry.io/otel/metric",
		"go.opentelemetry.io/otel/sdk",
		"go.opentelemetry.io/otel/sdk/metric",
		"go.opentelemetry.io/otel/trace",
	}
	if got := strings.Fields(string(out)); !slices.Equal(got, want) {
		t.Errorf("direct requirements of go.mod: got %q, want %q", got, want)
	}
}

func TestImports(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", "{{range .Imports}}{{.}}\n{{end}}", ".", "./auto", "./compat/otelhttp", "./compat/otelhttp/filters", "./internal/bounded", "./internal/defaultroute", "./internal/errortype", "./internal/exporters", "./internal/openconns", "./internal/muxpattern", "./internal/redact/...").CombinedOutput()
	if err != nil {
		t.Fatalf("go list = %v, want no error\n%s", err, out)
	}
	for pkg := range strings.Lines(string(out)) {
		pkg = strings.TrimSpace(pkg)
		first, _, _ := strings.Cut(pkg, "/")
		if pkg == "" || !strings.Contains(first, ".") {
			continue // of the standard library
		}
		if strings.HasPrefix(pkg, "github.com/otelhttpclient/otelhttpclient") {
			continue // the packages that are listed here
		}
		if !strings.HasPrefix(pkg, "go.opentelemetry.io/otel") || strings.Contains(pkg, "/sdk") || strings.Contains(pkg, "/exporters") {
			t.Errorf("%s is imported, want the standard library and the API of OpenTelemetry alone", pkg)
		}
	}
}

// Code in these pages is that of examples, which run.
func TestCodeInPages(t *testing.T) {
	for _, row := range []struct{ page, start, example string }{
		{"docs/joining.md", "// traceHandler", "example_slog_test.go"},
		{"docs/bug-report.md", "func Example_bugReport", "otelhttpclienttest/example_bugreport_test.go"},
	} {
		page, err := os.ReadFile(row.page)
		if err != nil {
			t.Fatal(err)
		}
		example, err := os.ReadFile(row.example)
		if err != nil {
			t.Fatal(err)
		}
		code := regexp.MustCompile("(?s)```go\n(" + row.start + ".*?\n)}?\n```").FindSubmatch(page)
		if code == nil || !strings.Contains(string(example), string(code[1])) {
			t.Errorf("%s: got %s, want it in %s", row.page, code, row.example)
		}
	}
}

// A nested module that these do not list is not checked, or not updated.
func TestModules(t *testing.T) {
	var want []string
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == "testdata" || entry.Name() == ".git"):
			return fs.SkipDir
		case entry.Name() == "go.mod":
			want = append(want, filepath.ToSlash(filepath.Dir(path)))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(want)
	for _, row := range []struct{ file, pattern, separator string }{
		{".ci/run", `(?m)^modules=\((.*)\)$`, " "},
		{".github/dependabot.yml", `(?m)^ +directories: \[(.*)\]$`, ", "},
	} {
		text, err := os.ReadFile(row.file)
		if err != nil {
			t.Fatal(err)
		}
		list := regexp.MustCompile(row.pattern).FindSubmatch(text)
		if list == nil {
			t.Errorf("%s: got no line like %s, want one", row.file, row.pattern)
			continue
		}
		var got []string
		for dir := range strings.SplitSeq(strings.TrimSpace(string(list[1])), row.separator) {
			got = append(got, path.Clean(strings.TrimPrefix(dir, "/")))
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%s: modules: got %q, want %q", row.file, got, want)
		}
	}
}

// A tag of an action can be moved to other code, a commit cannot.
func TestActionsArePinned(t *testing.T) {
	workflows, err := filepath.Glob(".github/workflows/*.yml")
	if err != nil || len(workflows) == 0 {
		t.Fatalf("workflows: got %q, %v; want some", workflows, err)
	}
	pinned := regexp.MustCompile(`^[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$`)
	for _, name := range workflows {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		uses := regexp.MustCompile(`(?m)^[ -]*uses: *(.*)$`).FindAllStringSubmatch(string(text), -1)
		if len(uses) == 0 {
			t.Errorf("%s: got no action, want some", name)
		}
		for _, use := range uses {
			if got := strings.TrimSpace(use[1]); !pinned.MatchString(got) {
				t.Errorf("%s: got %q, want a commit with its version in a comment", name, got)
			}
		}
	}
}

// The newest section of the CHANGELOG is that of the version that spans carry.
func TestVersion(t *testing.T) {
	text, err := os.ReadFile("CHANGELOG.md")
	if err != nil {
		t.Fatal(err)
	}
	newest := regexp.MustCompile(`(?m)^## (\S+) \((unreleased|\d{4}-\d\d-\d\d)\)$`).FindSubmatch(text)
	if newest == nil || string(newest[1]) != otelhttpclient.Version {
		t.Errorf("CHANGELOG.md: newest version: got %s, want %s", newest, otelhttpclient.Version)
	}
}

// The supported Go releases are those of .ci/run, everywhere.
func TestSupportedReleases(t *testing.T) {
	read := func(name string) string {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	list := regexp.MustCompile(`(?m)^releases=\(go(1\.\d+)\.(\d+) go(1\.\d+)\.(\d+)\)$`).FindStringSubmatch(read(".ci/run"))
	if list == nil {
		t.Fatal(".ci/run: got no line releases=(go1.x.y go1.z.w), want one")
	}
	older, newer := list[1], list[3]
	olderPatch, newerPatch := older+"."+list[2], newer+"."+list[4]
	for name, wanted := range map[string][]string{
		"go.mod":                    {"\ngo " + older + ".0\n"},
		"e2e/go.mod":                {"\ngo " + older + ".0\n"},
		"benchmarks/go.mod":         {"\ngo " + older + ".0\n"},
		"dashboards/go.mod":         {"\ngo " + older + ".0\n"},
		"examples/setup/go.mod":     {"\ngo " + older + ".0\n"},
		".github/workflows/ci.yml":  {`"` + older + `"`, `"` + newer + `"`},
		"README.md":                 {"Go " + older + " or " + newer, olderPatch + " and " + newerPatch},
		"docs/setup.md":             {"Go " + older + " or " + newer, olderPatch + " and " + newerPatch},
		"docs/internal/net-http.md": {"Go " + olderPatch + " and " + newerPatch},
		"docs/migration.md":         {"Go " + older + " or " + newer},
		"CONTRIBUTING.md":           {"Go " + older + " or " + newer, "GOTOOLCHAIN=go" + newerPatch},
		"CHANGELOG.md":              {"Go " + older + " and " + newer},
	} {
		text := read(name)
		for _, want := range wanted {
			if !strings.Contains(text, want) {
				t.Errorf("%s: got no %q, want the releases of .ci/run", name, want)
			}
		}
	}
}

// The root holds what a user knows: few files, and each internal package says what it
// is. The gate limits the references between the root's files.
func TestLayout(t *testing.T) {
	count := func(pattern string, without ...string) (n int) {
		t.Helper()
		paths, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range paths {
			if !strings.HasPrefix(filepath.Base(p), ".") && !slices.ContainsFunc(without, func(suffix string) bool { return strings.HasSuffix(p, suffix) }) {
				n++
			}
		}
		return n
	}
	for _, row := range []struct {
		what      string
		got, most int
	}{
		{"source files of the root", count("*.go", "_test.go"), 20},
		{"test files of the root", count("*_test.go"), 25},
		{"files with examples", count("example*_test.go"), 4},
		{"entries of the root", count("*"), 60},
	} {
		if row.got > row.most || row.got == 0 {
			t.Errorf("%s: got %d, want at most %d", row.what, row.got, row.most)
		}
	}
	lines := 0
	files, err := filepath.Glob("examples/quickstart/*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(f, "_test.go") {
			lines += strings.Count(string(text), "\n")
		}
	}
	if lines == 0 || lines > 900 {
		t.Errorf("quickstart: got %d lines, want at most 900", lines)
	}
	out, err := exec.Command("go", "list", "-f", "{{.ImportPath}} {{.Doc}}", "./internal/...").CombinedOutput()
	if err != nil {
		t.Fatalf("go list = %v, want no error\n%s", err, out)
	}
	for pkg := range strings.Lines(string(out)) {
		if len(strings.Fields(pkg)) < 2 {
			t.Errorf("%s: got no package comment, want one", strings.TrimSpace(pkg))
		}
	}
}
