package redact

import (
	"regexp"
	"strings"

	"github.com/otelhttpclient/otelhttpclient/internal/redact/layer"
	"github.com/otelhttpclient/otelhttpclient/internal/redact/secret"
)

// pairName is a name and what stands between it and its value. JSON may be
// broken into lines there.
var pairName = regexp.MustCompile(
	`([\w$.%\[\]-]+)(?:(\\*["'` + "`" + `]\]?)\s*|[ \t]*)(=>\s*|:=|==?|:)[ \t]*`)

// printedStruct is a struct or a map as fmt prints it.
var printedStruct = regexp.MustCompile(`(?:\{|map\[)[A-Za-z_][\w-]*:[^\s:/]`)

// pairs hides the values that stand behind names in a text. Those in URLs have
// been hidden already.
func (f *finder) pairs(l layer.Text, urls [][2]int) {
	s := l.S
	if !strings.ContainsAny(s, "=:") {
		return
	}
	structs := strings.ContainsAny(s, "{[") && printedStruct.MatchString(s)
	done := 0
	hide := func(p pair) {
		if p.start < done || !p.named() {
			return
		}
		for p.quoted && p.value < len(s) && (s[p.value] == '\r' || s[p.value] == '\n' || s[p.value] == ' ' || s[p.value] == '\t') {
			p.value++
		}
		if p.class == secret.Code && !p.header {
			// Look at the beginning first, so that values that are no secrets are
			// not scanned once per name.
			begin := p
			begin.s = s[:min(len(s), p.value+secret.MaxBegin)]
			if start, end := begin.find(); start >= end {
				return
			}
		}
		if start, end := p.find(); start < end {
			f.hide(l, start, end)
			done = end
		}
	}
	for _, m := range pairName.FindAllStringSubmatchIndex(s, -1) {
		for len(urls) > 0 && urls[0][1] <= m[2] {
			urls = urls[1:]
		}
		if len(urls) > 0 && urls[0][0] <= m[2] {
			continue
		}
		hide(pair{
			policy: f.policy, s: s, start: m[2], name: s[m[2]:m[3]], quoted: m[4] >= 0 && m[2] > 0 && s[m[2]-1] == s[m[5]-1],
			colon: s[m[6]:m[7]] == ":", empty: max(m[3], m[5]) == m[6] && m[7] < m[1] && s[m[6]] == '=', spaced: m[7] < m[1], structs: structs, value: m[1],
		})
	}
	done = 0
	for _, m := range namedValue.FindAllStringSubmatchIndex(s, -1) {
		hide(pair{
			policy: f.policy, s: s, start: m[2], name: s[m[2]:m[3]],
			quoted: m[5] == m[1], colon: s[m[4]] == ':', spaced: m[5] < m[1], value: m[1],
			block: strings.IndexByte(s[m[3]:m[4]], '\n') >= 0,
		})
	}
	f.multipart(l)
}

// namedValue matches {"name": "token", "value": "x"} up to the value: a variable of
// Kubernetes, a header in a HAR file.
var namedValue = regexp.MustCompile(
	`\b(?i:name|key)\\*["']?\s*[:=]\s*\\*["']?([\w.-]+)\\*["']?[\s,;]+\\*["']?(?i:value)\\*["']?\s*([:=])\s*`)

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

// keyWords make a key of the word that follows them a secret.
var keyWords = regexp.MustCompile(`(?i)\b(?:api|access|account|application|private|secret|subscription) $`)

func (p *pair) named() bool {
	if strings.EqualFold(p.name, "key") {
		const longest = len("subscription ") + 1
		before := p.s[max(0, p.start-longest):p.start]
		if m := keyWords.FindString(before); m != "" {
			p.name = m + p.name
		}
	}
	header := p.name
	if i := strings.LastIndexByte(header, '['); i >= 0 {
		header = header[i+1:]
	}
	p.header = secret.IsHeaderName(header) && p.policy.headers.Hides(header)
	p.class = p.policy.names.Class(p.name)
	return p.header || p.class != secret.Ordinary
}

func (p *pair) hides(value string) bool {
	if p.header && !secret.IsNone(value) {
		return true
	}
	return p.policy.names.Hides(p.name, value)
}

// find returns the place of the value if it is to be hidden.
func (p *pair) find() (start, end int) {
	s, v := p.s, p.value
	if v >= len(s) {
		return 0, 0
	}
	if p.colon && strings.IndexByte("|>\r\n", s[v]) >= 0 {
		if start, end = p.yaml(v); start < end {
			return start, end
		}
	}
	prose := p.colon && p.spaced && !p.header && (!p.quoted || secret.IsWordByte(s[v]) && s[v] > '9')
	if m := typed.FindStringSubmatchIndex(s[v:min(len(s), v+maxName)]); m != nil {
		switch value := v + m[2]; {
		case s[value] == '"':
			v = value
		case s[value] == '{':
			return p.list(value, '}')
		case p.colon:
			return 0, 0 // a pointer, or nil
		}
	}
	switch c := s[v]; {
	case c == '[' && !prose:
		return p.list(v, ']')
	case p.header && p.colon && !p.quoted && (p.spaced || !p.structs) && c != '"' && c != '\'':
		return p.line()
	case prose && afterUnexpected(s[:p.start]):
		return 0, 0
	case c == '"' || c == '\'' || c == '`' || c == '\\':
		return p.quotedValue(v)
	case (c == 'b' || c == 'u') && v+1 < len(s) && (s[v+1] == '"' || s[v+1] == '\''):
		return p.quotedValue(v + 1)
	case c == '{':
		return p.braces(v)
	case c == '<':
		if end = strings.IndexAny(s[v+1:], "<>\n"); end >= 0 && s[v+1+end] == '>' {
			return p.check(v+1, v+1+end)
		}
		return p.word(v+1, "")
	case p.empty && anyPair.MatchString(s[v:min(len(s), v+maxName)]):
		return 0, 0 // a= b=c
	case !p.colon || p.quoted && !prose:
		return p.word(v, "")
	case !p.spaced && p.structs && p.start > 0 && strings.IndexByte("{[ &", s[p.start-1]) >= 0 || strings.Contains(p.name, "["):
		return p.word(v, "]}")
	}
	if start, end = p.yaml(v); start < end {
		return start, end
	}
	return p.token(v)
}

// typed is what stands before a value that fmt, a dumper of Go, PHP or Rust
// prints with its type.
var typed = regexp.MustCompile(`^(?:\[\][\w.]+|\(\*?[\w.]+\) ?(?:\(len=\d+\) )?|string\(\d+\) |Some\()([({"])`)

// afterUnexpected reports whether a parser's error precedes a name, as in
// unexpected token: "}".
func afterUnexpected(s string) bool {
	return strings.HasSuffix(strings.ToLower(s[max(0, len(s)-11):]), "expected ")
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
	anyPair    = regexp.MustCompile(`^[\w.$-]+=[^=\s]`)
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

// formField is a field of a multipart form.
var formField = regexp.MustCompile(`(?s)name="([^"\n]+)"[^\n]*\n(?:[^\r\n]+\r?\n)*\r?\n(.*?)(?:\r?\n--|$)`)

func (f *finder) multipart(l layer.Text) {
	if !strings.Contains(l.S, "form-data") {
		return
	}
	for _, m := range formField.FindAllStringSubmatchIndex(l.S, -1) {
		if f.policy.names.Hides(l.S[m[2]:m[3]], l.S[m[4]:m[5]]) {
			f.hide(l, m[4], m[5])
		}
	}
}
