// Package foreign is for strings that others write: servers, callers and their
// callbacks.
//
// Whatever is recorded of them must be valid UTF-8. Protocol buffers reject any
// other string, and with it the whole batch of an exporter, the spans of other
// libraries included. And whatever outlives its request must be a copy: a piece
// of a string keeps the whole of it, and a host is a piece of its URL.
package foreign

import (
	"strings"
	"unicode/utf8"

	"go.opentelemetry.io/otel/attribute"
)

// Text returns s with U+FFFD for each run of bytes that are not UTF-8. A valid s
// is returned as it is.
func Text(s string) string {
	if utf8.ValidString(s) { // faster than the search in ToValidUTF8
		return s
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// Copy returns a copy of s as Text returns it.
func Copy(s string) string { return strings.Clone(Text(s)) }

// URL returns s with the bytes that are not UTF-8 percent-encoded. A valid s is
// returned as it is.
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

// CloneFrom returns a copy of s: the piece of text that begins at an index, if it
// is the same. This saves an allocation where text is kept anyway.
func CloneFrom(text string, at int, s string) string {
	if end := at + len(s); end <= len(text) && text[at:end] == s {
		return text[at:end]
	}
	return strings.Clone(s)
}

// Attributes makes the keys and values of a valid as Text does, in place.
func Attributes(a []attribute.KeyValue) { each(a, Text) }

// Clone copies the strings of a, in place.
func Clone(a []attribute.KeyValue) { each(a, strings.Clone) }

func each(a []attribute.KeyValue, f func(string) string) {
	for i := range a {
		a[i].Key = attribute.Key(f(string(a[i].Key)))
		a[i].Value = value(a[i].Value, f)
	}
}

func value(v attribute.Value, f func(string) string) attribute.Value {
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
			list[i] = value(e, f)
		}
		return attribute.SliceValue(list...)
	case attribute.MAP:
		entries := v.AsMap()
		each(entries, f)
		return attribute.MapValue(entries...)
	}
	return v
}
