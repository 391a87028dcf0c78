package python

import (
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the code of docs/python.md anew")

// shown matches the code that the page shows: a marker that names a function, the
// function, and, for an Example, what it prints.
var shown = regexp.MustCompile("(?s)<!-- (\\w+) -->\n```go\n(.*?)```\n(?:\nIt prints:\n\n```text\n(.*?)```\n)?")

// TestPage compares the code in docs/python.md with the Examples that go test runs,
// whose output it checks.
func TestPage(t *testing.T) {
	const file = "../../docs/python.md"
	source, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	functions := functionsOf(t, string(source))
	read, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	page := strings.ReplaceAll(string(read), "\r\n", "\n")
	onPage := map[string]bool{}
	want := shown.ReplaceAllStringFunc(page, func(block string) string {
		name := shown.FindStringSubmatch(block)[1]
		text, exists := functions[name]
		if !exists {
			t.Errorf("docs/python.md: got a marker for %s, want one for a function of example_test.go", name)
			return block
		}
		onPage[name] = true
		return "<!-- " + name + " -->\n" + text
	})
	for name := range functions {
		if strings.HasPrefix(name, "Example") && !onPage[name] {
			t.Errorf("docs/python.md: got no %s, want every Example shown", name)
		}
	}
	if got, want := strings.Count(page, "```go\n"), len(onPage); got != want {
		t.Errorf("docs/python.md: got %d blocks of Go, want the %d with markers only", got, want)
	}
	if *update && !t.Failed() {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		page = want
	}
	if page != want {
		t.Errorf("docs/python.md differs from example_test.go: run go test ./examples/python -run TestPage -update\ngot:\n%s\nwant:\n%s", page, want)
	}
}

// functionsOf returns what the page shows of each function: the body and the
// output of an Example, the whole declaration of any other.
func functionsOf(t *testing.T, source string) map[string]string {
	t.Helper()
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, "", source, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	text := func(from, to token.Pos) string {
		return source[files.Position(from).Offset:files.Position(to).Offset]
	}
	functions := map[string]string{}
	for _, decl := range file.Decls {
		f, ok := decl.(*ast.FuncDecl)
		if !ok {
			continue
		}
		if !strings.HasPrefix(f.Name.Name, "Example") {
			start := f.Pos()
			if f.Doc != nil {
				start = f.Doc.Pos()
			}
			functions[f.Name.Name] = "```go\n" + text(start, f.End()) + "\n```\n"
			continue
		}
		body, output, checked := strings.Cut(text(f.Body.Lbrace+1, f.Body.Rbrace), "// Output:\n")
		if !checked {
			t.Errorf("%s: got no output, want it checked", f.Name.Name)
		}
		code := regexp.MustCompile(`(?m)^\t`).ReplaceAllString(body, "")
		output = regexp.MustCompile(`(?m)^\t// ?`).ReplaceAllString(output, "")
		functions[f.Name.Name] = "```go\n" + strings.TrimSpace(code) + "\n```\n\nIt prints:\n\n```text\n" + output + "```\n"
	}
	return functions
}
