package otelhttpclient_test

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
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
