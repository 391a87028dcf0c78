package otelhttpclient

import (
	"path"
	"strings"

	"github.com/otelhttpclient/otelhttpclient/internal/capture"
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
// propagator, but not those that net/http adds. Host, Content-Length,
// Transfer-Encoding, Trailer and a second User-Agent in the header map are not
// sent. Two spellings of one name are one header. Credentials are redacted (see
// [WithSensitiveHeaders]). URLs in values pass through the URL filters.
//
// At most 48 headers of a message are recorded, so that the SDK, which keeps 128
// attributes of a span, keeps the library's own; none with a name of more than
// 256 bytes, and of each at most 32 values, cut to 4 KiB. Headers beyond 128 KiB
// of a message are not recorded.
func WithRequestHeaders(patterns ...string) Option {
	return optionFunc(func(c *config) {
		c.requestHeaders = c.requestHeaders.Add(capture.Request, validPatterns("WithRequestHeaders", patterns), nil)
	})
}

// WithResponseHeaders records response headers as http.response.header.<name>,
// as [WithRequestHeaders] does for request headers.
func WithResponseHeaders(patterns ...string) Option {
	return optionFunc(func(c *config) {
		c.responseHeaders = c.responseHeaders.Add(capture.Response, validPatterns("WithResponseHeaders", patterns), nil)
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
