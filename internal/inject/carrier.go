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
// first value is set, so the caller's header never changes, and without a value
// nothing is copied.
type Carrier struct {
	original      http.Header
	copied        http.Header
	values        *[3]string // storage for values that identify the span; nil: allocated with the first
	used          int        // number of values in use
	written       []string   // keys that were set
	writtenMemory [3]string  // storage for written
	nonCanonical  bool       // the caller's header has keys that are not in canonical form
}

// Reset prepares the carrier for a caller's header. Injected values that identify
// the span are stored in values, so that their addresses identify them later. If
// values is nil, they are allocated.
func (h *Carrier) Reset(header http.Header, values *[3]string) {
	*h = Carrier{original: header, values: values}
	h.written = h.writtenMemory[:0]
}

// IdentifiesSpan reports whether values that identify the span were written.
func (h *Carrier) IdentifiesSpan() bool { return h.used > 0 }

// Header returns the changed copy of the header, or nil if nothing was changed.
func (h *Carrier) Header() http.Header { return h.copied }

// currentHeader returns the copy, if there is one, or else the original.
func (h *Carrier) currentHeader() http.Header {
	if h.copied != nil {
		return h.copied
	}
	return h.original
}

// Get returns the first value of a key, for [go.opentelemetry.io/otel/propagation.TextMapCarrier].
func (h *Carrier) Get(key string) string { return h.currentHeader().Get(key) }

// Values returns all values of a key, for [go.opentelemetry.io/otel/propagation.ValuesGetter].
func (h *Carrier) Values(key string) []string { return h.currentHeader().Values(key) }

// Keys returns the keys, for [go.opentelemetry.io/otel/propagation.TextMapCarrier].
func (h *Carrier) Keys() []string { return slices.Collect(maps.Keys(h.currentHeader())) }

// Set sets a value in the copy of the header, for [go.opentelemetry.io/otel/propagation.TextMapCarrier].
func (h *Carrier) Set(key, value string) {
	if h.original == nil {
		return // net/http rejects a request without a header
	}
	if h.copied == nil {
		h.copyHeader()
	}
	key = canonicalKey(key)
	if len(h.written) > 0 && h.rewrite(key, value) {
		return
	}
	if h.nonCanonical {
		h.deleteFolded(key)
	}
	h.copied[key] = h.newValue(key, value)
	h.written = append(h.written, key)
}

// rewrite replaces a value that was set before, and reports whether there was one.
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

func (h *Carrier) copyHeader() {
	h.copied = maps.Clone(h.original)
	for k, vv := range h.copied {
		if cap(vv) > len(vv) {
			// Appending to the copy must not write into the caller's array.
			h.copied[k] = slices.Clip(vv)
		}
		h.nonCanonical = h.nonCanonical || !IsCanonical(k)
	}
}

// deleteFolded deletes keys that differ from key only in case.
func (h *Carrier) deleteFolded(key string) {
	maps.DeleteFunc(h.copied, func(k string, _ []string) bool { return k != key && strings.EqualFold(k, key) })
}

// removeStale deletes those fields of the propagator that it did not write: a
// reverse proxy forwards the fields of its incoming request, and a tracestate must
// not be sent with a traceparent that it does not belong to. Without a span context
// to propagate, the caller's fields are kept.
func (h *Carrier) removeStale(ctx context.Context, fields []string) {
	if len(h.original) == 0 || !h.wroteMoreThanBaggage() && !trace.SpanContextFromContext(ctx).IsValid() {
		return
	}
	h.removeFields(fields)
}

// removeFields deletes the fields that were not written, in any case.
func (h *Carrier) removeFields(fields []string) {
	for _, field := range fields {
		if slices.Contains(h.written, field) || !h.hasField(field) {
			continue
		}
		if h.copied == nil {
			h.copyHeader()
		}
		delete(h.copied, field)
		h.deleteFolded(field)
	}
}

func (h *Carrier) wroteMoreThanBaggage() bool {
	return slices.ContainsFunc(h.written, func(key string) bool { return key != baggageHeader })
}

// hasField reports whether the header has the field, in any case.
func (h *Carrier) hasField(field string) bool {
	if _, ok := h.currentHeader()[field]; ok || h.copied != nil && !h.nonCanonical {
		return ok
	}
	for k := range h.currentHeader() {
		if strings.EqualFold(k, field) {
			return true
		}
	}
	return false
}

// canonicalKey is textproto.CanonicalMIMEHeaderKey, without its allocation for the
// names of W3C trace context and baggage.
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
