package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// result is what the trial of a module found.
type result struct {
	unusable             string // why the module cannot be tried
	before, after, fixed outcome
	recipe               outcome // after the recipe, in place of a change of the import alone
}

// outcome is the result of the tests of one state of a module.
type outcome struct {
	problem string          // why there are none, or ""
	tests   map[string]bool // by package and name: whether it passed
}

// try tries one module in dir, which does not exist.
func try(ctx context.Context, c trialCase, root, dir string) (r result) {
	m := workspace{dir: dir, trialCase: c}
	if err := m.prepare(ctx, root); err != nil {
		r.unusable = firstLine(err)
		log.Print(err)
		return r
	}
	r.before = m.test(ctx)
	if r.before.problem != "" {
		return r
	}
	if err := m.changeImports(); err != nil {
		r.unusable = firstLine(err)
		return r
	}
	r.after = m.test(ctx)
	if r.after.problem != "" {
		r.fixed.problem = "–"
		if m.recipe != nil {
			if err := m.applyRecipe(); err != nil {
				r.recipe.problem = firstLine(err)
				return r
			}
			r.recipe = m.test(ctx)
		}
		return r
	}
	if err := m.fix(ctx); err != nil {
		r.fixed.problem = firstLine(err)
		log.Print(err)
		return r
	}
	r.fixed = m.test(ctx)
	return r
}

// workspace is a copy of a module.
type workspace struct {
	trialCase
	dir string
}

// prepare downloads and copies the module, and makes it require this library.
func (m *workspace) prepare(ctx context.Context, root string) error {
	out, err := command(ctx, root, "go", "mod", "download", "-json", m.module+"@"+m.version)
	var downloaded struct{ Dir, Error string }
	if jsonErr := json.Unmarshal(out, &downloaded); jsonErr != nil {
		return errors.Join(err, jsonErr)
	}
	if downloaded.Dir == "" {
		return errors.New(downloaded.Error)
	}
	if err := copyTree(m.dir, downloaded.Dir); err != nil {
		return err
	}
	if m.probe != nil {
		if err := os.WriteFile(filepath.Join(m.dir, m.probe.file), []byte(m.probe.source), 0o600); err != nil {
			return err
		}
	}
	edits, err := m.localReplacements(ctx)
	if err != nil {
		return err
	}
	edits = append(edits, "-require="+library+"@v0.0.0", "-replace="+library+"="+root)
	_, err = m.command(ctx, append([]string{"go", "mod", "edit"}, edits...)...)
	return err
}

// localReplacements returns the edits that remove the replacements by directories of the module's repository,
// which are not part of the release.
func (m *workspace) localReplacements(ctx context.Context) (edits []string, err error) {
	out, err := m.command(ctx, "go", "mod", "edit", "-json")
	if err != nil {
		return nil, err
	}
	type version struct{ Path, Version string }
	var mod struct{ Replace []struct{ Old, New version } }
	if err := json.Unmarshal(out, &mod); err != nil {
		return nil, err
	}
	for _, r := range mod.Replace {
		if r.New.Version != "" {
			continue
		}
		old := r.Old.Path
		if r.Old.Version != "" {
			old += "@" + r.Old.Version
		}
		edits = append(edits, "-dropreplace="+old)
	}
	return edits, nil
}

