package redact

import (
	"net/url"
	"path"
	"slices"
	"strings"
)

// DefaultHeaders returns the patterns of the headers whose values are redacted
// unless [Config] has others.
func DefaultHeaders() []string {
	return []string{
		"authorization", "proxy-authorization", "www-authenticate", "proxy-authenticate",
		"authentication-info", "proxy-authentication-info", "cookie", "cookie2", "set-cookie", "set-cookie2",
		"*api-key*", "*apikey*", "*api_key*", "*token*", "*secret*", "*password*", "*passwd*", "*credential*",
		"*signature*", "*-auth", "*-auth-*", "*-authorization", "*session*", "*private-key*", "*access-key*",
		"*subscription-key*", "*jwt*", "x-forwarded-client-cert", "x-amz-content-sha256", "x-hub-signature*",
	}
}

var defaultHeaders = newHeaderPatterns(DefaultHeaders())

// headerPatterns are patterns of header names in lower case.
type headerPatterns []string

func newHeaderPatterns(patterns []string) headerPatterns {
	list := make(headerPatterns, len(patterns))
	for i, p := range patterns {
		list[i] = strings.ToLower(p)
	}
	return list
}

func (p headerPatterns) match(name string) bool {
	return slices.ContainsFunc(p, func(pattern string) bool {
		ok, _ := path.Match(pattern, name)
		return ok
	})
}

// urlHeaders are those whose whole value is a URL, which may be relative.
var urlHeaders = []string{"location", "content-location", "referer"}

type headerRule struct{ sensitive, url bool }

func (r *Policy) rule(name string) headerRule {
	if rule, ok := r.rules.Get(name); ok {
		return rule
	}
	lower := strings.ToLower(name)
	rule := headerRule{sensitive: r.headers.match(lower), url: slices.Contains(urlHeaders, lower)}
	r.rules.Put(strings.Clone(name), rule)
	return rule
}

// Headers are bounded, as servers choose how much they send.
const (
	longestHeaderValue = 4 << 10
	mostHeaderValues   = 32
)

// Header returns the values of a header with credentials redacted: at most 32,
// each cut to 4 KiB. request is the URL that was requested, or nil.
func (r *Policy) Header(name string, values []string, request *url.URL) []string {
	rule := r.rule(name)
	values = values[:min(len(values), mostHeaderValues)]
	recorded := make([]string, len(values))
	for i, v := range values {
		v = cut(v, longestRedacted)
		switch {
		case rule.sensitive:
			recorded[i] = redacted
		case rule.url:
			recorded[i] = r.urlText(v)
		default:
			recorded[i] = r.text(v)
		}
		recorded[i] = cut(recorded[i], longestHeaderValue)
	}
	return recorded
}
