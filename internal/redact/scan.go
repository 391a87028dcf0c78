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
	namedMark   // a name that may be listed
	webhookMark // a webhook or a bot
	capitalMark
	dotMark // a dot after a slash
	slashMark
	equalsMark
	delimiterMark
	highMark // a byte that is not ASCII
)

// byteMarks are the marks of bytes. Some also depend on the bytes before: see scanURL.
var byteMarks = func() (t [256]mark) {
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
	path, query, fragment int // start of each; the URL's end if it is absent
	longest               int // length of the longest part between slashes, equals signs and delimiters
	widest                int // length of the longest part between delimiters
	marks                 mark
}

// mayHoldValue reports whether a part is long enough for a credential that is known
// by its shape. Credentials with slashes also have capitals.
func (s shape) mayHoldValue() bool {
	return s.longest >= secret.MinValue || s.widest >= secret.MinValue && s.has(capitalMark)
}

// has reports whether the URL has one of the marks.
func (s shape) has(m mark) bool { return s.marks&m != 0 }

// scanURL returns the shape of s[start:], which begins with the host or, if it has
// none, with the path.
func scanURL(n *secret.Names, s string, start int, hasHost bool) shape {
	found := shape{path: start, query: len(s), fragment: len(s)}
	if hasHost {
		found.path = len(s)
	}
	part, wide := start, start
	for i := start; i < len(s); i++ {
		m := byteMarks[s[i]]
		switch m {
		case 0:
			continue
		case webhookMark, webhookMark | capitalMark:
			found.marks |= m & capitalMark
			if i > start && s[i-1]|0x20 == 'o' {
				found.marks |= webhookMark // hooks.slack.com
			}
			continue
		case slashMark, equalsMark, delimiterMark:
		default:
			found.marks |= m
			continue
		}
		if hasHost {
			if m == equalsMark || s[i] == '&' {
				continue
			}
			hasHost, found.path, part, wide = false, i, i, i
		}
		found.longest = max(found.longest, i-part)
		switch m {
		case slashMark:
			if i+1 < len(s) && s[i+1] == 'b' {
				found.marks |= webhookMark // api.telegram.org/bot
			} else if i+1 < len(s) && s[i+1] == '.' {
				found.marks |= dotMark
			}
		case equalsMark:
			if n.MayEndLike(s[part:i]) {
				found.marks |= namedMark
			}
		case delimiterMark:
			found.widest = max(found.widest, i-wide)
			wide = i + 1
			if s[i] == '#' && found.fragment == len(s) {
				found.fragment = i
			} else if s[i] == '?' && found.query == len(s) {
				found.query = i
			}
		}
		part = i + 1
	}
	if !hasHost {
		found.longest = max(found.longest, len(s)-part)
		found.widest = max(found.widest, len(s)-wide)
	}
	found.query = min(found.query, found.fragment)
	return found
}

// specialScheme matches the schemes after which browsers accept any number of slashes
// before the host.
var specialScheme = regexp.MustCompile(`^(?i:https?|wss?|ftp):$`)

// hostStart returns the index of the host, or of the user name before it, in the URL
// s[start:]. Without a host, it returns the index of the path.
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
	case n < 2 && !specialScheme.MatchString(scheme):
		return start, false
	case n > 2 && scheme != "" && !specialScheme.MatchString(scheme):
		return host, false // file:///path
	}
	return slashes, true
}

func isSchemeByte(c byte) bool {
	return secret.IsWordByte(c) || c == '+' || c == '-' || c == '.'
}
