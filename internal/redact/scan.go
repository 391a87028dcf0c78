package redact

import (
	"regexp"

	"github.com/otelhttpclient/otelhttpclient/internal/redact/secret"
)

// A mark is what a URL has, and what may have to be hidden for it.
type mark uint16

const (
	user mark = 1 << iota
	encoded
	parameters
	named // by a name that may be listed
	hook  // or a bot
	capital
	dot // behind a slash
	slash
	equals
	delimiter
	high // a byte that is not ASCII, and perhaps not UTF-8
)

// marks are the marks of bytes. For some it depends on the bytes before: see scan.
var marks = func() (t [256]mark) {
	t['@'] = user
	for _, c := range `%+"\` {
		t[c] = encoded
	}
	for c := range ' ' + 1 {
		t[c] = encoded // not by net/url, but as it is in a text
	}
	t[';'], t['~'] = parameters, parameters
	for c := 'A'; c <= 'Z'; c++ {
		t[c] = capital
	}
	t['k'], t['K'] = hook, hook|capital
	t['/'], t['='] = slash, equals
	t['?'], t['&'], t['#'] = delimiter, delimiter, delimiter
	for c := 0x80; c < len(t); c++ {
		t[c] = high
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
	return s.longest >= secret.ShortestValue || s.widest >= secret.ShortestValue && s.has(capital)
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
		case hook, hook | capital:
			is.marks |= m & capital
			if i > start && s[i-1]|0x20 == 'o' {
				is.marks |= hook // hooks.slack.com
			}
			continue
		case slash, equals, delimiter:
		default:
			is.marks |= m
			continue
		}
		if hasHost {
			if m == equals || s[i] == '&' {
				continue
			}
			hasHost, is.path, part, wide = false, i, i, i
		}
		is.longest = max(is.longest, i-part)
		switch m {
		case slash:
			if i+1 < len(s) && s[i+1] == 'b' {
				is.marks |= hook // api.telegram.org/bot
			} else if i+1 < len(s) && s[i+1] == '.' {
				is.marks |= dot
			}
		case equals:
			if n.MayEndLike(s[part:i]) {
				is.marks |= named
			}
		case delimiter:
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

// special are the schemes of which browsers find the host whatever slashes
// stand before it.
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
