package secret

import (
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// DefaultHeaders returns the patterns of the headers whose values are hidden. A
// pattern is one of [path.Match], compared with the name in lower case and with
// the name without "-" and "_". After an exclamation mark it names headers that
// are not hidden. The last pattern that matches decides.
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
	text          string
	before, after bool // has a leading (trailing) star and no other
	pattern       bool // for path.Match
	exempt        bool
	expression    *regexp.Regexp // instead of all else
}

// Headers are names of headers whose values are secrets. A nil Headers hides nothing.
type Headers []headerPattern

var defaultPatterns = sync.OnceValue(func() Headers { return newPatterns(defaultHeaders) })

// NewHeaders returns the names that match a list in the language of
// [DefaultHeaders], or one of the expressions, whatever the list excepts. Empty
// list: DefaultHeaders(). Malformed patterns match nothing.
func NewHeaders(list []string, expressions []*regexp.Regexp) Headers {
	patterns := defaultPatterns()
	if len(list) > 0 {
		patterns = newPatterns(list)
	}
	patterns = slices.Clip(patterns)
	for _, e := range expressions {
		patterns = append(patterns, headerPattern{expression: e})
	}
	return patterns
}

func newPatterns(list []string) Headers {
	patterns := make(Headers, 0, len(list))
	for _, entry := range list {
		var h headerPattern
		h.text, h.exempt = strings.CutPrefix(strings.ToLower(entry), "!")
		if _, err := path.Match(h.text, ""); err != nil {
			continue
		}
		if inner := strings.Trim(h.text, "*"); strings.ContainsAny(inner, `*?[\`) {
			h.pattern = true
		} else {
			h.before, h.after = strings.HasPrefix(h.text, "*"), strings.HasSuffix(h.text, "*")
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
	case h.pattern:
		ok, _ := path.Match(h.text, name)
		return ok
	case h.before && h.after:
		return strings.Contains(name, h.text)
	case h.before:
		return strings.HasSuffix(name, h.text)
	case h.after:
		return strings.HasPrefix(name, h.text)
	}
	return name == h.text
}

// Hides reports whether the values of a header are hidden.
func (headers Headers) Hides(name string) bool {
	lower := strings.ToLower(name)
	var buf nameBuffer
	plain := string(normal(&buf, name))
	for _, h := range slices.Backward(headers) {
		if h.match(lower) || h.expression == nil && h.match(plain) {
			return !h.exempt
		}
	}
	return false
}

// IsHeaderName reports whether a name in a text is surely one of a header, as
// ordinary words followed by a colon are not.
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
