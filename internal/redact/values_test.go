package redact

import (
	"math/rand/v2"
	"net/url"
	"regexp"
	"regexp/syntax"
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

// Every rule hides what its pattern describes, and nothing else.
func TestEveryValueRuleHides(t *testing.T) {
	p := New(Config{})
	random := rand.New(rand.NewPCG(1, 2))
	for _, rule := range valueRules {
		parsed, err := syntax.Parse(rule.pattern, syntax.Perl)
		if err != nil {
			t.Fatal(err)
		}
		for range 20 {
			var b strings.Builder
			generate(&b, parsed, random)
			value := strings.TrimRight(b.String(), "-_.=+/*%~")
			if len(value) < shortestValue || !regexp.MustCompile(`^(?:`+rule.pattern+`)$`).MatchString(value) {
				continue // what stands at its end does not belong to it
			}
			for _, format := range []string{"bad %, sorry", "https://h.example/a/%?b", `{"x":"%"}`, "x=%"} {
				in, want := strings.Replace(format, "%", value, 1), strings.Replace(format, "%", Replacement, 1)
				if got := p.Text(in); got != want {
					t.Errorf("%s: got %s, want %s", rule.name, got, want)
				}
			}
			if strings.ContainsAny(value, "/=") && strings.ToLower(value) == value {
				continue // not by chance, of so many characters
			}
			if got := p.URL(&url.URL{Scheme: "https", Host: "h.example", Path: "/", RawQuery: "q=" + value}); got != "https://h.example/?q=REDACTED" {
				t.Errorf("%s: got %s of %s in a query, want it hidden", rule.name, got, value)
			}
		}
	}
}

// generate writes a text that an expression matches.
func generate(b *strings.Builder, re *syntax.Regexp, random *rand.Rand) {
	repeat := func(least, most int) {
		if most < 0 {
			most = least + 4
		}
		for range least + random.IntN(most-least+1) {
			generate(b, re.Sub[0], random)
		}
	}
	switch re.Op {
	case syntax.OpLiteral:
		b.WriteString(string(re.Rune))
	case syntax.OpCharClass:
		for {
			i := 2 * random.IntN(len(re.Rune)/2)
			c := re.Rune[i] + random.Int32N(re.Rune[i+1]-re.Rune[i]+1)
			if c < 0x80 {
				b.WriteRune(c)
				return
			}
		}
	case syntax.OpCapture:
		generate(b, re.Sub[0], random)
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			generate(b, sub, random)
		}
	case syntax.OpAlternate:
		generate(b, re.Sub[random.IntN(len(re.Sub))], random)
	case syntax.OpRepeat:
		repeat(re.Min, re.Max)
	case syntax.OpStar:
		repeat(0, -1)
	case syntax.OpPlus:
		repeat(1, -1)
	case syntax.OpQuest:
		repeat(0, 1)
	}
}

// A query may have thousands of names whose values reach to its end.
func TestIsRandomLooksAtTheBeginning(t *testing.T) {
	const token = "Abcdef0123456789abcdefGH"
	if !isRandom(token) {
		t.Fatalf("%s: got false, want true", token)
	}
	if isRandom(strings.Repeat("a/", maxBegin) + token) {
		t.Errorf("%d bytes before it: got true, want false", 2*maxBegin)
	}
}
