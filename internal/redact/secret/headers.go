package secret

import (
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// DefaultHeaders returns the patterns of the headers whose values are hidden. A
// pattern is one of [path.Match], compared with the name in lower case and with the
// name without "-" and "_". With a leading exclamation mark it excepts headers. The
// last pattern that matches decides.
func DefaultHeaders() []string {
	return slices.Clone(defaultHeaders)
}

var defaultHeaders = []string{
	"authorization", "*authorization", "cookie", "set-cookie", "*cookie", "cookie2", "set-cookie2",
	"*token*", "*secret*", "*password*", "*passwd*", "*passphrase*", "*signature*",
	"*apikey*", "*accesskey*", "*credential*", "*jwtassertion",
	"*key", "*auth", "*otp", "*session", "*sessionid", "*jwt",
	"!access-control-*", "!*ratelimit*",
	"!*tokencount", "!*tokenscount", "!*tokens", "!*tokensused", "!*tokensremaining", "!*tokenslimit", "!*tokensreset", "!*tokenusage", "!*tokenlimit",
	"!*pagetoken", "!*nexttoken", "!*continuationtoken", "!*paginationtoken", "!synctoken", "!*nextsynctoken",
	"!sec-websocket-key", "!*idempotencykey", "!*surrogatekey",
}

// A headerPattern is an entry of the list.
type headerPattern struct {
	text                      string // without the stars, or the whole glob
	leadingStar, trailingStar bool   // the pattern has this star, and no others inside
	isGlob                    bool   // text is for path.Match
	exempt                    bool
	expression                *regexp.Regexp // if not nil, the other fields are unused
}

// Headers lists headers whose values are secrets. A nil Headers hides nothing.
type Headers []headerPattern

var defaultPatterns = sync.OnceValue(func() Headers { return parseHeaders(defaultHeaders) })

// NewHeaders returns the headers that match a list in the language of
// [DefaultHeaders], or one of the expressions, even if the list excepts them. An
// empty list means DefaultHeaders(). Malformed patterns match nothing.
func NewHeaders(list []string, expressions []*regexp.Regexp) Headers {
	patterns := defaultPatterns()
	if len(list) > 0 {
		patterns = parseHeaders(list)
	}
	patterns = slices.Clip(patterns)
	for _, e := range expressions {
		patterns = append(patterns, headerPattern{expression: e})
	}
	return patterns
}

func parseHeaders(list []string) Headers {
	patterns := make(Headers, 0, len(list))
	for _, entry := range list {
		var h headerPattern
		h.text, h.exempt = strings.CutPrefix(strings.ToLower(entry), "!")
		if _, err := path.Match(h.text, ""); err != nil {
			continue
		}
		if inner := strings.Trim(h.text, "*"); strings.ContainsAny(inner, `*?[\`) {
			h.isGlob = true
		} else {
			h.leadingStar, h.trailingStar = strings.HasPrefix(h.text, "*"), strings.HasSuffix(h.text, "*")
			h.text = inner
		}
		patterns = append(patterns, h)
	}
	return patterns
}

func (h headerPattern) match(name string) bool {
	switch {
	case h.expression != nil:
		return h.expression.MatchString(name)
	case h.isGlob:
		ok, _ := path.Match(h.text, name)
		return ok
	case h.leadingStar && h.trailingStar:
		return strings.Contains(name, h.text)
	case h.leadingStar:
		return strings.HasSuffix(name, h.text)
	case h.trailingStar:
		return strings.HasPrefix(name, h.text)
	}
	return name == h.text
}

// Hides reports whether the values of a header are hidden.
func (headers Headers) Hides(name string) bool {
	lower := strings.ToLower(name)
	var buf nameBuffer
	plain := string(normalize(&buf, name))
	for _, h := range slices.Backward(headers) {
		if h.match(lower) || h.expression == nil && h.match(plain) {
			return !h.exempt
		}
	}
	return false
}

// IsHeaderName reports whether a name in a text is certainly a header's, and not an
// ordinary word before a colon.
func IsHeaderName(name string) bool {
	switch strings.ToLower(name) {
	case "authorization", "proxy-authorization", "cookie", "set-cookie", "cookie2", "set-cookie2":
		return true
	}
	if strings.IndexByte(name, '-') <= 0 {
		return false
	}
	if len(name) > 2 && name[0]|0x20 == 'x' && name[1] == '-' {
		return true
	}
	for part := range strings.SplitSeq(name, "-") {
		if part == "" || 'a' <= part[0] && part[0] <= 'z' {
			return false
		}
	}
	return true
}
