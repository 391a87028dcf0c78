package inject

import (
	"net/http"
	"slices"
	"strings"

	"github.com/otelhttpclient/otelhttpclient/internal/hostport"
)

// Targets are the hosts that context is propagated to. A nil *Targets includes every
// host; the zero Targets includes none.
type Targets struct {
	exact    map[string]struct{}
	suffixes []string // with a leading dot
}

// Add adds an exact name, or *.example.com for every name below example.com. It
// reports whether the host is valid.
func (t *Targets) Add(host string) bool {
	name, wild := strings.CutPrefix(strings.Trim(host, "[]"), "*.")
	suffix := hostport.Normalize(name)
	if suffix == "" || strings.ContainsAny(suffix, "/@*?# \t") || (strings.Contains(suffix, ":") && strings.Count(suffix, ":") < 2) {
		return false
	}
	if wild {
		t.suffixes = append(t.suffixes, "."+suffix)
	} else {
		if t.exact == nil {
			t.exact = map[string]struct{}{}
		}
		t.exact[suffix] = struct{}{}
	}
	return true
}

// Include reports whether the request goes to a target.
func (t *Targets) Include(req *http.Request) bool {
	if t == nil {
		return true
	}
	if req.URL == nil {
		return false
	}
	host := hostport.Normalize(req.URL.Hostname())
	if _, ok := t.exact[host]; ok {
		return true
	}
	return slices.ContainsFunc(t.suffixes, func(s string) bool {
		return len(host) > len(s) && strings.HasSuffix(host, s)
	})
}
