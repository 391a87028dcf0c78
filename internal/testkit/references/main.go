// Command references prints how the source files of a package refer to each
// other, with all identifiers resolved, and fails where there are more
// references, or larger cycles, than the flags allow.
//
//	go run ./internal/testkit/references -most 40 -cycle 'options.go hooks.go' .
//
// A file refers to another if it uses anything declared there: a type, function,
// variable, constant, method or field. Test files do not count.
package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

func main() {
	most := flag.Int("most", -1, "fail if there are more references; negative: any number")
	verbose := flag.Bool("v", false, "list the references")
	var allowed cycles
	flag.Var(&allowed, "cycle", "files that may form a cycle, separated by spaces; may be repeated")
	flag.Parse()
	failed := false
	for _, pattern := range flag.Args() {
		g, err := read(pattern)
		if err != nil {
			fmt.Fprintln(os.Stderr, "references:", err)
			os.Exit(2)
		}
		if !g.report(os.Stdout, *verbose, *most, allowed) {
			failed = true
		}
	}
	if failed {
		os.Exit(1)
	}
}

// cycles are sets of files that may refer to each other.
type cycles [][]string

func (c *cycles) String() string { return fmt.Sprint([][]string(*c)) }

func (c *cycles) Set(files string) error {
	if *c = append(*c, strings.Fields(files)); len(strings.Fields(files)) < 2 {
		return errors.New("want two files or more")
	}
	return nil
}

// allow reports whether all files are in one of the sets.
func (c cycles) allow(files []string) bool {
	return slices.ContainsFunc(c, func(set []string) bool {
		return !slices.ContainsFunc(files, func(f string) bool { return !slices.Contains(set, f) })
	})
}

// graph holds the references of a package: uses[a][b] if a refers to b.
type graph struct {
	path string
	uses map[string]map[string]bool
}

// report prints the graph and reports whether it is within the limits.
func (g *graph) report(w io.Writer, verbose bool, most int, allowed cycles) (ok bool) {
	references := 0
	for _, from := range slices.Sorted(maps.Keys(g.uses)) {
		to := slices.Sorted(maps.Keys(g.uses[from]))
		references += len(to)
		if verbose {
			fmt.Fprintf(w, "%s: %s\n", from, strings.Join(to, " "))
		}
	}
	ok = true
	fmt.Fprintf(w, "%s: %d files, %d references", g.path, len(g.uses), references)
	if most >= 0 && references > most {
		fmt.Fprintf(w, ", want at most %d", most)
		ok = false
	}
	fmt.Fprintln(w)
	for _, cycle := range g.cycles() {
		verdict := ""
		if len(allowed) > 0 && !allowed.allow(cycle) {
			verdict, ok = " (not allowed)", false
		}
		fmt.Fprintf(w, "  cycle of %d: %s%s\n", len(cycle), strings.Join(cycle, " "), verdict)
	}
	return ok
}

// cycles returns the sets of files that reach each other.
func (g *graph) cycles() (found [][]string) {
	reach := map[string]map[string]bool{}
	for file := range g.uses {
		reached := map[string]bool{}
		next := []string{file}
		for len(next) > 0 {
			last := next[len(next)-1]
			next = next[:len(next)-1]
			for to := range g.uses[last] {
				if !reached[to] {
					reached[to] = true
					next = append(next, to)
				}
			}
		}
		reach[file] = reached
	}
	done := map[string]bool{}
	for _, file := range slices.Sorted(maps.Keys(g.uses)) {
		if done[file] || !reach[file][file] {
			continue
		}
		var cycle []string
		for other := range reach[file] {
			if reach[other][file] {
				cycle = append(cycle, other)
				done[other] = true
			}
		}
		slices.Sort(cycle)
		found = append(found, cycle)
	}
	slices.SortFunc(found, func(a, b []string) int { return cmp.Compare(len(b), len(a)) })
	return found
}

// listed is what the go command tells of a package.
type listed struct {
	Dir, ImportPath, Export string
	GoFiles                 []string
	DepOnly                 bool
}

// read type-checks one package against the export data of its imports.
func read(pattern string) (*graph, error) {
	out, err := exec.Command("go", "list", "-deps", "-export", "-json=Dir,ImportPath,Export,GoFiles,DepOnly", pattern).Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			err = fmt.Errorf("%w: %s", err, exit.Stderr)
		}
		return nil, fmt.Errorf("go list %s: %w", pattern, err)
	}
	exports := map[string]string{}
	var of listed
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := d.Decode(&p); err == io.EOF {
			break
		} else if err != nil {
			return nil, err
		}
		exports[p.ImportPath] = p.Export
		if !p.DepOnly {
			of = p
		}
	}
	fset := token.NewFileSet()
	var files []*ast.File
	g := &graph{path: of.ImportPath, uses: map[string]map[string]bool{}}
	for _, name := range of.GoFiles {
		f, err := parser.ParseFile(fset, filepath.Join(of.Dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		files = append(files, f)
		g.uses[name] = map[string]bool{}
	}
	info := &types.Info{Uses: map[*ast.Ident]types.Object{}, Selections: map[*ast.SelectorExpr]*types.Selection{}}
	config := types.Config{Importer: importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) {
		return os.Open(exports[path])
	})}
	pkg, err := config.Check(of.ImportPath, fset, files, info)
	if err != nil {
		return nil, err
	}
	file := func(p token.Pos) string { return filepath.Base(fset.Position(p).Filename) }
	for id, object := range info.Uses {
		if object.Pkg() != pkg || object.Pos() == token.NoPos {
			continue
		}
		if from, to := file(id.Pos()), file(object.Pos()); from != to {
			g.uses[from][to] = true
		}
	}
	return g, nil
}
