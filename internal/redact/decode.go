package redact

import (
	"strings"
	"unicode/utf8"
)

const (
	// maxDepth is how often a text is decoded to find what it hides: gateways
	// encode what is encoded already.
	maxDepth = 4

	// nestedBudget is how many bytes of a URL or text are decoded. Beyond it,
	// what could only be searched after decoding is hidden as a whole.
	nestedBudget = 64 << 10
)

// An encoding is a set of ways to write a byte.
type encoding uint8

const (
	percent encoding = 1 << iota // %3D
	plus                         // + for a space
	escapes                      // \", \/ and \u0026 of JSON; &amp; of HTML
)

// decoded returns a part of a layer with one level of encoding removed, and
// whether there was any. Invalid encodings stay as they are.
func (l layer) decoded(start, end int, e encoding) (layer, bool) {
	s := l.s[start:end]
	b := make([]byte, 0, len(s))
	origin := make([]int32, 0, len(s)+1)
	changed, percents := false, false
	for i := 0; i < len(s); {
		c, n := rune(s[i]), 1
		switch {
		case s[i] == '%' && e&percent != 0:
			if v, ok := hexByte(s, i+1); ok {
				c, n, percents = rune(v), 3, true
			}
		case s[i] == '+' && e&plus != 0:
			c, changed = ' ', true
		case s[i] == '\\' && e&escapes != 0:
			c, n = unescape(s[i:])
		case s[i] == '&' && e&escapes != 0:
			c, n = entity(s[i:])
		}
		changed = changed || n > 1
		if n > 3 && c >= utf8.RuneSelf {
			for range utf8.RuneLen(c) {
				origin = append(origin, int32(l.at(start+i)))
			}
			b = utf8.AppendRune(b, c)
		} else {
			origin = append(origin, int32(l.at(start+i)))
			b = append(b, byte(c))
		}
		i += n
	}
	if !changed {
		return layer{}, false
	}
	next := layer{s: string(b), origin: append(origin, int32(l.at(end))), depth: l.depth + 1, percent: l.percent}
	if percents {
		next.percent++
	}
	return next, true
}

func hexByte(s string, i int) (byte, bool) {
	if i+1 >= len(s) {
		return 0, false
	}
	high, ok1 := hexDigit(s[i])
	low, ok2 := hexDigit(s[i+1])
	return high<<4 | low, ok1 && ok2
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10, true
	}
	return 0, false
}

// unescape decodes the backslash escape that s begins with.
func unescape(s string) (c rune, n int) {
	if len(s) < 2 {
		return '\\', 1
	}
	switch s[1] {
	case '"', '\'', '\\', '/':
		return rune(s[1]), 2
	case 'n':
		return '\n', 2
	case 'r':
		return '\r', 2
	case 't':
		return '\t', 2
	case 'a':
		return '\a', 2
	case 'b':
		return '\b', 2
	case 'f':
		return '\f', 2
	case 'v':
		return '\v', 2
	case 'x':
		if v, ok := hexByte(s, 2); ok {
			return rune(v), 4
		}
	case 'u':
		high, ok1 := hexByte(s, 2)
		low, ok2 := hexByte(s, 4)
		if c := rune(high)<<8 | rune(low); ok1 && ok2 && utf8.ValidRune(c) {
			return c, 6
		}
	}
	return '\\', 1
}

// entity decodes the character reference that s begins with.
func entity(s string) (c rune, n int) {
	for _, e := range [...]struct {
		text string
		c    rune
	}{{"&amp;", '&'}, {"&#38;", '&'}, {"&quot;", '"'}, {"&#34;", '"'}, {"&#x22;", '"'}, {"&#x27;", '\''}, {"&#39;", '\''}, {"&#61;", '='}} {
		if strings.HasPrefix(s, e.text) {
			return e.c, len(e.text)
		}
	}
	return '&', 1
}

// decodedFully returns s percent-decoded as often as there is anything to
// decode, and at most maxDepth times.
func decodedFully(s string) string {
	for range maxDepth {
		l, ok := layer{s: s}.decoded(0, len(s), percent)
		if !ok {
			break
		}
		s = l.s
	}
	return s
}
