package redact

import (
	"regexp"
	"strings"

	"github.com/otelhttpclient/otelhttpclient/internal/redact/secret"
)

// maxName limits the search for the name of the next pair, in bytes.
const maxName = 80

// A pair is a name in a text, and the start of its value.
type pair struct {
	policy     *Policy
	s          string
	nameStart  int // index of the name
	name       string
	quoted     bool // the name is quoted
	colon      bool // the separator is a colon, else an equals sign
	spaced     bool // space precedes the value
	empty      bool // there may be no value: a= b=c
	block      bool // the value is on a line below the name
	structs    bool // the text contains a struct or a map as fmt prints it
	valueStart int  // index of the value
	header     bool // the name is a sensitive header
	class      secret.Class
}

func (p *pair) hides(value string) bool {
	if p.header && !secret.IsPlaceholder(value) {
		return true
	}
	return p.policy.names.Hides(p.name, value)
}

// rangeIfHidden returns the range if the value in it must be hidden, else 0, 0.
func (p *pair) rangeIfHidden(start, end int) (int, int) {
	if !p.hides(p.s[start:end]) {
		return 0, 0
	}
	return start, end
}

// lineValue returns the rest of a line, which is the value of a header. If the name
// follows a quote, the value ends at the closing quote.
func (p *pair) lineValue() (start, end int) {
	end = p.valueStart
	quote := byte('\n')
	if p.nameStart > 0 && (p.s[p.nameStart-1] == '"' || p.s[p.nameStart-1] == '\'') {
		quote = p.s[p.nameStart-1]
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
	return p.rangeIfHidden(p.valueStart, min(end, len(p.s)))
}

// quotedValue returns the range of a string in quotes. The quotes may be escaped.
func (p *pair) quotedValue(v int) (start, end int) {
	s := p.s
	escapes := v
	for v < len(s) && s[v] == '\\' {
		v++
	}
	if v == len(s) || strings.IndexByte("\"'`", s[v]) < 0 {
		return p.wordValue(escapes, "")
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
	return p.rangeIfHidden(start, end)
}

// listValue returns the range between brackets: an array of JSON, or values as fmt
// prints them.
func (p *pair) listValue(v int, closing byte) (start, end int) {
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
			return p.rangeIfHidden(p.trimQuotes(start, end))
		}
	}
	return p.rangeIfHidden(p.trimQuotes(start, len(p.s)))
}

// trimQuotes returns a range without the quotes around it.
func (p *pair) trimQuotes(start, end int) (int, int) {
	for start < end && (p.s[start] == '"' || p.s[start] == '\\') {
		start++
	}
	for start < end && (p.s[end-1] == '"' || p.s[end-1] == '\\') {
		end--
	}
	return start, end
}

// bracedValue returns the range of a value in a connection string: {a;b}.
func (p *pair) bracedValue(v int) (start, end int) {
	closing := strings.IndexAny(p.s[v+1:], "{}=:\n")
	if !p.colon && closing < 0 {
		return p.wordValue(v, "")
	}
	if p.colon || p.s[v+1+closing] != '}' {
		return 0, 0
	}
	return p.rangeIfHidden(v+1, v+1+closing)
}

var (
	nextPair   = regexp.MustCompile(`^[,)]\s*\\*["']?[\w.$-]+\\*["']?\s*[=:]`)
	schemeName = regexp.MustCompile(`^(?i:bearer|basic|digest|negotiate|ntlm|token|apikey|sharedkey|sharedaccesssignature)$`)
)

// wordValue returns the range of a value that ends with the next space, the next
// pair, or one of the delimiters.
func (p *pair) wordValue(v int, delimiters string) (start, end int) {
	end = p.wordEnd(v, delimiters)
	if next := end + 1; schemeName.MatchString(p.s[v:end]) && next < len(p.s) && p.s[end] == ' ' && secret.IsWordByte(p.s[next]) {
		end = p.wordEnd(next, delimiters)
	}
	return p.rangeIfHidden(v, end)
}

func (p *pair) wordEnd(v int, delimiters string) int {
	s := p.s
	quote := byte('"')
	if p.nameStart > 0 && p.s[p.nameStart-1] == '\'' {
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

// tokenValue returns the range of a value in prose that looks like a token.
func (p *pair) tokenValue(v int) (start, end int) {
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
	if len(word) < secret.MinValue || !letter || !digit || isPath {
		return 0, 0
	}
	return p.rangeIfHidden(v, end)
}

// trimPunctuation removes trailing punctuation, and closing brackets that s does not
// open.
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
