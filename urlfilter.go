package otelhttpclient

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/otelhttpclient/otelhttpclient/internal/hostport"
	"github.com/otelhttpclient/otelhttpclient/internal/redact"
)

// A URLFilter changes the URL that is recorded, never the URL that is requested.
// It gets a copy, which it may change and return. If it returns nil, url.full is
// not recorded. Placeholders such as {sku} in its path and host are recorded as
// they are. It may be called concurrently. If it panics, only the URL's scheme and
// host are recorded.
//
// If a filter changes the host, server.address and server.port are those of its
// result, on spans and metrics.
type URLFilter func(*url.URL) *url.URL

// WithURLFilter adds a filter. Filters run in the order given, each on the
// result of the previous one. Nil is ignored. Redaction runs after all filters.
//
// Filters get the URL that is sent: if [url.URL.Opaque] holds path and query,
// as some request signers set it, they are separated first.
//
// Filters apply to every URL that is recorded: url.full, captured headers such
// as Location and Referer, and URLs in the texts of errors.
func WithURLFilter(filter URLFilter) Option {
	return optionFunc(func(c *config) {
		if filter != nil {
			c.urlFilters = append(c.urlFilters, filter)
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

// RedactQuery returns a [URLFilter] that replaces the values of query
// parameters with these names by REDACTED, in addition to those that are always
// redacted (see [WithSensitiveQuery]). Names are compared regardless of case
// and percent-encoding. Everything else is unchanged.
func RedactQuery(names ...string) URLFilter {
	redactQuery := redact.Query(names...)
	return func(u *url.URL) *url.URL {
		if u == nil {
			return nil
		}
		redacted := *u
		redacted.RawQuery = redactQuery(u.RawQuery)
		return &redacted
	}
}

// KeepQuery returns a [URLFilter] that removes all query parameters except those
// with these names. Names are compared after decoding and are case-sensitive.
// The kept parameters are still redacted (see [WithSensitiveQuery]).
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
			// A semicolon is a separator for some servers: another
			// parameter may follow it.
			name, err := url.PathUnescape(key)
			if err != nil {
				name = key
			}
			if _, ok := keep[name]; ok && !strings.Contains(pair, ";") {
				kept = append(kept, pair)
			}
		}
		filtered := *u
		filtered.RawQuery = strings.Join(kept, "&")
		filtered.ForceQuery = false
		return &filtered
	}
}

// RedactPath returns a [URLFilter] that replaces the parts of paths that the
// wildcards of the patterns match by REDACTED. The patterns are those of
// [http.ServeMux] without a method: "hooks.example.com/in/{secret}" and
// "/reset/{token...}". Every pattern that matches applies. Hosts are compared
// without the port, and repeated slashes count as one. The error for a malformed
// pattern contains the pattern.
//
// The webhooks of Slack, Discord and Teams and the bots of Telegram need no
// pattern: they are redacted by default.
func RedactPath(patterns ...string) (URLFilter, error) {
	filter, err := redact.Paths(patterns...)
	if err != nil {
		return nil, fmt.Errorf("otelhttpclient: RedactPath: %w", err)
	}
	return filter, nil
}

// WithSensitiveQuery replaces the list of names whose values are recorded as
// REDACTED, in URLs and in texts. An empty list changes nothing.
//
// Names are decoded and compared regardless of case, "-", "_" and "."; the name
// of user[password] is password. "*suffix" matches every name with that suffix,
// except names of paging tokens. The value of "name?" is hidden unless it is
// evidently not a secret. Empty values and booleans are never hidden. To extend
// the default list, append to [DefaultSensitiveQuery].
func WithSensitiveQuery(names ...string) Option {
	return optionFunc(func(c *config) {
		if len(names) > 0 {
			c.sensitive.Query = names
		}
	})
}

// DefaultSensitiveQuery returns the default list of [WithSensitiveQuery]: the
// names of the conventions, and well-known names of credentials.
func DefaultSensitiveQuery() []string { return redact.DefaultQuery() }

// WithoutRedaction disables redaction, except of user names and passwords in
// URLs. URLs, error texts and captured headers are then recorded with their
// credentials. URL filters still run.
func WithoutRedaction() Option {
	return optionFunc(func(c *config) { c.sensitive.Off = true })
}

// recordedURL returns the request's URL to record, and the host and port to record.
func (c *config) recordedURL(req *http.Request) (full, host string) {
	host = hostport.OfRequest(req)
	if req.URL == nil {
		return "", host
	}
	if len(c.urlFilters) == 0 {
		return c.redaction.URL(req.URL), host
	}
	filtered := c.filterURL(req.URL)
	if filtered == nil {
		return "", host
	}
	if filtered.Host != req.URL.Host {
		host = filtered.Host
	}
	return c.redaction.Filtered(filtered, req.URL), host
}

// filterURL runs the URL filters on a copy of u.
func (c *config) filterURL(u *url.URL) *url.URL {
	copied := *u
	result := &copied
	for _, filter := range c.urlFilters {
		in := result
		if !c.filterGuard.Call("URL filter", func() { result = filter(in) }) {
			return originOf(u)
		}
		if result == nil {
			return nil
		}
	}
	return result
}

// originOf keeps only scheme and host. It replaces URL filters that panicked, also in
// the report of the panic, which may quote the URL.
func originOf(u *url.URL) *url.URL { return &url.URL{Scheme: u.Scheme, Host: u.Host} }
