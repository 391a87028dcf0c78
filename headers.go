package otelhttpclient

import (
	"path"
	"strings"

	"github.com/otelhttpclient/otelhttpclient/internal/capture"
	"github.com/otelhttpclient/otelhttpclient/internal/redact"
)

// WithRequestHeaders records the request headers whose names match a pattern,
// as attributes http.request.header.<name> with the name in lower case and all
// values as an array of strings. A pattern is a name, or a pattern of
// [path.Match] such as "x-*". Names are case-insensitive. By default, no header
// is recorded. Repeated options accumulate. A malformed pattern is reported to
// [otel.Handle] and ignored.
//
// The headers are those that are sent, including those of hooks and of the
// propagator, but not those that net/http adds. net/http does not send Host,
// Content-Length, Transfer-Encoding, Trailer and a second User-Agent of the
// header map. Names that differ only in case are one header. Credentials are
// redacted (see [WithSensitiveHeaders]). URLs in values pass through the URL
// filters.
//
// At most 48 headers of a message are recorded, because the SDK keeps 128
// attributes of a span. Names of more than 256 bytes are not recorded. At most
// 32 values of a header are recorded, each cut to 4 KiB, and 128 KiB of a
// message.
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
// The patterns are those of [WithRequestHeaders], compared with the name in
// lower case, and with the name without punctuation. "!pattern" excludes
// headers; the last pattern that matches decides. To extend the default list,
// append to [DefaultSensitiveHeaders].
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
