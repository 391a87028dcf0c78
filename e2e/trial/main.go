// Command trial moves the HTTP clients of released public modules from otelhttp to this library, and runs
// their own tests before and after.
//
//	go run ./trial [-only part of a module path] [-keep]
//
// For each module of cases.go it downloads the release, copies it to a temporary directory, and runs the
// tests of the packages concerned three times: as released, after a change of the import path in the listed
// files to compat/otelhttp, and after go fix. All three runs have the same go.mod, which also requires this
// library. It prints a table in Markdown. The log goes to the standard error.
//
// It downloads the modules and their dependencies, and takes a while.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	originalAPI = `"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"`
	compatAPI   = `"github.com/otelhttpclient/otelhttpclient/compat/otelhttp"`
	library     = "github.com/otelhttpclient/otelhttpclient"
)

// perModule bounds the time for one module.
const perModule = 20 * time.Minute

func main() {
	log.SetFlags(log.Ltime)
	only := flag.String("only", "", "try only modules whose path contains this")
	keep := flag.Bool("keep", false, "keep the temporary directory, and print its name")
	flag.Parse()
	if err := run(*only, *keep); err != nil {
		log.Fatal(err)
	}
}

func run(only string, keep bool) error {
	root, err := filepath.Abs("..")
	if err != nil {
		return err
	}
	if mod, err := os.ReadFile(filepath.Join(root, "go.mod")); err != nil || !strings.HasPrefix(string(mod), "module "+library+"\n") {
		return fmt.Errorf("%s is not the library's directory: run the trial in e2e", root)
	}
	dir, err := os.MkdirTemp("", "trial")
	if err != nil {
		return err
	}
	if keep {
		log.Print(dir)
	} else {
		defer os.RemoveAll(dir)
	}
	fmt.Println("| Module | Packages | As released | Import changed | After `go fix` | Remarks |")
	fmt.Println("|---|---|---|---|---|---|")
	for i, c := range cases {
		if !strings.Contains(c.module, only) {
			continue
		}
		log.Printf("%s %s", c.module, c.version)
		ctx, cancel := context.WithTimeout(context.Background(), perModule)
		r := try(ctx, c, root, filepath.Join(dir, fmt.Sprint(i)))
		cancel()
		fmt.Println(r.row(c))
	}
	return nil
}
