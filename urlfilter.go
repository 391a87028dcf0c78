package otelhttpclient

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

// A URLFilter changes the URL that is recorded, never the one that is
// requested. It gets a copy, which it may change and return. A nil result
// leaves url.full out. It may be called concurrently. Where it panics, nothing
// of the URL but its scheme and host is recorded.
//
// Where a filter changes the host, server.address and server.port are taken
// from its result, on spans and on metrics.
type URLFilter func(*url.URL) *url.URL

// WithURLFilter adds a filter. Filters run in the order given, each on the
// result of the one before; nil is ignored. The default redaction of
// credentials runs after them, whatever they return.
//
// Everything that holds a URL passes through them: url.full, captured headers
// such as Location and Referer, and URLs in the texts of errors.
func WithURLFilter(filter URLFilter) Option {
	return optionFunc(func(c *config) {
		if filter != nil {
			c.record.filters = append(c.record.filters, filter)
		}
	})
}

// StripQuery is a [URLFilter] that removes the query.
func StripQuery(u *url.URL) *url.URL {
	if u == nil {
		return nil
	}
	stripped := *u
	stripped.RawQuery = ""
	stripped.ForceQuery = false
	return &stripped
}

// RedactQuery returns a [URLFilter] that replaces the values of the query
// parameters with these names by REDACTED, in addition to those that are
// always redacted (see [WithSensitiveQuery]). Names are compared without regard
// to case and to percent-encoding. Order, keys and everything else stay as
// they are written.
func RedactQuery(names ...string) URLFilter {
	list := newQueryNames(names)
	return func(u *url.URL) *url.URL {
		if u == nil {
			return nil
		}
		redacted := *u
		redacted.RawQuery = list.redact(u.RawQuery)
		return &redacted
	}
}

// KeepQuery returns a [URLFilter] that removes all query parameters but those
// with these names, which are compared as they are decoded, in exact case. The
// default redaction holds for what is kept.
func KeepQuery(names ...string) URLFilter {
	keep := make(map[string]struct{}, len(names))
	for _, n := range names {
		keep[n] = struct{}{}
	}
	return func(u *url.URL) *url.URL {
		if u == nil {
			return nil
		}
		var kept []string
		for pair := range strings.SplitSeq(u.RawQuery, "&") {
			key, _, _ := strings.Cut(pair, "=")
			// A semicolon is a separator for some servers: what follows
			// it is not what was asked to be kept.
			if _, ok := keep[unescape(key)]; ok && !strings.Contains(pair, ";") {
				kept = append(kept, pair)
			}
		}
		filtered := *u
		filtered.RawQuery = strings.Join(kept, "&")
		filtered.ForceQuery = false
		return &filtered
	}
}

// WithSensitiveQuery replaces the list of the query parameters whose values are
// always recorded as REDACTED. Names are compared without regard to case and
// to percent-encoding, in the query, in the fragment, after a semicolon in the
// path, and in a URL that one of these contains. [DefaultSensitiveQuery] tells
// the default list, to be added to.
//
// No name at all (a nil list) leaves the default in place; an empty list that
// is not nil switches the redaction of the query off.
func WithSensitiveQuery(names ...string) Option {
	return optionFunc(func(c *config) {
		if given(names) {
			c.record.query = newQueryNames(names)
		}
	})
}

// A Filter decides whether a request is traced: false sends it to base
// untouched. It must not change the request and may be called concurrently. A
// filter that panics counts as one that returned true.
type Filter func(*http.Request) bool

// WithFilter adds a filter. A request is traced if all filters return true;
// nil is ignored.
func WithFilter(filter Filter) Option {
	return optionFunc(func(c *config) {
		if filter != nil {
			c.filters = append(c.filters, filter)
		}
	})
}

func (c *config) accepts(req *http.Request) bool {
	for _, filter := range c.filters {
		accepted := true
		if call("filter", func() { accepted = filter(req) }) && !accepted {
			return false
		}
	}
	return true
}

// ExcludeURLs returns a [Filter] that rejects the requests whose URL, written
// without user name and password, one of the expressions matches anywhere.
// Anchor an expression with ^ and $ to match less. Nil expressions are
// ignored.
func ExcludeURLs(expressions ...*regexp.Regexp) Filter {
	return func(req *http.Request) bool {
		if req == nil || req.URL == nil {
			return true
		}
		u := *req.URL
		u.User = nil
		full := u.String()
		for _, e := range expressions {
			if e != nil && e.MatchString(full) {
				return false
			}
		}
		return true
	}
}

// ParseExcludedURLs returns the [Filter] of a comma-separated list of regular
// expressions, as other languages' instrumentations read from
// OTEL_PYTHON_EXCLUDED_URLS and the like. Space around an expression is
// ignored, and so are empty ones: "" excludes nothing. An expression that
// cannot be compiled is an error that names it.
func ParseExcludedURLs(list string) (Filter, error) {
	var expressions []*regexp.Regexp
	for expression := range strings.SplitSeq(list, ",") {
		expression = strings.TrimSpace(expression)
		if expression == "" {
			continue
		}
		e, err := regexp.Compile(expression)
		if err != nil {
			return nil, fmt.Errorf("otelhttpclient: excluded URLs: %q: %w", expression, err)
		}
		expressions = append(expressions, e)
	}
	return ExcludeURLs(expressions...), nil
}
