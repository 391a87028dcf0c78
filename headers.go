package otelhttpclient

import (
	"maps"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"

	"go.opentelemetry.io/otel/attribute"

	"github.com/otelhttpclient/otelhttpclient/internal/bounded"
	"github.com/otelhttpclient/otelhttpclient/internal/foreign"
	"github.com/otelhttpclient/otelhttpclient/internal/inject"
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
		c.requestHeaders = c.requestHeaders.add(requestHeaderPrefix, "WithRequestHeaders", patterns)
	})
}

// WithResponseHeaders records response headers as http.response.header.<name>,
// as [WithRequestHeaders] does for request headers.
func WithResponseHeaders(patterns ...string) Option {
	return optionFunc(func(c *config) {
		c.responseHeaders = c.responseHeaders.add("http.response.header.", "WithResponseHeaders", patterns)
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

// headerCapture determines which headers are recorded. A nil *headerCapture
// records none.
type headerCapture struct {
	prefix      string
	request     bool // not a response
	patterns    []string
	expressions []*regexp.Regexp
	keys        bounded.Cache[string, capturedName] // by the name as it is written
}

// capturedName is what is known about a header's name.
type capturedName struct {
	key       attribute.Key // "" if it is not recorded
	userAgent bool          // of a request
	odd       bool          // not in canonical form: the map may have it twice
}

func (h *headerCapture) add(prefix, option string, patterns []string) *headerCapture {
	if h == nil {
		h = newHeaderCapture(prefix)
	}
	h.patterns = append(h.patterns, validPatterns(option, patterns)...)
	return h
}

func (h *headerCapture) addExpressions(prefix string, list []*regexp.Regexp) *headerCapture {
	if h == nil {
		h = newHeaderCapture(prefix)
	}
	h.expressions = append(h.expressions, list...)
	return h
}

func newHeaderCapture(prefix string) *headerCapture {
	return &headerCapture{prefix: prefix, request: prefix == requestHeaderPrefix}
}

const requestHeaderPrefix = "http.request.header."

// name returns what is known about a name.
func (h *headerCapture) name(name string) capturedName {
	n, known := h.keys.Get(name)
	if known {
		return n
	}
	lower := strings.ToLower(name)
	if !(h.request && slices.Contains(neverSent, name)) && h.match(lower) {
		n.key = attribute.Key(h.prefix + foreign.Text(lower))
	}
	n.userAgent = h.request && name == "User-Agent"
	n.odd = !inject.IsCanonical(name)
	h.keys.Put(strings.Clone(name), n)
	return n
}

func (h *headerCapture) match(lower string) bool {
	return slices.ContainsFunc(h.patterns, func(pattern string) bool {
		ok, _ := path.Match(pattern, lower)
		return ok
	}) || slices.ContainsFunc(h.expressions, func(e *regexp.Regexp) bool { return e.MatchString(lower) })
}

// neverSent are the names in a request's header that net/http leaves out. It
// compares them as they are written.
var neverSent = []string{"Host", "Content-Length", "Transfer-Encoding", "Trailer"}

// A server chooses how many headers it sends.
const (
	longestHeaderName = 256
	mostHeaders       = 48
	mostHeaderBytes   = 128 << 10 // of values: redacting them takes time
)

// attributes appends the attributes of the headers. request is the URL that was
// requested.
func (h *headerCapture) attributes(a []attribute.KeyValue, header http.Header, redaction *redact.Policy, request *url.URL) []attribute.KeyValue {
	if h == nil {
		return a
	}
	return h.append(a, header, false, redaction, request)
}

// append appends the attributes of headers in which no name has two spellings if
// they are merged.
func (h *headerCapture) append(a []attribute.KeyValue, header http.Header, merged bool, redaction *redact.Policy, request *url.URL) []attribute.KeyValue {
	start, recorded, left := len(a), 0, mostHeaderBytes
	for name, values := range header {
		if len(name) > longestHeaderName || recorded == mostHeaders {
			continue
		}
		n := h.name(name)
		if n.key == "" {
			continue
		}
		if n.odd && !merged {
			return h.append(a[:start], h.merged(header), true, redaction, request)
		}
		values = n.written(values)
		size := redact.Searched(values)
		if len(values) == 0 || size > left {
			continue
		}
		left -= size
		recorded++
		a = append(a, n.key.StringSlice(redaction.Header(name, values, request)))
	}
	return a
}

// written returns the values that are sent.
func (n capturedName) written(values []string) []string {
	if n.userAgent && len(values) > 0 {
		if values[0] == "" {
			return nil
		}
		return values[:1]
	}
	return values
}

// merged returns the headers that are recorded, with the values of all spellings of
// a name.
func (h *headerCapture) merged(header http.Header) http.Header {
	m := http.Header{}
	for _, name := range slices.Sorted(maps.Keys(header)) {
		if len(name) > longestHeaderName {
			continue
		}
		if n := h.name(name); n.key != "" {
			lower := strings.ToLower(name)
			m[lower] = append(m[lower], n.written(header[name])...)
		}
	}
	return m
}
