package main

import (
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

//go:embed testdata
var testdata embed.FS

// The hook is a second RoundTrip. The original one gets another name.
const (
	hookFile = "net/http/roundtrip.go"
	hookFrom = "func (t *Transport) RoundTrip(req *Request) (*Response, error) {"
	hookTo   = "func (t *Transport) conformanceBare(req *Request) (*Response, error) {"
	hook     = `package http

// ConformanceHook sends a request if it is not nil. bare is the method of t
// without the hook.
var ConformanceHook func(t *Transport, bare func(*Request) (*Response, error), req *Request) (*Response, error)

func (t *Transport) RoundTrip(req *Request) (*Response, error) {
	if ConformanceHook == nil || t == nil {
		return t.conformanceBare(req)
	}
	return ConformanceHook(t, t.conformanceBare, req)
}
`
)

// copyGoroot makes a GOROOT with the hook in net/http and with this module and
// what it needs in the vendored modules of the standard library.
func copyGoroot(to string) (goroot, version string, err error) {
	out, err := goCommand("", "env", "-json", "GOROOT", "GOVERSION").Output()
	if err != nil {
		return "", "", fmt.Errorf("go env: %w", err)
	}
	var env struct{ GOROOT, GOVERSION string }
	if err := json.Unmarshal(out, &env); err != nil {
		return "", "", err
	}
	from := env.GOROOT
	// What is not changed is linked.
	if err := os.MkdirAll(filepath.Join(to, "src"), 0o755); err != nil {
		return "", "", err
	}
	for _, name := range []string{"bin", "pkg", "lib", "misc", "test", "src/cmd", "go.env", "VERSION"} {
		if _, err := os.Stat(filepath.Join(from, name)); err != nil {
			continue
		}
		if err := os.Symlink(filepath.Join(from, name), filepath.Join(to, name)); err != nil {
			return "", "", err
		}
	}
	if err := copyTree(filepath.Join(to, "src"), filepath.Join(from, "src"), "cmd"); err != nil {
		return "", "", err
	}
	src := filepath.Join(to, "src")
	return to, env.GOVERSION, errors.Join(addHook(src), addWrappers(src), addModules(src))
}

// copyTree copies a directory, except for the entries named.
func copyTree(to, from string, except ...string) error {
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if slices.Contains(except, e.Name()) {
			continue
		}
		source, target := filepath.Join(from, e.Name()), filepath.Join(to, e.Name())
		if e.IsDir() {
			err = os.CopyFS(target, os.DirFS(source))
		} else {
			err = copyFile(target, source)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func copyFile(to, from string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, data, 0o644)
}

func addHook(src string) error {
	name := filepath.Join(src, hookFile)
	data, err := os.ReadFile(name)
	if err != nil {
		return fmt.Errorf("the hook's place is not found: %w", err)
	}
	if n := strings.Count(string(data), hookFrom); n != 1 {
		return fmt.Errorf("the hook's place is not found: %s has %d lines %q, want 1", hookFile, n, hookFrom)
	}
	changed := strings.Replace(string(data), hookFrom, hookTo, 1)
	return errors.Join(
		os.WriteFile(name, []byte(changed), 0o644),
		os.WriteFile(filepath.Join(src, "net/http/conformance.go"), []byte(hook), 0o644),
	)
}

// addWrappers adds the file that sets the hook to the tests of each package.
// Its name makes its test the last one.
func addWrappers(src string) error {
	data, err := testdata.ReadFile("testdata/wrap_test.go")
	if err != nil {
		return err
	}
	for _, pkg := range packages {
		changed := strings.Replace(string(data), "\npackage http_test\n", "\npackage "+path.Base(pkg)+"_test\n", 1)
		if err := os.WriteFile(filepath.Join(src, pkg, "zz_conformance_test.go"), []byte(changed), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// addModules vendors the packages that the wrapper imports, as this module
// requires them. Packages that the standard library vendors itself stay as they
// are, and so do its modules' versions: net/http is tested as it is shipped.
func addModules(src string) error {
	const self = "github.com/otelhttpclient/otelhttpclient"
	cmd := goCommand("", "list", "-deps", "-json=ImportPath,Dir,Standard,Module,GoFiles,IgnoredGoFiles,SFiles,HFiles,EmbedFiles",
		self, "go.opentelemetry.io/otel/sdk/trace", "go.opentelemetry.io/otel/sdk/metric")
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("go list: %w", err)
	}
	type listed struct {
		ImportPath, Dir string
		Standard        bool
		Module          struct{ Path, Version, GoVersion string }

		GoFiles, IgnoredGoFiles, SFiles, HFiles, EmbedFiles []string
	}
	modules, err := os.ReadFile(filepath.Join(src, "vendor/modules.txt"))
	if err != nil {
		return err
	}
	list := strings.Split(strings.TrimSuffix(string(modules), "\n"), "\n")
	var requires []string
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := dec.Decode(&p); err == io.EOF {
			break
		} else if err != nil {
			return err
		}
		if p.Standard {
			continue
		}
		to := filepath.Join(src, "vendor", p.ImportPath)
		if err := os.MkdirAll(to, 0o755); err != nil {
			return err
		}
		for _, name := range slices.Concat(p.GoFiles, p.IgnoredGoFiles, p.SFiles, p.HFiles, p.EmbedFiles) {
			if err := copyFile(filepath.Join(to, name), filepath.Join(p.Dir, name)); err != nil {
				return err
			}
		}
		at := slices.IndexFunc(list, func(line string) bool { return strings.HasPrefix(line, "# "+p.Module.Path+" ") })
		if at < 0 {
			version := p.Module.Version
			if version == "" {
				version = "v0.0.0" // this module
			}
			at = len(list)
			list = append(list, "# "+p.Module.Path+" "+version, "## explicit; go "+p.Module.GoVersion)
			requires = append(requires, p.Module.Path+" "+version)
		}
		if !slices.Contains(list, p.ImportPath) {
			list = slices.Insert(list, at+2, p.ImportPath)
		}
	}
	mod, err := os.OpenFile(filepath.Join(src, "go.mod"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(mod, "\nrequire (\n\t%s\n)\n", strings.Join(requires, "\n\t"))
	return errors.Join(err, mod.Close(),
		os.WriteFile(filepath.Join(src, "vendor/modules.txt"), []byte(strings.Join(list, "\n")+"\n"), 0o644))
}
