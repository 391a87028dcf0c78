package secret

import (
	"os"
	"strings"
	"testing"
)

// The tables of docs/redaction.md are those of the code.
func TestDocumentationHasTheTables(t *testing.T) {
	page, err := os.ReadFile("../../../docs/redaction.md")
	if err != nil {
		t.Fatal(err)
	}
	code := func(list []string) string { return "`" + strings.Join(list, "`, `") + "`" }
	var always, suffixes, ambiguous, patterns, exempt []string
	for _, entry := range defaultQuery {
		switch {
		case strings.HasPrefix(entry, "*"):
			suffixes = append(suffixes, entry[1:])
		case strings.HasSuffix(entry, "?"):
			ambiguous = append(ambiguous, strings.TrimSuffix(entry, "?"))
		default:
			always = append(always, entry)
		}
	}
	for _, entry := range defaultHeaders {
		if name, ok := strings.CutPrefix(entry, "!"); ok {
			exempt = append(exempt, name)
		} else {
			patterns = append(patterns, entry)
		}
	}
	var values strings.Builder
	values.WriteString("| Credential | Documented by |\n|---|---|\n")
	for _, rule := range valueRules {
		if line := "| " + rule.name + " | " + rule.source + " |\n"; !strings.Contains(values.String(), line) {
			values.WriteString(line)
		}
	}
	for _, table := range []string{
		"| always | " + code(always) + " |\n",
		"| every name that ends in | " + code(suffixes) + " |\n",
		"| but not | " + code(notSecretNames) + " |\n",
		"| unless evidently no secret | " + code(ambiguous) + " |\n",
		"| hidden | " + code(patterns) + " |\n",
		"| but not | " + code(exempt) + " |\n",
		values.String(),
	} {
		if !strings.Contains(string(page), table) {
			t.Errorf("docs/redaction.md: got no such lines, want\n%s", table)
		}
	}
}
