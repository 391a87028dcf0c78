package moving

import (
	"bytes"
	"go/format"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const (
	originalAPI = "go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	compatAPI   = "github.com/otelhttpclient/otelhttpclient/compat/otelhttp"
)

// fixCommands are those of compat/otelhttp's package documentation.
var fixCommands = []string{
	"go fix -inline -tags=otelhttp_options ./...",
	"go fix -inline ./...",
}

// TestGoFixRemovesCompat: a program compiles and passes its test with otelhttp, with compat/otelhttp after a
// change of the import path, and after go fix, which leaves no reference to compat/otelhttp.
func TestGoFixRemovesCompat(t *testing.T) {
	t.Run("otelhttp", func(t *testing.T) {
		goCommand(t, newModule(t, originalAPI), "go", "test", "./...")
	})
	t.Run("compat", func(t *testing.T) {
		dir := newModule(t, compatAPI)
		goCommand(t, dir, "go", "test", "./...")
		for _, command := range fixCommands {
			goCommand(t, dir, strings.Fields(command)...)
		}
		for name, src := range sources(t, dir) {
			if bytes.Contains(src, []byte("compat")) {
				t.Errorf("%s refers to compat after go fix, want otelhttpclient alone:\n%s", name, src)
			}
			if formatted, err := format.Source(src); err != nil || !bytes.Equal(formatted, src) {
				t.Errorf("%s is not formatted after go fix (%v):\n%s", name, err, src)
			}
		}
		goCommand(t, dir, "go", "vet", "./...")
		goCommand(t, dir, "go", "test", "./...")
	})
}

// TestFixCommandsAreDocumented: the package documentation has the commands of the test.
func TestFixCommandsAreDocumented(t *testing.T) {
	doc, err := os.ReadFile("../../compat/otelhttp/doc.go")
	if err != nil {
		t.Fatal(err)
	}
	if want := "//\t" + strings.Join(fixCommands, "\n//\t") + "\n"; !strings.Contains(string(doc), want) {
		t.Errorf("compat/otelhttp/doc.go does not contain\n%s", want)
	}
}

// newModule returns a directory with a copy of the program in a module of its own.
func newModule(t *testing.T, api string) string {
	t.Helper()
	dir := t.TempDir()
	for name, src := range sources(t, "testdata/compat") {
		src = bytes.ReplaceAll(src, []byte("ORIGINAL/otelhttp"), []byte(api))
		writeFile(t, filepath.Join(dir, name), src)
	}
	// All requirements are those of the e2e module, whose go.sum has them.
	mod, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	mod = bytes.Replace(mod, []byte("module github.com/otelhttpclient/otelhttpclient/e2e"), []byte("module program.example"), 1)
	mod = bytes.Replace(mod, []byte("=> ../"), []byte("=> "+root), 1)
	writeFile(t, filepath.Join(dir, "go.mod"), mod)
	sum, err := os.ReadFile("../go.sum")
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "go.sum"), sum)
	return dir
}

func sources(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no Go files in %s (%v), want the program's", dir, err)
	}
	found := map[string][]byte{}
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		found[filepath.Base(file)] = src
	}
	return found
}

func writeFile(t *testing.T, name string, content []byte) {
	t.Helper()
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func goCommand(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOPROXY=off", "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%q = %v, want no error\n%s", args, err, out)
	}
}
