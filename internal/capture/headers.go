// Package capture converts captured headers to attributes. It is given the names to
// capture, headers, and the redaction of their values. It does not know spans or
// options.
package capture

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

// Kind distinguishes request and response headers: it is the prefix of their
// attributes.
type Kind string

// The kinds of headers.
const (
	Request  Kind = "http.request.header."
	Response Kind = "http.response.header."
)

// Headers determines which headers are captured. A nil *Headers captures none.
type Headers struct {
	kind        Kind
	patterns    []string
	expressions []*regexp.Regexp
	keys        bounded.Cache[string, capturedName] // by header name, each spelling by itself
}

// capturedName describes a header name.
type capturedName struct {
	key          attribute.Key // "" if it is not captured
	userAgent    bool          // a request's User-Agent
	nonCanonical bool          // the map may have other spellings
}

// Add adds names to h, or to new Headers if h is nil, and returns the result. Names
// are patterns of [path.Match] in lower case, and regular expressions.
func (h *Headers) Add(kind Kind, patterns []string, expressions []*regexp.Regexp) *Headers {
	if h == nil {
		h = &Headers{kind: kind}
	}
	h.patterns = append(h.patterns, patterns...)
	h.expressions = append(h.expressions, expressions...)
	return h
}

// lookup returns the description of a name, from the cache if possible.
func (h *Headers) lookup(name string) capturedName {
	n, known := h.keys.Get(name)
	if known {
		return n
	}
	lower := strings.ToLower(name)
	if !(h.kind == Request && slices.Contains(neverSent, name)) && h.match(lower) {
		n.key = attribute.Key(string(h.kind) + foreign.Text(lower))
	}
	n.userAgent = h.kind == Request && name == "User-Agent"
	n.nonCanonical = !inject.IsCanonical(name)
	h.keys.Put(strings.Clone(name), n)
	return n
}

func (h *Headers) match(lower string) bool {
	return slices.ContainsFunc(h.patterns, func(pattern string) bool {
		ok, _ := path.Match(pattern, lower)
		return ok
	}) || slices.ContainsFunc(h.expressions, func(e *regexp.Regexp) bool { return e.MatchString(lower) })
}

// neverSent lists the names in a request's header map that net/http does not send.
// net/http compares them case-sensitively.
var neverSent = []string{"Host", "Content-Length", "Transfer-Encoding", "Trailer"}

// Limits: a server may send any number of headers.
const (
	maxNameLength = 256
	maxHeaders    = 48
	maxValueBytes = 128 << 10 // limits the time that redaction takes
)

// Append appends the attributes of the captured headers. request is the URL of the
// request.
func (h *Headers) Append(a []attribute.KeyValue, header http.Header, redaction *redact.Policy, request *url.URL) []attribute.KeyValue {
	if h == nil {
		return a
	}
	return h.append(a, header, false, redaction, request)
}

// append is Append. merged: the spellings of each name in header are merged.
func (h *Headers) append(a []attribute.KeyValue, header http.Header, merged bool, redaction *redact.Policy, request *url.URL) []attribute.KeyValue {
	start, recorded, left := len(a), 0, maxValueBytes
	for name, values := range header {
		if len(name) > maxNameLength || recorded == maxHeaders {
			continue
		}
		n := h.lookup(name)
		if n.key == "" {
			continue
		}
		if n.nonCanonical && !merged {
			return h.append(a[:start], h.mergeSpellings(header), true, redaction, request)
		}
		values = n.sentValues(values)
		size := redact.SearchedBytes(values)
		if len(values) == 0 || size > left {
			continue
		}
		left -= size
		recorded++
		a = append(a, n.key.StringSlice(redaction.Header(name, values, request)))
	}
	return a
}

// sentValues returns the values that net/http sends.
func (n capturedName) sentValues(values []string) []string {
	if n.userAgent && len(values) > 0 {
		if values[0] == "" {
			return nil
		}
		return values[:1]
	}
	return values
}

// mergeSpellings returns the captured headers by name in lower case, with the
// values of all spellings.
func (h *Headers) mergeSpellings(header http.Header) http.Header {
	m := http.Header{}
	for _, name := range slices.Sorted(maps.Keys(header)) {
		if len(name) > maxNameLength {
			continue
		}
		if n := h.lookup(name); n.key != "" {
			lower := strings.ToLower(name)
			m[lower] = append(m[lower], n.sentValues(header[name])...)
		}
	}
	return m
}
