package redact

import (
	"errors"
	"net/url"
	"strings"
	"testing"
)

// hostileErrorURLs are URLs whose secrets are parts of what hides them.
func hostileErrorURLs() map[string]string {
	many := strings.Builder{}
	for i := range 20000 {
		many.WriteString("&token=" + strings.Repeat("a", 3+i%50))
	}
	return map[string]string{
		"parts of REDACTED": "/?token=EOF" + strings.Repeat("&token=RED&token=TED&token=ACT&token=DAC", 20),
		"many":              "/?a=b" + many.String(),
		"long":              "/?token=" + strings.Repeat("a", 1<<20) + "&token=" + strings.Repeat("a", 1<<19),
		"userinfo":          "//RED:TED@REDACTED/?token=REDACTED:REDACTED@",
	}
}

func TestErrorTextIsBounded(t *testing.T) {
	p := New(Config{})
	for name, raw := range hostileErrorURLs() {
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, text := range []string{"EOF", "RED TED EOF", raw, strings.Repeat("RED EOF ", 1<<17), `dial "` + raw + `": EOF`} {
			got := p.Error(errors.New(text), u)
			if len(got) > longestText {
				t.Errorf("%s: the text of %d bytes became one of %d, want at most %d", name, len(text), len(got), longestText)
			}
		}
	}
}

func TestErrorTextIsRedactedInOnePass(t *testing.T) {
	p := New(Config{})
	for _, c := range []struct{ url, text, want string }{
		{"https://h.example/?token=EOF&token=RED&token=TED", "unexpected EOF", "unexpected REDACTED"},
		{"https://h.example/?token=abcdef&sig=cdefgh", "x abcdefgh y", "x REDACTED y"},
		{"https://h.example/?token=secret", "Get \"https://h.example/?token=secret\": secret failed", "Get \"https://h.example/?token=REDACTED\": REDACTED failed"},
		{"https://h.example/?token=REDACTED", "Get \"https://h.example/?token=REDACTED\": EOF", "Get \"https://h.example/?token=REDACTED\": EOF"},
	} {
		u, _ := url.Parse(c.url)
		if got := p.Error(errors.New(c.text), u); got != c.want {
			t.Errorf("%s: got %q, want %q", c.url, got, c.want)
		}
	}
}
