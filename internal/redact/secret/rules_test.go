package secret_test

import (
	"math/rand/v2"
	"net/url"
	"regexp"
	"regexp/syntax"
	"strings"
	"testing"

	"github.com/otelhttpclient/otelhttpclient/internal/redact"
	"github.com/otelhttpclient/otelhttpclient/internal/redact/secret"
)

// Every rule hides what its pattern describes, and nothing else.
func TestEveryValueRuleHides(t *testing.T) {
	p := redact.New(redact.Config{})
	random := rand.New(rand.NewPCG(1, 2))
	for name, pattern := range secret.Rules() {
		parsed, err := syntax.Parse(pattern, syntax.Perl)
		if err != nil {
			t.Fatal(err)
		}
		for range 20 {
			var b strings.Builder
			generate(&b, parsed, random)
			value := strings.TrimRight(b.String(), "-_.=+/*%~")
			if len(value) < secret.MinValue || !regexp.MustCompile(`^(?:`+pattern+`)$`).MatchString(value) {
				continue // what stands at its end does not belong to it
			}
			for _, format := range []string{"bad %, sorry", "https://h.example/a/%?b", `{"x":"%"}`, "x=%"} {
				in, want := strings.Replace(format, "%", value, 1), strings.Replace(format, "%", redact.Replacement, 1)
				if got := p.Text(in); got != want {
					t.Errorf("%s: got %s, want %s", name, got, want)
				}
			}
			if strings.ContainsAny(value, "/=") && strings.ToLower(value) == value {
				continue // not by chance, of so many characters
			}
			if got := p.URL(&url.URL{Scheme: "https", Host: "h.example", Path: "/", RawQuery: "q=" + value}); got != "https://h.example/?q=REDACTED" {
				t.Errorf("%s: got %s of %s in a query, want it hidden", name, got, value)
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
