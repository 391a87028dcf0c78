package otelhttpclient

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"github.com/otelhttpclient/otelhttpclient/internal/environment"
)

// A Filter reports whether a request is traced. If not, the request goes to
// base unchanged. A Filter gets the caller's request, or, if its URL is opaque,
// a copy with the URL that is sent. A Filter must not change the request and
// may be called concurrently. If it panics, the request is traced.
type Filter func(*http.Request) bool

// WithFilter adds a filter. A request is traced if all filters return true. Nil
// is ignored.
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
		if c.guard.Call("filter", func() { accepted = filter(req) }) && !accepted {
			return false
		}
	}
	return true
}

// ExcludeURLs returns a [Filter] that rejects a request if one of the
// expressions matches its URL, without user name and password. An expression
// matches anywhere in the URL unless it is anchored with ^ and $. Nil
// expressions are ignored.
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

// ParseExcludedURLs returns the [ExcludeURLs] filter for a comma-separated list
// of regular expressions, the format of OTEL_PYTHON_EXCLUDED_URLS. A comma
// always ends an expression: a{1,2} is an error. Space around an expression and
// empty expressions are ignored: "" excludes nothing. The error for an invalid
// expression contains the expression.
func ParseExcludedURLs(list string) (Filter, error) {
	var expressions []*regexp.Regexp
	for expression := range strings.SplitSeq(list, ",") {
		expression = strings.TrimSpace(expression)
		if expression == "" {
			continue
		}
		e, err := environment.Expression(expression)
		if err != nil {
			return nil, fmt.Errorf("otelhttpclient: excluded URLs: %q: %w", expression, err)
		}
		expressions = append(expressions, e)
	}
	return ExcludeURLs(expressions...), nil
}
