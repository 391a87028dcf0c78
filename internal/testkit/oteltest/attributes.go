package oteltest

import (
	"fmt"
	"slices"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

// The checks in this file report a failure without ending the test.

// Attributes returns attributes by key.
func Attributes(kv []attribute.KeyValue) map[attribute.Key]attribute.Value {
	m := make(map[attribute.Key]attribute.Value, len(kv))
	for _, a := range kv {
		m[a.Key] = a.Value
	}
	return m
}

// WantAttribute checks one attribute. A nil want means that it is absent.
func WantAttribute(t testing.TB, in []attribute.KeyValue, key attribute.Key, want any) {
	t.Helper()
	v, ok := Attributes(in)[key]
	switch {
	case want == nil && ok:
		t.Errorf("%s = %v, want it absent", key, v.AsInterface())
	case want != nil && !ok:
		t.Errorf("%s is absent, want %v", key, want)
	case want != nil && fmt.Sprint(v.AsInterface()) != fmt.Sprint(want):
		t.Errorf("%s = %v, want %v", key, v.AsInterface(), want)
	}
}

// WantKeys checks that attributes have these keys and no others.
func WantKeys(t testing.TB, what string, in []attribute.KeyValue, want ...string) {
	t.Helper()
	var got []string
	for _, kv := range in {
		got = append(got, string(kv.Key))
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("attributes of %s:\n got %q\nwant %q", what, got, want)
	}
}

// WantStatus checks the code of a span's status.
func WantStatus(t testing.TB, s tracetest.SpanStub, code codes.Code) {
	t.Helper()
	if s.Status.Code != code {
		t.Errorf("span status = %v %q, want %v", s.Status.Code, s.Status.Description, code)
	}
}
