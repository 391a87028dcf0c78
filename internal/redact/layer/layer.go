// Package layer decodes parts of a text and keeps the original offset of each byte,
// so that parts found after decoding can be replaced in the original text. It is
// given texts and encodings. It does not know what a secret is.
package layer

import (
	"strings"
	"unicode/utf8"
)

// MaxDepth limits how often a text is decoded: gateways encode parts that are
// already encoded.
const MaxDepth = 4

// A Text is the original text, or a part of it after decoding.
type Text struct {
	S       string
	origin  []int32 // original offset of each byte and of the end; nil: the same
	Depth   int     // number of times it was decoded
	Percent int     // number of times it was percent-decoded
}

// Offset returns the offset of S[i], or of the end, in the original text.
func (t Text) Offset(i int) int {
	if t.origin == nil {
		return i
	}
	return int(t.origin[i])
}

// Part returns a part of the text without decoding it.
func (t Text) Part(start, end int) Text {
	part := Text{S: t.S[start:end], Depth: t.Depth, Percent: t.Percent}
	if t.origin != nil {
		part.origin = t.origin[start : end+1]
		return part
	}
	part.origin = make([]int32, end-start+1)
	for i := range part.origin {
		part.origin[i] = int32(start + i)
	}
	return part
}

// An Encoding is a set of encodings of bytes.
type Encoding uint8

// The encodings.
const (
	Percent Encoding = 1 << iota // %3D
	Plus                         // + for a space
	Escapes                      // \", \/ and \u0026 of JSON; &amp; of HTML
)

// Decode returns a part of the text with one level of encoding removed, and whether
// there was any. Invalid encodings are kept.
func (t Text) Decode(start, end int, e Encoding) (Text, bool) {
	s := t.S[start:end]
	b := make([]byte, 0, len(s))
	origin := make([]int32, 0, len(s)+1)
	changed, percents := false, false
	for i := 0; i < len(s); {
		c, n := rune(s[i]), 1
		switch {
		case s[i] == '%' && e&Percent != 0:
			if v, ok := HexByte(s, i+1); ok {
				c, n, percents = rune(v), 3, true
			}
		case s[i] == '+' && e&Plus != 0:
			c, changed = ' ', true
		case s[i] == '\\' && e&Escapes != 0:
			c, n = unescapeBackslash(s[i:])
		case s[i] == '&' && e&Escapes != 0:
			c, n = unescapeHTML(s[i:])
		}
		changed = changed || n > 1
		if n > 3 && c >= utf8.RuneSelf {
			for range utf8.RuneLen(c) {
				origin = append(origin, int32(t.Offset(start+i)))
			}
			b = utf8.AppendRune(b, c)
		} else {
			origin = append(origin, int32(t.Offset(start+i)))
			b = append(b, byte(c))
		}
		i += n
	}
	if !changed {
		return Text{}, false
	}
	next := Text{S: string(b), origin: append(origin, int32(t.Offset(end))), Depth: t.Depth + 1, Percent: t.Percent}
	if percents {
		next.Percent++
	}
	return next, true
}

// DecodeExcept is Decode for the whole text, with a space in place of each of the
// parts, which must be in order.
func (t Text) DecodeExcept(parts [][2]int, e Encoding) (Text, bool) {
	var b []byte
	next := Text{Depth: t.Depth + 1}
	done, changed := 0, false
	add := func(end int) {
		part, ok := t.Decode(done, end, e)
		if !ok {
			part = t.Part(done, end)
		}
		changed = changed || ok
		b = append(b, part.S...)
		next.origin = append(next.origin, part.origin[:len(part.S)]...)
		next.Percent = max(next.Percent, part.Percent, t.Percent)
	}
	for _, p := range parts {
		add(p[0])
		b = append(b, ' ')
		next.origin = append(next.origin, int32(t.Offset(p[0])))
		done = p[1]
	}
	add(len(t.S))
	if !changed {
		return Text{}, false
	}
	next.S = string(b)
	next.origin = append(next.origin, int32(t.Offset(len(t.S))))
	return next, true
}

// HexByte returns the byte of the two hexadecimal digits s[i:i+2], and whether they
// are such digits.
func HexByte(s string, i int) (byte, bool) {
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

// unescapeBackslash decodes the backslash escape that s begins with.
func unescapeBackslash(s string) (c rune, n int) {
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
		if v, ok := HexByte(s, 2); ok {
			return rune(v), 4
		}
	case 'u':
		high, ok1 := HexByte(s, 2)
		low, ok2 := HexByte(s, 4)
		if c := rune(high)<<8 | rune(low); ok1 && ok2 && utf8.ValidRune(c) {
			return c, 6
		}
	}
	return '\\', 1
}

// unescapeHTML decodes the character reference that s begins with.
func unescapeHTML(s string) (c rune, n int) {
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

// DecodeOnce returns s percent-decoded.
func DecodeOnce(s string) string {
	if t, ok := (Text{S: s}).Decode(0, len(s), Percent); ok {
		return t.S
	}
	return s
}

// DecodeFully returns s percent-decoded until nothing changes, at most MaxDepth
// times.
func DecodeFully(s string) string {
	for range MaxDepth {
		t, ok := Text{S: s}.Decode(0, len(s), Percent)
		if !ok {
			break
		}
		s = t.S
	}
	return s
}
