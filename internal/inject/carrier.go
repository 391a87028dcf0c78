package inject

import (
	"context"
	"maps"
	"net/http"
	"net/textproto"
	"slices"
	"strings"

	"go.opentelemetry.io/otel/trace"
)

const (
	baggageHeader    = "Baggage"
	tracestateHeader = "Tracestate"
)

// Carrier is the carrier for propagators. It copies the caller's header when the
// first value is set. So the caller's header never changes, and a propagator that
// writes nothing costs nothing.
type Carrier struct {
	original http.Header
	copied   http.Header
	values   *[3]string // memory for the values that identify the span; nil: allocated with the first
	used     int        // of values
	written  []string   // the keys that were set
	memory   [3]string  // for them
	oddKeys  bool       // the caller has keys that are not in canonical form
}

// Reset makes the carrier one for a caller's header. The values that identify the
// span are written to values, by whose address they can be recognized later; nil:
// to memory of their own.
func (h *Carrier) Reset(header http.Header, values *[3]string) {
	*h = Carrier{original: header, values: values}
	h.written = h.memory[:0]
}

// Header returns the header with what was written, or nil if nothing was.
func (h *Carrier) Header() http.Header { return h.copied }

func (h *Carrier) header() http.Header {
	if h.copied != nil {
		return h.copied
	}
	return h.original
}

func (h *Carrier) Get(key string) string { return h.header().Get(key) }

func (h *Carrier) Values(key string) []string { return h.header().Values(key) }

func (h *Carrier) Keys() []string { return slices.Collect(maps.Keys(h.header())) }

func (h *Carrier) Set(key, value string) {
	if h.original == nil {
		return // net/http rejects a request without a header
	}
	if h.copied == nil {
		h.copy()
	}
	key = canonicalKey(key)
	if len(h.written) > 0 && h.rewrite(key, value) {
		return
	}
	if h.oddKeys {
		h.deleteFolded(key)
	}
	h.copied[key] = h.newValue(key, value)
	h.written = append(h.written, key)
}

// rewrite replaces a value that was set before, in its place, if there is one.
func (h *Carrier) rewrite(key, value string) bool {
	if !slices.Contains(h.written, key) {
		return false
	}
	h.copied[key][0] = value
	return true
}

// newValue returns []string{value}. Values that identify the span are stored in
// h.values; baggage and tracestate belong to the trace and are not.
func (h *Carrier) newValue(key, value string) []string {
	n := h.used
	if key == baggageHeader || key == tracestateHeader || n == len(h.values) {
		return []string{value}
	}
	if h.values == nil {
		h.values = new([3]string)
	}
	h.used++
	h.values[n] = value
	return h.values[n : n+1 : n+1]
}

func (h *Carrier) copy() {
	h.copied = maps.Clone(h.original)
	for k, vv := range h.copied {
		if cap(vv) > len(vv) {
			// An append to the copy must not write into the caller's array.
			h.copied[k] = slices.Clip(vv)
		}
		h.oddKeys = h.oddKeys || !IsCanonical(k)
	}
}

// deleteFolded deletes the key in any other spelling of its case.
func (h *Carrier) deleteFolded(key string) {
	maps.DeleteFunc(h.copied, func(k string, _ []string) bool { return k != key && strings.EqualFold(k, key) })
}

// removeStale deletes the propagator's fields that it did not write: a reverse
// proxy forwards those of its incoming request, and a tracestate must not be
// sent with a traceparent that it does not belong to. If there is no span
// context to propagate, the caller's fields are kept.
func (h *Carrier) removeStale(ctx context.Context, fields []string) {
	if len(h.original) == 0 || !h.wroteMoreThanBaggage() && !trace.SpanContextFromContext(ctx).IsValid() {
		return
	}
	h.remove(fields)
}

// remove deletes the fields that were not written, in any spelling of their case.
func (h *Carrier) remove(fields []string) {
	for _, field := range fields {
		if slices.Contains(h.written, field) || !h.has(field) {
			continue
		}
		if h.copied == nil {
			h.copy()
		}
		delete(h.copied, field)
		h.deleteFolded(field)
	}
}

func (h *Carrier) wroteMoreThanBaggage() bool {
	return slices.ContainsFunc(h.written, func(key string) bool { return key != baggageHeader })
}

// has reports whether the header has the field in any spelling of its case.
func (h *Carrier) has(field string) bool {
	if _, ok := h.header()[field]; ok || h.copied != nil && !h.oddKeys {
		return ok
	}
	for k := range h.header() {
		if strings.EqualFold(k, field) {
			return true
		}
	}
	return false
}

// canonicalKey is textproto.CanonicalMIMEHeaderKey without its allocation for
// the names that are set with every request.
func canonicalKey(key string) string {
	switch key {
	case "traceparent":
		return "Traceparent"
	case "tracestate":
		return tracestateHeader
	case "baggage":
		return baggageHeader
	}
	return textproto.CanonicalMIMEHeaderKey(key)
}

// IsCanonical reports whether a header name has capital letters at its start and
// after dashes, and nowhere else.
func IsCanonical(key string) bool {
	upper := true
	for i := range len(key) {
		c := key[i]
		if upper && 'a' <= c && c <= 'z' || !upper && 'A' <= c && c <= 'Z' {
			return false
		}
		upper = c == '-'
	}
	return true
}
