package secret

import (
	"regexp"
	"strings"
	"testing"
)

func TestValueRulesCanBeFound(t *testing.T) {
	for _, rule := range valueRules {
		prefix, _ := regexp.MustCompile(rule.pattern).LiteralPrefix()
		if prefix == "" && rule.needs == "" {
			t.Errorf("%s: got a pattern without literal prefix, want one, or a text that it needs", rule.name)
		}
		if rule.name == "" || rule.source == "" {
			t.Errorf("%q: got no name or no source, want both", rule.pattern)
		}
	}
}

// A query may have thousands of names whose values reach to its end.
func TestIsRandomLooksAtTheBeginning(t *testing.T) {
	const token = "Abcdef0123456789abcdefGH"
	if !isRandom(token) {
		t.Fatalf("%s: got false, want true", token)
	}
	if isRandom(strings.Repeat("a/", MaxInspected) + token) {
		t.Errorf("%d bytes before it: got true, want false", 2*MaxInspected)
	}
}
