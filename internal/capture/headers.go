// Package capture makes attributes of the headers that are recorded. It is given
// names to record, headers, and the redaction of their values. It does not know
// spans or options.
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

// Kind is what headers are those of: the prefix of their attributes.
type Kind string

// The kinds of headers.
const (
	Request  Kind = "http.request.header."
	Response Kind = "http.response.header."
)

// Headers determines which headers are recorded. A nil *Headers records none.
type Headers struct {
	kind        Kind
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

// With adds names to h, or to new Headers if h is nil: patterns of [path.Match] in
// lower case, and regular expressions. It returns the Headers.
func (h *Headers) With(kind Kind, patterns []string, expressions []*regexp.Regexp) *Headers {
	if h == nil {
		h = &Headers{kind: kind}
	}
	h.patterns = append(h.patterns, patterns...)
	h.expressions = append(h.expressions, expressions...)
	return h
}

// name returns what is known about a name.
func (h *Headers) name(name string) capturedName {
	n, known := h.keys.Get(name)
	if known {
		return n
	}
	lower := strings.ToLower(name)
	if !(h.kind == Request && slices.Contains(neverSent, name)) && h.match(lower) {
		n.key = attribute.Key(string(h.kind) + foreign.Text(lower))
	}
	n.userAgent = h.kind == Request && name == "User-Agent"
	n.odd = !inject.IsCanonical(name)
	h.keys.Put(strings.Clone(name), n)
	return n
}

func (h *Headers) match(lower string) bool {
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

// Append appends the attributes of the headers. request is the URL that was
// requested.
func (h *Headers) Append(a []attribute.KeyValue, header http.Header, redaction *redact.Policy, request *url.URL) []attribute.KeyValue {
	if h == nil {
		return a
	}
	return h.append(a, header, false, redaction, request)
}

// append appends the attributes of headers in which no name has two spellings if
// they are merged.
func (h *Headers) append(a []attribute.KeyValue, header http.Header, merged bool, redaction *redact.Policy, request *url.URL) []attribute.KeyValue {
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
func (h *Headers) merged(header http.Header) http.Header {
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
