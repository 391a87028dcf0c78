package otelhttpclient_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

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
		".github/workflows/ci.yml":  {`"` + older + `"`, `"` + newer + `"`},
		"README.md":                 {"Go " + older + " or " + newer, olderPatch + " and " + newerPatch},
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
