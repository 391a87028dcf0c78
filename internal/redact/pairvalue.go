package redact

import (
	"regexp"
	"strings"

	"github.com/otelhttpclient/otelhttpclient/internal/redact/secret"
)

// maxName is how much is searched for the name of the next pair.
const maxName = 80

// A pair is a name and the beginning of a value in a text.
type pair struct {
	policy  *Policy
	s       string
	start   int // of the name
	name    string
	quoted  bool // the name is
	colon   bool // separates name and value; else an equals sign
	spaced  bool // the value is separated by a space too
	empty   bool // there may be no value: a= b=c
	block   bool // the value is on a line of its own, below the name
	structs bool // the text holds what fmt prints of a struct or a map
	value   int  // where it begins
	header  bool // the name is that of a hidden header
	class   secret.Class
}

func (p *pair) hides(value string) bool {
	if p.header && !secret.IsNone(value) {
		return true
	}
	return p.policy.names.Hides(p.name, value)
}

func (p *pair) check(start, end int) (int, int) {
	if !p.hides(p.s[start:end]) {
		return 0, 0
	}
	return start, end
}

// line is the rest of a line, which belongs to a header. In quotes, it ends
// with them.
func (p *pair) line() (start, end int) {
	end = p.value
	quote := byte('\n')
	if p.start > 0 && (p.s[p.start-1] == '"' || p.s[p.start-1] == '\'') {
		quote = p.s[p.start-1]
	}
	for end < len(p.s) && p.s[end] != '\n' && p.s[end] != '\r' && p.s[end] != quote {
		if p.s[end] == '\\' && end+1 < len(p.s) {
			if c := p.s[end+1]; c == 'r' || c == 'n' {
				break
			}
			end++
		}
		end++
	}
	return p.check(p.value, min(end, len(p.s)))
}

// quotedValue is a string in quotes, which may be escaped themselves.
func (p *pair) quotedValue(v int) (start, end int) {
	s := p.s
	escapes := v
	for v < len(s) && s[v] == '\\' {
		v++
	}
	if v == len(s) || strings.IndexByte("\"'`", s[v]) < 0 {
		return p.word(escapes, "")
	}
	quote, escaped := s[v], v > escapes
	start = v + 1
	for end = start; end < len(s) && s[end] != quote && s[end] != '\n'; end++ {
		if s[end] == '\\' && quote != '`' {
			if escaped && end+1 < len(s) && s[end+1] == quote {
				break
			}
			end++
		}
	}
	end = min(end, len(s))
	for escaped && end > start && s[end-1] == '\\' {
		end--
	}
	const longest = len("===")
	if end-start <= longest && strings.IndexFunc(s[start:end], func(c rune) bool { return c > 0x7f || secret.IsWordByte(byte(c)) }) < 0 {
		return 0, 0 // a parser's error: unexpected token: "}"
	}
	return p.check(start, end)
}

// list is what stands in brackets: an array of JSON, or values as fmt prints
// them.
func (p *pair) list(v int, closing byte) (start, end int) {
	start = v + 1
	quote := byte(0)
	for end = start; end < len(p.s); end++ {
		switch c := p.s[end]; {
		case c == '\\':
			end++
		case quote == 0 && c == '"':
			quote = c
		case c == quote:
			quote = 0
		case quote == 0 && c == closing:
			return p.check(p.unquoted(start, end))
		}
	}
	return p.check(p.unquoted(start, len(p.s)))
}

// unquoted is a place without the quotes around it.
func (p *pair) unquoted(start, end int) (int, int) {
	for start < end && (p.s[start] == '"' || p.s[start] == '\\') {
		start++
	}
	for start < end && (p.s[end-1] == '"' || p.s[end-1] == '\\') {
		end--
	}
	return start, end
}

// braces is a value of a connection string: {a;b}.
func (p *pair) braces(v int) (start, end int) {
	closing := strings.IndexAny(p.s[v+1:], "{}=:\n")
	if !p.colon && closing < 0 {
		return p.word(v, "")
	}
	if p.colon || p.s[v+1+closing] != '}' {
		return 0, 0
	}
	return p.check(v+1, v+1+closing)
}

var (
	nextPair   = regexp.MustCompile(`^[,)]\s*\\*["']?[\w.$-]+\\*["']?\s*[=:]`)
	schemeName = regexp.MustCompile(`^(?i:bearer|basic|digest|negotiate|ntlm|token|apikey|sharedkey|sharedaccesssignature)$`)
)

// word is a value that ends with the next space, the next pair, or one of the
// delimiters.
func (p *pair) word(v int, delimiters string) (start, end int) {
	end = p.wordEnd(v, delimiters)
	if next := end + 1; schemeName.MatchString(p.s[v:end]) && next < len(p.s) && p.s[end] == ' ' && secret.IsWordByte(p.s[next]) {
		end = p.wordEnd(next, delimiters)
	}
	return p.check(v, end)
}

func (p *pair) wordEnd(v int, delimiters string) int {
	s := p.s
	quote := byte('"')
	if p.start > 0 && p.s[p.start-1] == '\'' {
		quote = '\''
	}
	end := v
scan:
	for ; end < len(s); end++ {
		switch c := s[end]; c {
		case ' ', '\t', '\r', '\n', '&', ';', '"', '`', '<', '>', quote:
			break scan
		case '\\':
			if end+1 < len(s) && strings.IndexByte(`"nrtu`, s[end+1]) >= 0 {
				break scan
			}
		case ',':
			if p.quoted || nextPair.MatchString(s[end:min(len(s), end+maxName)]) {
				break scan
			}
		default:
			if strings.IndexByte(delimiters, c) >= 0 {
				break scan
			}
		}
	}
	return v + len(trimPunctuation(s[v:end]))
}

// token is a value in running prose that looks like a token.
func (p *pair) token(v int) (start, end int) {
	s := p.s
	for _, opening := range []string{"(", "[", "*", "“", "‘", "«"} {
		if strings.HasPrefix(s[v:], opening) {
			v += len(opening)
			break
		}
	}
	end = v
	letter, digit := false, false
	for ; end < len(s) && (secret.IsWordByte(s[end]) || strings.IndexByte("_.~+/=-", s[end]) >= 0); end++ {
		isDigit := '0' <= s[end] && s[end] <= '9'
		digit = digit || isDigit
		letter = letter || secret.IsWordByte(s[end]) && !isDigit
	}
	end = v + len(strings.TrimRight(s[v:end], "."))
	word := s[v:end]
	isPath := strings.IndexByte(word, '/') >= 0 && strings.ToLower(word) == word
	if len(word) < secret.ShortestValue || !letter || !digit || isPath {
		return 0, 0
	}
	return p.check(v, end)
}

// trimPunctuation removes what belongs to the sentence or to the brackets around
// s.
func trimPunctuation(s string) string {
	for s != "" {
		last := s[len(s)-1]
		switch last {
		case '.', ',', ';', ':', '\'', '\\', '!', '|':
		case ')', ']', '}', '>':
			if strings.Count(s, opening(last)) >= strings.Count(s, s[len(s)-1:]) {
				return s
			}
		default:
			return s
		}
		s = s[:len(s)-1]
	}
	return s
}

func opening(closing byte) string {
	switch closing {
	case ')':
		return "("
	case ']':
		return "["
	case '}':
		return "{"
	}
	return "<"
}
