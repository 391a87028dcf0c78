package foreign

import (
	"reflect"
	"testing"
	"unsafe"

	"go.opentelemetry.io/otel/attribute"
)

func TestTextAndURL(t *testing.T) {
	for _, row := range []struct{ in, text, url string }{
		{"", "", ""},
		{"plain", "plain", "plain"},
		{"M\u00fcnchen \u4e16 \U0001F600 \uFFFD", "M\u00fcnchen \u4e16 \U0001F600 \uFFFD", "M\u00fcnchen \u4e16 \U0001F600 \uFFFD"},
		{"M\xfcnchen", "M\uFFFDnchen", "M%FCnchen"},
		{"\xff\xfe", "\uFFFD", "%FF%FE"},
		{"\xe4\xb8", "\uFFFD", "%E4%B8"},                              // cut within a rune
		{"a\xed\xa0\x80b", "a\uFFFDb", "a%ED%A0%80b"},                 // a surrogate
		{"\xc0\xaf", "\uFFFD", "%C0%AF"},                              // an overlong slash
		{"\xf4\x90\x80\x80", "\uFFFD", "%F4%90%80%80"},                // beyond the last rune
		{"\u00fc\xfc\u00fc", "\u00fc\uFFFD\u00fc", "\u00fc%FC\u00fc"}, // what is valid stays
	} {
		if got := Text(row.in); got != row.text {
			t.Errorf("Text(%q): got %q, want %q", row.in, got, row.text)
		}
		if got := URL(row.in); got != row.url {
			t.Errorf("URL(%q): got %q, want %q", row.in, got, row.url)
		}
	}
}

func TestValidStringsCostNothing(t *testing.T) {
	a := []attribute.KeyValue{attribute.String("key", "M\u00fcnchen"), attribute.Int("n", 1), attribute.Bool("b", true)}
	if got := testing.AllocsPerRun(100, func() { _, _ = Text("M\u00fcnchen"), URL("M\u00fcnchen"); Attributes(a) }); got != 0 {
		t.Errorf("allocations: got %v, want none", got)
	}
}

func TestAttributesOfEveryType(t *testing.T) {
	a := []attribute.KeyValue{
		attribute.String("\xffkey", "\xff"),
		attribute.StringSlice("slice", []string{"a\xff", "b"}),
		{Key: "values", Value: attribute.SliceValue(attribute.StringValue("\xff"), attribute.IntValue(1))},
		{Key: "map", Value: attribute.MapValue(attribute.String("\xff", "\xff"))},
		{Key: "bytes", Value: attribute.ByteSliceValue([]byte("\xff"))}, // not a string
		attribute.Int("int", 1), attribute.Float64Slice("floats", []float64{1}),
	}
	want := []attribute.KeyValue{
		attribute.String("\uFFFDkey", "\uFFFD"),
		attribute.StringSlice("slice", []string{"a\uFFFD", "b"}),
		{Key: "values", Value: attribute.SliceValue(attribute.StringValue("\uFFFD"), attribute.IntValue(1))},
		{Key: "map", Value: attribute.MapValue(attribute.String("\uFFFD", "\uFFFD"))},
		{Key: "bytes", Value: attribute.ByteSliceValue([]byte("\xff"))},
		attribute.Int("int", 1), attribute.Float64Slice("floats", []float64{1}),
	}
	if Attributes(a); !reflect.DeepEqual(a, want) {
		t.Errorf("attributes:\n got %v\nwant %v", a, want)
	}
}

func TestCloneCopies(t *testing.T) {
	key, text := "key", "value"
	a := []attribute.KeyValue{attribute.String(key, text), attribute.StringSlice("s", []string{text})}
	Clone(a)
	for _, got := range []struct{ copied, of string }{
		{string(a[0].Key), key}, {a[0].Value.AsString(), text}, {a[1].Value.AsStringSlice()[0], text},
	} {
		if got.copied != got.of || unsafe.StringData(got.copied) == unsafe.StringData(got.of) {
			t.Errorf("got %q at the address of the original, want a copy of %q", got.copied, got.of)
		}
	}
}
