package defaultroute

import (
	"bytes"
	"crypto/tls"
	"net/http"
	"reflect"
	"testing"
)

// Every exported field is compared, those of later Go releases included.
func TestSettingsCompareEachField(t *testing.T) {
	left := map[string]bool{"TLSNextProto": true, "TLSClientConfig": true}
	transport := reflect.TypeFor[http.Transport]()
	for i := range transport.NumField() {
		f := transport.Field(i)
		if !f.IsExported() || left[f.Name] {
			continue
		}
		changed := &http.Transport{TLSClientConfig: new(tls.Config)}
		s := settingsOf(changed)
		if !s.equal(changed) {
			t.Fatal("a transport differs from its own settings")
		}
		setAny(t, f.Name, reflect.ValueOf(changed).Elem().Field(i))
		if s.equal(changed) {
			t.Errorf("Transport.%s changed: got equal settings, want different ones", f.Name)
		}
		clone := changed.Clone()
		s.update(clone, changed)
		if got, want := reflect.ValueOf(clone).Elem().Field(i), reflect.ValueOf(changed).Elem().Field(i); got.IsZero() != want.IsZero() {
			t.Errorf("Transport.%s: got %v after update, want %v", f.Name, got, want)
		}
	}
	config := reflect.TypeFor[tls.Config]()
	for i := range config.NumField() {
		f := config.Field(i)
		if !f.IsExported() {
			continue
		}
		changed := &http.Transport{TLSClientConfig: new(tls.Config)}
		s := settingsOf(changed)
		setAny(t, f.Name, reflect.ValueOf(changed.TLSClientConfig).Elem().Field(i))
		if s.equal(changed) {
			t.Errorf("tls.Config.%s changed: got equal settings, want different ones", f.Name)
		}
	}
}

// setAny sets a field to any value but zero.
func setAny(t *testing.T, name string, v reflect.Value) {
	t.Helper()
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(1)
	case reflect.Uint16:
		v.SetUint(1)
	case reflect.Func:
		v.Set(reflect.MakeFunc(v.Type(), func([]reflect.Value) []reflect.Value { return nil }))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
	case reflect.Array:
		setAny(t, name, v.Index(0))
	case reflect.Uint8:
		v.SetUint(1)
	case reflect.String:
		v.SetString("x")
	case reflect.Interface:
		for _, value := range []any{new(bytes.Buffer), tls.NewLRUClientSessionCache(1)} {
			if reflect.TypeOf(value).Implements(v.Type()) {
				v.Set(reflect.ValueOf(value))
				return
			}
		}
		t.Fatalf("%s: want a value for an interface of type %v", name, v.Type())
	default:
		t.Fatalf("%s: want a value of kind %v", name, v.Kind())
	}
}

func BenchmarkSettingsEqual(b *testing.B) {
	t := http.DefaultTransport.(*http.Transport).Clone()
	s := settingsOf(t)
	for b.Loop() {
		if !s.equal(t) {
			b.Fatal("not equal")
		}
	}
}
