package semconv

import (
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"
)

// OtherMethod stands for every unknown method.
const OtherMethod = "_OTHER"

// Methods maps each known method to itself. Nil Methods are those of the conventions.
type Methods map[string]string

// conventionMethods start with the most frequent.
var conventionMethods = []string{
	http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodPatch, http.MethodHead,
	http.MethodOptions, http.MethodConnect, http.MethodTrace, "QUERY",
}

// NewMethods returns the Methods of a list. It reports invalid entries, and entries that
// are probably mistakes: get without GET.
func NewMethods(option string, list []string, report func(option, format string, args ...any)) Methods {
	m := Methods{}
	for _, name := range list {
		if usual := strings.ToUpper(name); usual != name && slices.Contains(conventionMethods, usual) && !slices.Contains(list, usual) {
			report(option, "%q is not %s: methods are case-sensitive", name, usual)
		}
		if name == "" || strings.ContainsFunc(name, isNoMethodRune) {
			report(option, "%q is not a method", name)
			continue
		}
		m[name] = name
	}
	return m
}

func isNoMethodRune(c rune) bool { return c >= utf8.RuneSelf || strings.ContainsRune(" \t\";,/:", c) }

// Normalize returns a known method, or [OtherMethod]. The result shares no memory with
// method.
func (m Methods) Normalize(method string) string {
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
	return OtherMethod
}
