package otelhttpclient

import (
	"net/http"
	"slices"
	"strings"
)

// WithPropagationTargets restricts propagation to the given hosts: exact names,
// or "*.example.com" for every name below example.com, but not example.com
// itself. Requests to other hosts, including redirects, get a span but no
// headers from the propagator. Without hosts, nothing is propagated.
//
// From requests to other hosts, all fields of the propagator are removed, baggage
// included: a reverse proxy would forward those of its incoming request. Only
// the copy that is sent is changed. Requests that are not traced
// ([ContextWithoutTracing], [WithFilter]) are sent as they are. Transports below do
// not add the fields again.
//
// By default, context is propagated to every host. Use this option if requests
// leave your own systems: trace identifiers and baggage disclose internals.
//
// The host is that of the request's URL, where the request is sent, without the
// port. Names are not case-sensitive. Repeated options accumulate. An invalid
// host is reported to [otel.Handle] and ignored.
func WithPropagationTargets(hosts ...string) Option {
	return optionFunc(func(c *config) {
		if c.targets == nil {
			c.targets = &targets{exact: map[string]struct{}{}}
		}
		for _, h := range hosts {
			if !c.targets.add(h) {
				badOption("WithPropagationTargets", "%q is not a host name or *.suffix: write it without scheme, port and path", h)
			}
		}
	})
}

// targets are the hosts that context is propagated to; nil: every host.
type targets struct {
	exact    map[string]struct{}
	suffixes []string // with the leading dot
}

func (t *targets) add(host string) bool {
	name := normalHost(strings.Trim(host, "[]"))
	suffix, wild := strings.CutPrefix(name, "*.")
	if suffix == "" || strings.ContainsAny(suffix, "/@*?# \t") || (strings.Contains(suffix, ":") && strings.Count(suffix, ":") < 2) {
		return false
	}
	if wild {
		t.suffixes = append(t.suffixes, "."+suffix)
	} else {
		t.exact[name] = struct{}{}
	}
	return true
}

func (t *targets) include(req *http.Request) bool {
	if t == nil {
		return true
	}
	if req.URL == nil {
		return false
	}
	host := normalHost(req.URL.Hostname())
	if _, ok := t.exact[host]; ok {
		return true
	}
	return slices.ContainsFunc(t.suffixes, func(s string) bool {
		return len(host) > len(s) && strings.HasSuffix(host, s)
	})
}

// normalHost returns the form in which names are compared: in lower case, without
// the final dot of a fully qualified name.
func normalHost(host string) string {
	return strings.ToLower(strings.TrimSuffix(host, "."))
}
