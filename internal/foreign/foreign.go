// Package foreign prepares strings from servers, callers and callbacks for
// recording. It is given strings and attributes. It does not know requests or
// spans.
//
// Recorded strings must be valid UTF-8: protocol buffers reject any other string,
// and with it the exporter's whole batch, including the spans of other libraries.
// Strings that outlive their request must be copies: a substring keeps the whole
// string in memory, and a host is a substring of its URL.
package foreign

import (
	"strings"
	"unicode/utf8"

	"go.opentelemetry.io/otel/attribute"
)

// Text returns s with U+FFFD in place of each run of invalid UTF-8. A valid s is
// returned unchanged.
func Text(s string) string {
	if utf8.ValidString(s) { // faster than the search in ToValidUTF8
		return s
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// Copy returns a copy of Text(s).
func Copy(s string) string { return strings.Clone(Text(s)) }

// URL returns s with invalid UTF-8 percent-encoded. A valid s is returned
// unchanged.
func URL(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	const hex = "0123456789ABCDEF"
	b := make([]byte, 0, len(s)+len(s)/2)
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 {
			b = append(b, '%', hex[s[i]>>4], hex[s[i]&15])
		} else {
			b = append(b, s[i:i+n]...)
		}
		i += n
	}
	return string(b)
}

// Attributes applies [Text] to the keys and values of a, in place.
func Attributes(a []attribute.KeyValue) { mapStrings(a, Text) }

// Clone copies the strings of a, in place.
func Clone(a []attribute.KeyValue) { mapStrings(a, strings.Clone) }

func mapStrings(a []attribute.KeyValue, f func(string) string) {
	for i := range a {
		a[i].Key = attribute.Key(f(string(a[i].Key)))
		a[i].Value = mapValue(a[i].Value, f)
	}
}

func mapValue(v attribute.Value, f func(string) string) attribute.Value {
	switch v.Type() {
	case attribute.STRING:
		return attribute.StringValue(f(v.AsString()))
	case attribute.STRINGSLICE:
		list := v.AsStringSlice()
		for i, s := range list {
			list[i] = f(s)
		}
		return attribute.StringSliceValue(list)
	case attribute.SLICE:
		list := v.AsSlice()
		for i, e := range list {
			list[i] = mapValue(e, f)
		}
		return attribute.SliceValue(list...)
	case attribute.MAP:
		entries := v.AsMap()
		mapStrings(entries, f)
		return attribute.MapValue(entries...)
	}
	return v
}
