package redact

import (
	"regexp"
	"strings"

	"github.com/otelhttpclient/otelhttpclient/internal/redact/layer"
	"github.com/otelhttpclient/otelhttpclient/internal/redact/secret"
)

// pairName matches a name and the separator before its value, where JSON may have
// line breaks.
var pairName = regexp.MustCompile(
	`([\w$.%\[\]-]+)(?:(\\*["'` + "`" + `]\]?)\s*|[ \t]*)(=>\s*|:=|==?|:)[ \t]*`)

// printedStruct matches the beginning of a struct or map as fmt prints it.
var printedStruct = regexp.MustCompile(`(?:\{|map\[)[A-Za-z_][\w-]*:[^\s:/]`)

// hidePairs hides the values of secret names in a text, outside of its URLs.
func (f *finder) hidePairs(l layer.Text, urls [][2]int) {
	s := l.S
	if !strings.ContainsAny(s, "=:") {
		return
	}
	structs := strings.ContainsAny(s, "{[") && printedStruct.MatchString(s)
	done := 0
	hide := func(p pair) {
		if p.nameStart < done || !p.classify() {
			return
		}
		for p.quoted && p.valueStart < len(s) && (s[p.valueStart] == '\r' || s[p.valueStart] == '\n' || s[p.valueStart] == ' ' || s[p.valueStart] == '\t') {
			p.valueStart++
		}
		if p.class == secret.Code && !p.header {
			// Look at the beginning first, so that values that are no secrets are
			// not scanned once per name.
			begin := p
			begin.s = s[:min(len(s), p.valueStart+secret.MaxInspected)]
			if start, end := begin.valueRange(); start >= end {
				return
			}
		}
		if start, end := p.valueRange(); start < end {
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
			policy: f.policy, s: s, nameStart: m[2], name: s[m[2]:m[3]], quoted: m[4] >= 0 && m[2] > 0 && s[m[2]-1] == s[m[5]-1],
			colon: s[m[6]:m[7]] == ":", empty: max(m[3], m[5]) == m[6] && m[7] < m[1] && s[m[6]] == '=', spaced: m[7] < m[1], structs: structs, valueStart: m[1],
		})
	}
	done = 0
	for _, m := range namedValue.FindAllStringSubmatchIndex(s, -1) {
		hide(pair{
			policy: f.policy, s: s, nameStart: m[2], name: s[m[2]:m[3]],
			quoted: m[5] == m[1], colon: s[m[4]] == ':', spaced: m[5] < m[1], valueStart: m[1],
			block: strings.IndexByte(s[m[3]:m[4]], '\n') >= 0,
		})
	}
	f.hideFormFields(l)
}

// namedValue matches {"name": "token", "value": "x"} up to the value: a variable of
// Kubernetes, a header in a HAR file.
var namedValue = regexp.MustCompile(
	`\b(?i:name|key)\\*["']?\s*[:=]\s*\\*["']?([\w.-]+)\\*["']?[\s,;]+\\*["']?(?i:value)\\*["']?\s*([:=])\s*`)

// keyQualifier matches a word before "key" that makes it a secret: API key.
var keyQualifier = regexp.MustCompile(`(?i)\b(?:api|access|account|application|private|secret|subscription) $`)

// classify sets p.header and p.class, and reports whether the value may have to be
// hidden.
func (p *pair) classify() bool {
	if strings.EqualFold(p.name, "key") {
		const longest = len("subscription ") + 1
		before := p.s[max(0, p.nameStart-longest):p.nameStart]
		if m := keyQualifier.FindString(before); m != "" {
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

// valueRange returns the place of the value if it must be hidden, else an empty
// range. The methods that it calls return such ranges, too.
func (p *pair) valueRange() (start, end int) {
	s, v := p.s, p.valueStart
	if v >= len(s) {
		return 0, 0
	}
	if p.colon && strings.IndexByte("|>\r\n", s[v]) >= 0 {
		if start, end = p.yamlValue(v); start < end {
			return start, end
		}
	}
	prose := p.colon && p.spaced && !p.header && (!p.quoted || secret.IsWordByte(s[v]) && s[v] > '9')
	if m := typePrefix.FindStringSubmatchIndex(s[v:min(len(s), v+maxName)]); m != nil {
		switch value := v + m[2]; {
		case s[value] == '"':
			v = value
		case s[value] == '{':
			return p.listValue(value, '}')
		case p.colon:
			return 0, 0 // a pointer, or nil
		}
	}
	switch c := s[v]; {
	case c == '[' && !prose:
		return p.listValue(v, ']')
	case p.header && p.colon && !p.quoted && (p.spaced || !p.structs) && c != '"' && c != '\'':
		return p.lineValue()
	case prose && afterUnexpected(s[:p.nameStart]):
		return 0, 0
	case c == '"' || c == '\'' || c == '`' || c == '\\':
		return p.quotedValue(v)
	case (c == 'b' || c == 'u') && v+1 < len(s) && (s[v+1] == '"' || s[v+1] == '\''):
		return p.quotedValue(v + 1)
	case c == '{':
		return p.bracedValue(v)
	case c == '<':
		if end = strings.IndexAny(s[v+1:], "<>\n"); end >= 0 && s[v+1+end] == '>' {
			return p.rangeIfHidden(v+1, v+1+end)
		}
		return p.wordValue(v+1, "")
	case p.empty && anyPair.MatchString(s[v:min(len(s), v+maxName)]):
		return 0, 0 // a= b=c
	case !p.colon || p.quoted && !prose:
		return p.wordValue(v, "")
	case !p.spaced && p.structs && p.nameStart > 0 && strings.IndexByte("{[ &", s[p.nameStart-1]) >= 0 || strings.Contains(p.name, "["):
		return p.wordValue(v, "]}")
	}
	if start, end = p.yamlValue(v); start < end {
		return start, end
	}
	return p.tokenValue(v)
}

var anyPair = regexp.MustCompile(`^[\w.$-]+=[^=\s]`)

// typePrefix matches the type that fmt, or a debug printer of Go, PHP or Rust, prints
// before a value.
var typePrefix = regexp.MustCompile(`^(?:\[\][\w.]+|\(\*?[\w.]+\) ?(?:\(len=\d+\) )?|string\(\d+\) |Some\()([({"])`)

// afterUnexpected reports whether s, the text before a name, ends as a parser's error
// does: unexpected token: "}".
func afterUnexpected(s string) bool {
	return strings.HasSuffix(strings.ToLower(s[max(0, len(s)-11):]), "expected ")
}

// formField matches a field of a multipart form.
var formField = regexp.MustCompile(`(?s)name="([^"\n]+)"[^\n]*\n(?:[^\r\n]+\r?\n)*\r?\n(.*?)(?:\r?\n--|$)`)

func (f *finder) hideFormFields(l layer.Text) {
	if !strings.Contains(l.S, "form-data") {
		return
	}
	for _, m := range formField.FindAllStringSubmatchIndex(l.S, -1) {
		if f.policy.names.Hides(l.S[m[2]:m[3]], l.S[m[4]:m[5]]) {
			f.hide(l, m[4], m[5])
		}
	}
}
