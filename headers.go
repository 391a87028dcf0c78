package otelhttpclient

import (
	"net/http"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"

	"go.opentelemetry.io/otel/attribute"

	"github.com/otelhttpclient/otelhttpclient/internal/bounded"
	"github.com/otelhttpclient/otelhttpclient/internal/redact"
)

// WithRequestHeaders records the request headers whose names match a pattern, as
// attributes http.request.header.<name> with the name in lower case and all
// values as an array of strings. A pattern is a name, or a pattern of
// [path.Match] such as "x-*". Case does not matter. By default, no header is
// recorded. Repeated options accumulate. A malformed pattern is reported to
// [otel.Handle] and ignored.
//
// The headers are those that are sent, including those of hooks and of the
// propagator, but not those that net/http adds. Credentials are redacted (see
// [WithSensitiveHeaders]). URLs in values pass through the URL filters.
//
// At most 128 headers of a message are recorded, none with a name of more than
// 256 bytes, and of each at most 32 values, cut to 4 KiB. Headers beyond 128 KiB
// of a message are not recorded.
func WithRequestHeaders(patterns ...string) Option {
	return optionFunc(func(c *config) {
		c.requestHeaders = c.requestHeaders.add("http.request.header.", "WithRequestHeaders", patterns)
	})
}

// WithResponseHeaders records response headers as http.response.header.<name>,
// as [WithRequestHeaders] does for request headers.
func WithResponseHeaders(patterns ...string) Option {
	return optionFunc(func(c *config) {
		c.responseHeaders = c.responseHeaders.add("http.response.header.", "WithResponseHeaders", patterns)
	})
}

// WithSensitiveHeaders replaces the list of headers whose captured values are
// recorded as REDACTED. An empty list changes nothing. Credentials in the values
// of other headers are always redacted.
//
// The patterns are those of [WithRequestHeaders], compared with the name in lower
// case, and with the name without punctuation. "!pattern" excepts headers; the last
// pattern that matches decides. See [DefaultSensitiveHeaders] for the default
// list, to be added to.
func WithSensitiveHeaders(patterns ...string) Option {
	return optionFunc(func(c *config) {
		if valid := validPatterns("WithSensitiveHeaders", patterns); len(valid) > 0 {
			c.sensitive.Headers = valid
		}
	})
}

// DefaultSensitiveHeaders returns the default list of [WithSensitiveHeaders].
func DefaultSensitiveHeaders() []string { return redact.DefaultHeaders() }

// validPatterns returns the patterns in lower case, without malformed ones.
func validPatterns(option string, patterns []string) []string {
	list := make([]string, 0, len(patterns))
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

// headerCapture determines which headers are recorded. A nil *headerCapture
// records none.
type headerCapture struct {
	prefix      string
	patterns    []string
	expressions []*regexp.Regexp
	keys        bounded.Cache[string, attribute.Key] // by the name as it is written; "" if it is not recorded
}

func (h *headerCapture) add(prefix, option string, patterns []string) *headerCapture {
	if h == nil {
		h = &headerCapture{prefix: prefix}
	}
	h.patterns = append(h.patterns, validPatterns(option, patterns)...)
	return h
}

func (h *headerCapture) addExpressions(prefix string, list []*regexp.Regexp) *headerCapture {
	if h == nil {
		h = &headerCapture{prefix: prefix}
	}
	h.expressions = append(h.expressions, list...)
	return h
}

// key returns the attribute key of a header, or "" if it is not recorded.
func (h *headerCapture) key(name string) attribute.Key {
	key, known := h.keys.Get(name)
	if known {
		return key
	}
	lower := strings.ToLower(name)
	if h.match(lower) {
		key = attribute.Key(h.prefix + lower)
	}
	h.keys.Put(strings.Clone(name), key)
	return key
}

func (h *headerCapture) match(lower string) bool {
	return slices.ContainsFunc(h.patterns, func(pattern string) bool {
		ok, _ := path.Match(pattern, lower)
		return ok
	}) || slices.ContainsFunc(h.expressions, func(e *regexp.Regexp) bool { return e.MatchString(lower) })
}

// A server chooses how many headers it sends.
const (
	longestHeaderName = 256
	mostHeaders       = 128
	mostHeaderBytes   = 128 << 10 // of values: redacting them takes time
)

// attributes appends the attributes of the headers. request is the URL that was
// requested.
func (h *headerCapture) attributes(a []attribute.KeyValue, header http.Header, redaction *redact.Policy, request *url.URL) []attribute.KeyValue {
	if h == nil {
		return a
	}
	recorded, left := 0, mostHeaderBytes
	for name, values := range header {
		if len(name) > longestHeaderName || recorded == mostHeaders {
			continue
		}
		if key := h.key(name); key != "" {
			size := redact.Searched(values)
			if size > left {
				continue
			}
			left -= size
			recorded++
			a = append(a, key.StringSlice(redaction.Header(name, values, request)))
		}
	}
	return a
}
