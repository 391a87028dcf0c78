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
// At most 128 headers of a message are recorded, with 32 values each, cut to
// 4 KiB; none with a name of more than 256 bytes.
//
// A malformed pattern is reported to [otel.Handle] and matches nothing.
func WithRequestHeaders(patterns ...string) Option {
	return optionFunc(func(c *config) {
		if c.requestHeaders == nil {
			c.requestHeaders = &headerCapture{prefix: headerReqKey}
		}
		c.requestHeaders.patterns = append(c.requestHeaders.patterns, newHeaderPatterns("WithRequestHeaders", patterns)...)
	})
}

// WithResponseHeaders records response headers as http.response.header.<name>,
// just as [WithRequestHeaders] does for those of the request.
func WithResponseHeaders(patterns ...string) Option {
	return optionFunc(func(c *config) {
		if c.responseHeaders == nil {
			c.responseHeaders = &headerCapture{prefix: headerRespKey}
		}
		c.responseHeaders.patterns = append(c.responseHeaders.patterns, newHeaderPatterns("WithResponseHeaders", patterns)...)
	})
}

// WithSensitiveHeaders replaces the list of the headers whose values are
// recorded as REDACTED when they are captured; [DefaultSensitiveHeaders] tells
// the default list. Patterns are those of [WithRequestHeaders]. No pattern at
// all (a nil list) leaves the default in place; an empty list that is not nil
// has no value hidden for its header's name. What looks like a credential in a
// URL or in a query is hidden in any case (see [WithSensitiveQuery]).
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
		"*subscription-key*", "*jwt*", "x-forwarded-client-cert", "x-amz-content-sha256", "x-hub-signature*",
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

// headerCapture is which headers are recorded, under which attributes.
type headerCapture struct {
	prefix   string
	patterns headerPatterns
	rules    boundedCache[string, headerRule] // by the name as it is met
}

// headerRule is what the patterns say of one header.
type headerRule struct {
	captured  bool
	sensitive bool
	url       bool
	key       attribute.Key
}

func (h *headerCapture) rule(name string, sensitive headerPatterns) headerRule {
	if rule, ok := h.rules.get(name); ok {
		return rule
	}
	lower := strings.ToLower(name)
	rule := headerRule{captured: h.patterns.match(lower)}
	if rule.captured {
		rule.sensitive = sensitive.match(lower)
		rule.url = slices.Contains(urlHeaders, lower)
		rule.key = attribute.Key(h.prefix + lower)
	}
	h.rules.put(strings.Clone(name), rule)
	return rule
}

// What is recorded of headers is bounded, as servers choose how much they send.
const (
	longestHeaderName  = 256
	longestHeaderValue = 4 << 10
	mostHeaderValues   = 32
	mostHeaders        = 128
)

// headers appends the attributes of the headers that are captured.
func (r *recorder) headers(a []attribute.KeyValue, header http.Header, capture *headerCapture) []attribute.KeyValue {
	if capture == nil {
		return a
	}
	captured := 0
	for name, values := range header {
		if len(name) > longestHeaderName || captured == mostHeaders {
			continue
		}
		rule := capture.rule(name, r.sensitiveHeaders)
		if !rule.captured {
			continue
		}
		captured++
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
		a = append(a, rule.key.StringSlice(recorded))
	}
	return a
}
