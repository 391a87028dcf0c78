package redact

import (
	"regexp"

	"github.com/otelhttpclient/otelhttpclient/internal/redact/secret"
)

// A mark is a feature of a URL that requires a search.
type mark uint16

const (
	userinfoMark mark = 1 << iota
	encodedMark
	parametersMark
	namedMark   // by a name that may be listed
	webhookMark // or a bot
	capitalMark
	dotMark // behind a slash
	slashMark
	equalsMark
	delimiterMark
	highMark // a byte that is not ASCII, and perhaps not UTF-8
)

// marks are the marks of bytes. For some it depends on the bytes before: see scan.
var marks = func() (t [256]mark) {
	t['@'] = userinfoMark
	for _, c := range `%+"\` {
		t[c] = encodedMark
	}
	for c := range ' ' + 1 {
		t[c] = encodedMark // net/url would encode it; a text does not
	}
	t[';'], t['~'] = parametersMark, parametersMark
	for c := 'A'; c <= 'Z'; c++ {
		t[c] = capitalMark
	}
	t['k'], t['K'] = webhookMark, webhookMark|capitalMark
	t['/'], t['='] = slashMark, equalsMark
	t['?'], t['&'], t['#'] = delimiterMark, delimiterMark, delimiterMark
	for c := 0x80; c < len(t); c++ {
		t[c] = highMark
	}
	return t
}()

// A shape summarizes a URL.
type shape struct {
	path, query, fragment int // where they begin, or the end
	longest               int // part between slashes, equals signs and delimiters
	widest                int // part between delimiters
	marks                 mark
}

// mayHoldValue reports whether a part is as long as a credential that is known by
// its shape. Those with slashes in them have capitals, too.
func (s shape) mayHoldValue() bool {
	return s.longest >= secret.ShortestValue || s.widest >= secret.ShortestValue && s.has(capitalMark)
}

func (s shape) has(m mark) bool { return s.marks&m != 0 }

// scan returns the shape of s[start:], which begins with the host or, if it has
// none, with the path.
func scan(n *secret.Names, s string, start int, hasHost bool) shape {
	is := shape{path: start, query: len(s), fragment: len(s)}
	if hasHost {
		is.path = len(s)
	}
	part, wide := start, start
	for i := start; i < len(s); i++ {
		m := marks[s[i]]
		switch m {
		case 0:
			continue
		case webhookMark, webhookMark | capitalMark:
			is.marks |= m & capitalMark
			if i > start && s[i-1]|0x20 == 'o' {
				is.marks |= webhookMark // hooks.slack.com
			}
			continue
		case slashMark, equalsMark, delimiterMark:
		default:
			is.marks |= m
			continue
		}
		if hasHost {
			if m == equalsMark || s[i] == '&' {
				continue
			}
			hasHost, is.path, part, wide = false, i, i, i
		}
		is.longest = max(is.longest, i-part)
		switch m {
		case slashMark:
			if i+1 < len(s) && s[i+1] == 'b' {
				is.marks |= webhookMark // api.telegram.org/bot
			} else if i+1 < len(s) && s[i+1] == '.' {
				is.marks |= dotMark
			}
		case equalsMark:
			if n.MayEndLike(s[part:i]) {
				is.marks |= namedMark
			}
		case delimiterMark:
			is.widest = max(is.widest, i-wide)
			wide = i + 1
			if s[i] == '#' && is.fragment == len(s) {
				is.fragment = i
			} else if s[i] == '?' && is.query == len(s) {
				is.query = i
			}
		}
		part = i + 1
	}
	if !hasHost {
		is.longest = max(is.longest, len(s)-part)
		is.widest = max(is.widest, len(s)-wide)
	}
	is.query = min(is.query, is.fragment)
	return is
}

// special matches the schemes whose host browsers find behind any number of slashes.
var special = regexp.MustCompile(`^(?i:https?|wss?|ftp):$`)

// hostStart returns where the host of the URL s[start:] begins, with its user
// name and password. If it has no host, it returns where the path begins.
func hostStart(s string, start int) (at int, hasHost bool) {
	host := start
	for host < len(s) && isSchemeByte(s[host]) {
		host++
	}
	if host < len(s) && s[host] == ':' && host > start {
		host++
	} else {
		host = start
	}
	scheme := s[start:host]
	slashes := host
	for slashes < len(s) && (s[slashes] == '/' || s[slashes] == '\\' || s[slashes] == '\t' || s[slashes] == '\r' || s[slashes] == '\n') {
		slashes++ // browsers remove tabs and line breaks
	}
	switch n := slashes - host; {
	case n < 2 && !special.MatchString(scheme):
		return start, false
	case n > 2 && scheme != "" && !special.MatchString(scheme):
		return host, false // file:///path
	}
	return slashes, true
}

func isSchemeByte(c byte) bool {
	return secret.IsWordByte(c) || c == '+' || c == '-' || c == '.'
}
