// Package identity compares values of any type, such as providers, finds the
// packages that declare their types, and caches one value by such a key. It does
// not know what the values are.
package identity

import (
	"reflect"
	"strings"
	"sync/atomic"
)

// Same reports whether two values, such as providers, are identical. Values that
// are not comparable are not identical, except slices: they are identical if they
// share their elements, as copies of a composite propagator do.
func Same(a, b any) bool {
	t := reflect.TypeOf(a)
	switch {
	case t == nil || t != reflect.TypeOf(b):
		return false
	case t.Kind() == reflect.Slice:
		x, y := reflect.ValueOf(a), reflect.ValueOf(b)
		return x.Pointer() == y.Pointer() && x.Len() == y.Len()
	case t.Kind() != reflect.Pointer && !reflect.ValueOf(a).Comparable():
		return false
	}
	return a == b
}

// PackageOf returns the path of the package that declares v's type.
func PackageOf(v any) string {
	t := reflect.TypeOf(v)
	if t == nil {
		return ""
	}
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.PkgPath()
}

// IsOpenTelemetry reports whether OpenTelemetry itself declares v's type.
func IsOpenTelemetry(v any) bool {
	path := PackageOf(v)
	return path == "go.opentelemetry.io/otel" || strings.HasPrefix(path, "go.opentelemetry.io/otel/")
}

// Latest is a cache of one value by a key such as a provider. The zero Latest is
// empty. It is safe for concurrent use.
type Latest[V any] struct{ current atomic.Pointer[keyedValue[V]] }

type keyedValue[V any] struct {
	key     any
	pointer bool // the key is a pointer: it is compared without reflection
	value   V
}

// Get returns the value of the key, and whether it is cached.
func (l *Latest[V]) Get(key any) (v V, ok bool) {
	e := l.current.Load()
	if e == nil || !(e.pointer && e.key == key) && (e.pointer || !Same(e.key, key)) {
		return v, false
	}
	return e.value, true
}

// Put caches the value of a key, and drops the one before.
func (l *Latest[V]) Put(key any, v V) {
	t := reflect.TypeOf(key)
	l.current.Store(&keyedValue[V]{key, t != nil && t.Kind() == reflect.Pointer, v})
}
