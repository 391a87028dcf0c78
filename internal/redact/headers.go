package redact

import (
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/otelhttpclient/otelhttpclient/internal/foreign"
	"github.com/otelhttpclient/otelhttpclient/internal/redact/layer"
	"github.com/otelhttpclient/otelhttpclient/internal/redact/splice"
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
	before, after bool // a star stands there, and only there
	pattern       bool // for path.Match
	exempt        bool
	expression    *regexp.Regexp // instead of all else
}

var defaultHeaderPatterns = sync.OnceValue(func() []headerPattern { return newHeaderPatterns(defaultHeaders) })

func newHeaderPatterns(list []string) []headerPattern {
	patterns := make([]headerPattern, 0, len(list))
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

// hidesHeader reports whether the values of a header are hidden.
func (p *Policy) hidesHeader(name string) bool {
	lower := strings.ToLower(name)
	var buf nameBuffer
	plain := string(normal(&buf, name))
	for _, h := range slices.Backward(p.headers) {
		if h.match(lower) || h.expression == nil && h.match(plain) {
			return !h.exempt
		}
	}
	return false
}

// isHeaderName reports whether a name in a text is surely one of a header, as
// ordinary words followed by a colon are not.
func isHeaderName(name string) bool {
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

// The headers that hold URLs.
var (
	referenceHeaders = []string{
		"location", "content-location", "referer", "origin", "sourcemap", "x-sourcemap", "destination",
		"x-original-url", "x-rewrite-url", "x-forwarded-uri", "x-request-url",
	}
	linkReference    = regexp.MustCompile(`<([^<>]*)>`)
	refreshReference = regexp.MustCompile(`(?i)^[^a-z]*url\s*=\s*['"]?([^'"]*)`)
)

// Header returns what may be recorded of the values of a header: at most 32 of
// them, of at most 4 KiB each. Relative URLs in them are resolved against the
// request's, which may be nil, before they are filtered.
func (p *Policy) Header(name string, values []string, request *url.URL) []string {
	request = Wire(request)
	values = values[:min(len(values), maxHeaderValues)]
	recorded := make([]string, len(values))
	kind, known := p.byName.Get(name)
	if !known {
		kind = p.headerKind(name)
		p.byName.Put(strings.Clone(name), kind)
	}
	for i, v := range values {
		switch {
		case kind == hiddenHeader && isNone(v), v == "":
			recorded[i] = splice.Cut(foreign.Text(v), maxHeader)
		case kind == hiddenHeader:
			recorded[i] = Replacement
		case kind == urlHeader:
			recorded[i] = p.references(v, nil, request)
		case kind == linkHeader:
			recorded[i] = p.references(v, linkReference, request)
		case kind == refreshHeader:
			recorded[i] = p.references(v, refreshReference, request)
		default:
			recorded[i] = p.text(v, maxHeaderInput, maxHeader)
		}
	}
	return recorded
}

// A headerKind is what the values of a header are.
type headerKind uint8

const (
	textHeader headerKind = iota
	hiddenHeader
	urlHeader
	linkHeader    // <URL>; rel=next
	refreshHeader // 5; url=URL
)

func (p *Policy) headerKind(name string) headerKind {
	lower := strings.ToLower(name)
	switch {
	case p.hidesHeader(name):
		return hiddenHeader
	case slices.Contains(referenceHeaders, lower):
		return urlHeader
	case lower == "link":
		return linkHeader
	case lower == "refresh":
		return refreshHeader
	}
	return textHeader
}

// Searched returns how many bytes of a header's values [Policy.Header] searches
// at most.
func Searched(values []string) (bytes int) {
	for _, v := range values[:min(len(values), maxHeaderValues)] {
		bytes += min(len(v), maxReference)
	}
	return bytes
}

// references returns a text that holds URLs in the places that a pattern finds.
// Nil: it is a URL, and is not searched for others.
func (p *Policy) references(whole string, pattern *regexp.Regexp, request *url.URL) string {
	s, places := whole, [][]int{{0, len(whole), 0, len(whole)}}
	if pattern != nil {
		s = splice.Cut(whole, maxHeaderInput)
		places = pattern.FindAllStringSubmatchIndex(s, -1)
	} else if len(s) > maxReference {
		return Replacement
	}
	cost := 0 // of resolving a reference
	if request != nil {
		cost = len(request.Path) + len(request.RawPath) + len(request.RawQuery) + len(request.Fragment) + len(request.Host)
	}
	left := maxFiltered
	f := finder{policy: p, budget: nestedBudget}
	l := layer.Text{S: s}
	for _, m := range places {
		start, end := m[2], m[3]
		if left -= cost + end - start; left < 0 && p.filter != nil {
			f.replace(start, end, Replacement)
			continue
		}
		if text, changed := p.reference(s[start:end], request); changed {
			f.replace(start, end, text)
			continue
		}
		f.url(l, start, end)
	}
	if pattern == nil {
		return splice.Cut(f.applyURL(s), maxHeader)
	}
	f.text(l)
	f.hideEnd(s, whole)
	return f.applyText(s, maxHeader)
}
