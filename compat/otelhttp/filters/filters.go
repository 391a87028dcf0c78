// Package filters has the predicates of
// go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp/filters, for
// [otelhttp.WithFilter]: a request is traced if
// the filter returns true. Nil filters are ignored.
//
// go fix does not inline these functions: their names are easier to read than
// their bodies.
package filters

import (
	"net/http"
	"slices"
	"strings"

	"github.com/otelhttpclient/otelhttpclient/compat/otelhttp"
)

// Any accepts a request if any of the filters does. Without filters, it accepts
// none.
func Any(fs ...otelhttp.Filter) otelhttp.Filter {
	return func(r *http.Request) bool {
		return slices.ContainsFunc(fs, func(f otelhttp.Filter) bool { return f != nil && f(r) })
	}
}

// All accepts a request if all of the filters do.
func All(fs ...otelhttp.Filter) otelhttp.Filter {
	return func(r *http.Request) bool {
		return !slices.ContainsFunc(fs, func(f otelhttp.Filter) bool { return f != nil && !f(r) })
	}
}

// None accepts a request if none of the filters does.
func None(fs ...otelhttp.Filter) otelhttp.Filter {
	return Not(Any(fs...))
}

// Not accepts the requests that f rejects.
func Not(f otelhttp.Filter) otelhttp.Filter {
	if f == nil {
		return nil
	}
	return func(r *http.Request) bool { return !f(r) }
}

// Hostname accepts requests to this host, without its port.
func Hostname(h string) otelhttp.Filter {
	return func(r *http.Request) bool { return r.URL.Hostname() == h }
}

// Path accepts requests with this path.
func Path(p string) otelhttp.Filter {
	return func(r *http.Request) bool { return r.URL.Path == p }
}

// PathPrefix accepts requests whose path starts with p.
func PathPrefix(p string) otelhttp.Filter {
	return func(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, p) }
}

// Query accepts requests with the query parameter k of value v.
func Query(k, v string) otelhttp.Filter {
	return func(r *http.Request) bool { return slices.Contains(r.URL.Query()[k], v) }
}

// QueryContains accepts requests with a query parameter k whose value contains v.
func QueryContains(k, v string) otelhttp.Filter {
	return func(r *http.Request) bool { return anyContains(r.URL.Query()[k], v) }
}

// Method accepts requests with this method. The empty method, which net/http sends
// as GET, is a method of its own, as in the original.
func Method(m string) otelhttp.Filter {
	return func(r *http.Request) bool { return r.Method == m }
}

// Header accepts requests with the header k of value v.
func Header(k, v string) otelhttp.Filter {
	return func(r *http.Request) bool { return slices.Contains(r.Header.Values(k), v) }
}

// HeaderContains accepts requests with a header k whose value contains v.
func HeaderContains(k, v string) otelhttp.Filter {
	return func(r *http.Request) bool { return anyContains(r.Header.Values(k), v) }
}

func anyContains(values []string, part string) bool {
	return slices.ContainsFunc(values, func(v string) bool { return strings.Contains(v, part) })
}
