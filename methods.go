package otelhttpclient

import (
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"
)

// WithKnownMethods replaces the list of methods that are recorded by name. Other
// methods are recorded as _OTHER, with their name in
// http.request.method_original. Names are case-sensitive. An empty list changes
// nothing. What cannot be a method is reported to [otel.Handle] and ignored. The default list is that of the conventions: CONNECT, DELETE, GET,
// HEAD, OPTIONS, PATCH, POST, PUT, QUERY, TRACE.
//
// The environment variable OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS, a
// comma-separated list, also replaces the default list. The option wins.
func WithKnownMethods(methods ...string) Option {
	return optionFunc(func(c *config) {
		if m := newMethods("WithKnownMethods", methods); len(m) > 0 {
			c.methods = m
		}
	})
}

const otherMethod = "_OTHER"

// methods are the known methods, by themselves; nil: those of the conventions.
type methods map[string]string

// conventionMethods start with the most frequent.
var conventionMethods = []string{
	http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodPatch, http.MethodHead,
	http.MethodOptions, http.MethodConnect, http.MethodTrace, "QUERY",
}

// newMethods reports entries that cannot be methods, and those that are hardly
// meant: get without GET.
func newMethods(option string, list []string) methods {
	m := methods{}
	for _, name := range list {
		if usual := strings.ToUpper(name); usual != name && slices.Contains(conventionMethods, usual) && !slices.Contains(list, usual) {
			badOption(option, "%q is not %s: methods are case-sensitive", name, usual)
		}
		if name == "" || strings.ContainsFunc(name, isNoMethodRune) {
			badOption(option, "%q is not a method", name)
			continue
		}
		m[name] = name
	}
	return m
}

func isNoMethodRune(c rune) bool { return c >= utf8.RuneSelf || strings.ContainsRune(" \t\";,/:", c) }

// normalize returns a known method, or _OTHER. It is no piece of what the request's
// method may be a piece of.
func (m methods) normalize(method string) string {
	if method == "" {
		method = http.MethodGet
	}
	if m == nil {
		if i := slices.Index(conventionMethods, method); i >= 0 {
			return conventionMethods[i]
		}
	} else if known, ok := m[method]; ok {
		return known
	}
	return otherMethod
}
