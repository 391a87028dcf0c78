package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

const library = "github.com/otelhttpclient/otelhttpclient"

// What a module gets that adds the library is what docs/setup.md says. The library's
// go.mod requires what its tests and examples import, so this is more than what
// its packages import: module graph pruning leaves out what is not imported,
// but not the versions.
func TestAddingTheLibrary(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	const grpc = "google.golang.org/grpc"
	if out, err := goCommand(ctx, t.TempDir(), "mod", "download", grpc+"@v1.80.0").CombinedOutput(); err != nil {
		t.Skipf("needs the module proxy: %v\n%s", err, out)
	}

	added, moved := addLibrary(ctx, t, root, "package program\n")
	if len(moved) != 0 {
		t.Errorf("moved in an empty module: got %v, want nothing", moved)
	}
	list := func(lines []string) string {
		return strings.Join(lines[:len(lines)-1], ", ") + " and " + lines[len(lines)-1]
	}
	quoted := func(modules []change) (lines []string) {
		for _, m := range modules {
			lines = append(lines, "`"+m.module+"`")
		}
		return lines
	}
	inEmpty := list(quoted(added))

	added, moved = addLibrary(ctx, t, root, "package program\n\nimport (\n\t_ \""+grpc+"\"\n\t_ \"google.golang.org/protobuf/proto\"\n)\n", grpc+"@v1.80.0")
	if got := list(quoted(added)); got != inEmpty {
		t.Errorf("added to a module with gRPC: got %s, want as to an empty one, %s", got, inEmpty)
	}
	if !slices.ContainsFunc(moved, func(m change) bool { return m.module == grpc && m.before == "v1.80.0" }) {
		t.Fatalf("moved in a module with %s v1.80.0: got %v, want it among them", grpc, moved)
	}
	var versions []string
	for _, m := range moved {
		version, _, _ := strings.Cut(strings.TrimPrefix(m.after, "v"), "-0.")
		version = regexp.MustCompile(`^0\.0\.0-(\d{4})(\d\d)(\d\d)\d{6}-\w+$`).ReplaceAllString(version, "$1-$2-$3")
		versions = append(versions, "`"+m.module+"` "+version)
	}
	want := "An empty module that adds the library gets " + inEmpty + "; a module that has older ones gets " + list(versions) + "."

	page, err := os.ReadFile("../docs/setup.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(strings.Join(strings.Fields(string(page)), " "), want) {
		t.Errorf("docs/setup.md: got no such sentence, want\n%s", want)
	}
}

// change is a module whose version changes. One that is added has none before.
type change struct{ module, before, after string }

func (c change) String() string { return fmt.Sprintf("%s %s => %s", c.module, c.before, c.after) }

// addLibrary makes a module of the source, adds the library from root, and
// returns the modules that this adds to go.mod and those that it moves there.
func addLibrary(ctx context.Context, t *testing.T, root, source string, requirements ...string) (added, moved []change) {
	t.Helper()
	dir := t.TempDir()
	run := func(args ...string) string {
		t.Helper()
		out, err := goCommand(ctx, dir, args...).Output()
		if err != nil {
			var exit *exec.ExitError
			if errors.As(err, &exit) {
				err = fmt.Errorf("%w\n%s", err, exit.Stderr)
			}
			t.Fatalf("go %v: %v", args, err)
		}
		return string(out)
	}
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run("mod", "init", "program")
	write("program.go", source)
	for _, requirement := range requirements {
		run("mod", "edit", "-require", requirement)
	}
	run("mod", "tidy")
	before := required(t, dir)

	write("traced.go", "package program\n\nimport _ \""+library+"\"\n")
	run("mod", "edit", "-require", library+"@v0.0.0", "-replace", library+"="+root)
	run("mod", "tidy")
	run("build", "./...")
	after := required(t, dir)

	for module := range before {
		if after[module] == "" {
			t.Errorf("%s is no longer required, want it to stay", module)
		}
	}
	for module, version := range after {
		c := change{module, before[module], version}
		switch {
		case module == library || c.before == c.after:
		case c.before == "":
			added = append(added, c)
		default:
			moved = append(moved, c)
		}
	}
	byModule := func(a, b change) int { return strings.Compare(a.module, b.module) }
	slices.SortFunc(added, byModule)
	slices.SortFunc(moved, byModule)
	for _, c := range added {
		t.Logf("added to a module with %v: %s %s", requirements, c.module, c.after)
	}
	for _, c := range moved {
		t.Logf("moved in a module with %v: %v", requirements, c)
	}
	return added, moved
}

// required returns the requirements of the go.mod in dir, version by module.
func required(t *testing.T, dir string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	versions := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^(?:require )?\s*(\S+\.\S+/\S+) (v\S+)`).FindAllStringSubmatch(string(text), -1) {
		versions[m[1]] = m[2]
	}
	return versions
}

// goCommand is the go command in a module of its own.
func goCommand(ctx context.Context, dir string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off", "PWD="+dir)
	return cmd
}
