package otelhttpclient

import (
	"net/http"
	"path"
	"slices"
	"strings"

	"go.opentelemetry.io/otel/attribute"
)

// WithRequestHeaders records the request headers whose names match as
// attributes http.request.header.<name>, with the name in lower case and all
// values as an array of strings. A pattern is a name or a pattern of
// [path.Match], such as "x-*"; case does not matter. Given more than once, the
// patterns add up. No header is recorded by default.
//
// Recorded are the headers as they are sent, with those that hooks and the
// propagator add, but without those that net/http adds on its own. The values
// of credentials are recorded as REDACTED (see [WithSensitiveHeaders]), and
// URLs in values pass through the URL filters and the redaction.
//
// A malformed pattern is reported to [otel.Handle] and matches nothing.
func WithRequestHeaders(patterns ...string) Option {
	return optionFunc(func(c *config) {
		c.requestHeaders = append(c.requestHeaders, newHeaderPatterns("WithRequestHeaders", patterns)...)
	})
}

// WithResponseHeaders records response headers as http.response.header.<name>,
// just as [WithRequestHeaders] does for those of the request.
func WithResponseHeaders(patterns ...string) Option {
	return optionFunc(func(c *config) {
		c.responseHeaders = append(c.responseHeaders, newHeaderPatterns("WithResponseHeaders", patterns)...)
	})
}

// WithSensitiveHeaders replaces the list of the headers whose values are
// recorded as REDACTED when they are captured; [DefaultSensitiveHeaders] tells
// the default list. Patterns are those of [WithRequestHeaders]. No pattern at
// all (a nil list) leaves the default in place; an empty list that is not nil
// has every captured header recorded as it is.
func WithSensitiveHeaders(patterns ...string) Option {
	return optionFunc(func(c *config) {
		if given(patterns) {
			c.record.sensitiveHeaders = newHeaderPatterns("WithSensitiveHeaders", patterns)
		}
	})
}

// DefaultSensitiveHeaders returns the patterns of the headers whose captured
// values are recorded as REDACTED unless [WithSensitiveHeaders] says otherwise.
func DefaultSensitiveHeaders() []string {
	return []string{
		"authorization", "proxy-authorization", "www-authenticate", "proxy-authenticate",
		"authentication-info", "proxy-authentication-info", "cookie", "cookie2", "set-cookie", "set-cookie2",
		"*api-key*", "*apikey*", "*api_key*", "*token*", "*secret*", "*password*", "*passwd*", "*credential*",
		"*signature*", "*-auth", "*-auth-*", "*-authorization", "*session*", "*private-key*", "*access-key*",
		"x-forwarded-client-cert", "x-amz-content-sha256", "x-hub-signature*",
	}
}

var defaultSensitiveHeaders = newHeaderPatterns("", DefaultSensitiveHeaders())

// headerPatterns are patterns of header names in lower case.
type headerPatterns []string

func newHeaderPatterns(option string, patterns []string) headerPatterns {
	list := make(headerPatterns, 0, len(patterns))
	for _, p := range patterns {
		p = strings.ToLower(p)
		if _, err := path.Match(p, ""); err != nil {
			badOption(option, "header pattern %q: %w", p, err)
			continue
		}
		list = append(list, p)
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

// headers appends the attributes of the headers that the patterns ask for.
func (r *recorder) headers(a []attribute.KeyValue, prefix string, h http.Header, patterns headerPatterns) []attribute.KeyValue {
	if len(patterns) == 0 {
		return a
	}
	for key, values := range h {
		name := strings.ToLower(key)
		if !patterns.match(name) {
			continue
		}
		recorded := make([]string, len(values))
		for i, v := range values {
			recorded[i] = r.headerValue(name, v)
		}
		a = append(a, attribute.StringSlice(prefix+name, recorded))
	}
	return a
}

func (r *recorder) headerValue(name, value string) string {
	switch {
	case r.sensitiveHeaders.match(name):
		return redacted
	case slices.Contains(urlHeaders, name):
		return r.urlText(value)
	}
	return r.text(value)
}