func (m *workspace) changeImports() error {
	for _, name := range m.files {
		name = filepath.Join(m.dir, name)
		src, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		changed := bytes.Replace(src, []byte(originalAPI), []byte(compatAPI), 1)
		if bytes.Equal(changed, src) {
			return fmt.Errorf("%s does not import otelhttp", name)
		}
		if err := os.WriteFile(name, changed, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// applyRecipe gives a file whose import was changed both imports. The function that creates the client uses
// the new one.
func (m *workspace) applyRecipe() error {
	name := filepath.Join(m.dir, m.recipe.file)
	src, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	text := strings.Replace(string(src), compatAPI, originalAPI+"\n\tclient "+compatAPI, 1)
	before, rest, found := strings.Cut(text, m.recipe.function)
	function, after, ended := strings.Cut(rest, "\n}\n")
	if !found || !ended {
		return fmt.Errorf("%s has no %s", m.recipe.file, m.recipe.function)
	}
	text = before + m.recipe.function + strings.ReplaceAll(function, "otelhttp.", "client.") + "\n}\n" + after
	return os.WriteFile(name, []byte(text), 0o600)
}

// fix runs the commands of compat/otelhttp's package documentation on the packages with changed files.
func (m *workspace) fix(ctx context.Context) error {
	var packages []string
	for _, name := range m.files {
		packages = append(packages, "./"+filepath.ToSlash(filepath.Dir(name)))
	}
	packages = slices.Compact(packages)
	for _, command := range [][]string{
		{"go", "fix", "-inline", "-tags=otelhttp_options"},
		{"go", "fix", "-inline"},
	} {
		if _, err := m.command(ctx, append(command, packages...)...); err != nil {
			return err
		}
	}
	for _, name := range m.files {
		src, err := os.ReadFile(filepath.Join(m.dir, name))
		if err != nil {
			return err
		}
		if bytes.Contains(src, []byte(compatAPI)) {
			return fmt.Errorf("%s still imports compat/otelhttp", name)
		}
	}
	return nil
}

// test compiles the packages with their tests, and runs the tests.
func (m *workspace) test(ctx context.Context) (o outcome) {
	build := append([]string{"go", "vet", "-unreachable"}, m.packages...) // the cheapest way to compile all of them
	if _, err := m.command(ctx, build...); err != nil {
		log.Print(err)
		o.problem = "does not compile: " + compileError(err)
		return o
	}
	args := []string{"go", "test", "-json", "-count=1", "-timeout=5m"}
	out, err := m.command(ctx, append(args, m.packages...)...)
	if ctx.Err() != nil {
		o.problem = "took more than " + perModule.String()
		return o
	}
	o.tests = map[string]bool{}
	for decoder := json.NewDecoder(bytes.NewReader(out)); decoder.More(); {
		var e struct{ Action, Package, Test string }
		if err := decoder.Decode(&e); err != nil {
			o.problem = "output of go test: " + err.Error()
			return o
		}
		if e.Test != "" && (e.Action == "pass" || e.Action == "fail") {
			o.tests[e.Package+" "+e.Test] = e.Action == "pass"
		}
	}
	if err != nil && o.failed() == 0 {
		log.Print(err)
		o.problem = "tests stopped"
	}
	return o
}

func (o outcome) failed() (n int) {
	for _, passed := range o.tests {
		if !passed {
			n++
		}
	}
	return n
}

// row returns the row of the table.
func (r result) row(c trialCase) string {
	name := fmt.Sprintf("`%s` %s", c.module, c.version)
	packages := "`" + strings.Join(c.packages, "`, `") + "`"
	if r.unusable != "" {
		return fmt.Sprintf("| %s | %s | cannot be tried here: %s | – | – | %s |", name, packages, r.unusable, c.remark)
	}
	remarks := c.remark
	for what, o := range map[string]outcome{"import": r.after, "go fix": r.fixed} {
		if broken := brokenTests(r.before, o); len(broken) > 0 {
			log.Printf("%s: fail only after the change (%s): %q", c.module, what, broken)
		}
	}
	if n := r.before.failed(); n > 0 {
		log.Printf("%s: fail as released: %q", c.module, brokenTests(outcome{}, r.before))
		remarks += fmt.Sprintf(" Failing as released: %d.", n)
	}
	if c.recipe != nil {
		remarks += " With both imports in it: " + r.recipe.cell(r.before) + "."
	}
	return fmt.Sprintf("| %s | %s | %s | %s | %s | %s |", name, packages,
		r.before.cell(r.before), r.after.cell(r.before), r.fixed.cell(r.before), strings.TrimSpace(remarks))
}

// cell returns the outcome's cell of the table, compared with the outcome as released.
func (o outcome) cell(released outcome) string {
	switch {
	case o.problem != "":
		return o.problem
	case o.tests == nil:
		return "–"
	}
	cell := fmt.Sprintf("%d of %d tests pass", len(o.tests)-o.failed(), len(o.tests))
	if broken := brokenTests(released, o); len(broken) > 0 {
		cell += fmt.Sprintf(", %d newly fail", len(broken))
	}
	return cell
}

// brokenTests returns the tests that fail now, and did not before. Some modules have tests of random names.
func brokenTests(before, now outcome) (broken []string) {
	for test, passed := range now.tests {
		if passedBefore, ran := before.tests[test]; !passed && (passedBefore || !ran) {
			broken = append(broken, test)
		}
	}
	slices.Sort(broken)
	return broken
}

func (m *workspace) command(ctx context.Context, args ...string) ([]byte, error) {
	return command(ctx, m.dir, args...)
}

// command runs a command and returns its output. The error has what it wrote to the standard error.
func command(ctx context.Context, dir string, args ...string) ([]byte, error) {
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &stdout, &stderr
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off", "GOTOOLCHAIN=local")
	cmd.WaitDelay = 10 * time.Second
	err := cmd.Run()
	if ctx.Err() != nil {
		return nil, fmt.Errorf("%q took too long: %w", args, ctx.Err())
	}
	if err != nil {
		err = fmt.Errorf("%q: %w\n%s", args, err, stderr.Bytes())
	}
	return stdout.Bytes(), err
}

// copyTree copies a module of the module cache, whose files are read-only.
func copyTree(to, from string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		if d.IsDir() {
			return os.MkdirAll(target, 0o700)
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(target, content, 0o600)
	})
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

// compileError returns the first error of the compiler.
func compileError(err error) string {
	if strings.Contains(err.Error(), ": reading http") {
		return "a dependency cannot be downloaded"
	}
	for line := range strings.Lines(err.Error()) {
		if _, message, ok := strings.Cut(line, ".go:"); ok {
			_, message, _ = strings.Cut(message, " ")
			return "`" + strings.TrimSpace(message) + "`"
		}
	}
	return firstLine(err)
}
