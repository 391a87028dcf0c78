package inject

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"unicode/utf8"

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
	suffix := normalHost(name)
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
	host := normalHost(req.URL.Hostname())
	if _, ok := t.exact[host]; ok {
		return true
	}
	return slices.ContainsFunc(t.suffixes, func(s string) bool {
		return len(host) > len(s) && strings.HasSuffix(host, s)
	})
}

// normalHost returns the form in which names are compared: in lower case, without
// the final dot of a fully qualified name, internationalized names in ASCII, and
// IPv6 addresses in their shortest form without a zone.
func normalHost(host string) string {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	switch {
	case strings.IndexByte(host, ':') >= 0:
		if a, err := netip.ParseAddr(host); err == nil {
			return a.WithZone("").String()
		}
	case !isASCII(host):
		if ascii, _ := hostport.Split(host, ""); ascii != "" {
			return ascii
		}
	}
	return host
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
