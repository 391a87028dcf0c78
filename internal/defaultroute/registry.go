package defaultroute

import (
	"maps"
	"net/http"
	"reflect"
	"sync"
	"sync/atomic"
)

// net/http has no API for the protocols that are registered on a transport with
// RegisterProtocol. They are in its unexported field altProto, an atomic.Value
// with a map[string]http.RoundTripper, and altMu guards changes of it.

// unexported returns a pointer to a field of a transport, or nil where there is
// no such field of this type.
func unexported[T any](t *http.Transport, name string) *T {
	field := reflect.ValueOf(t).Elem().FieldByName(name)
	if !field.IsValid() || field.Type() != reflect.TypeFor[T]() {
		return nil
	}
	return (*T)(field.Addr().UnsafePointer())
}

// registeredProtocols returns the RoundTrippers registered on a transport, by
// scheme. The map must not be changed. It is empty where net/http's field is not
// as expected.
func registeredProtocols(t *http.Transport) map[string]http.RoundTripper {
	if v := unexported[atomic.Value](t, "altProto"); v != nil {
		m, _ := v.Load().(map[string]http.RoundTripper)
		return m
	}
	return nil
}

// replaceProtocol registers another RoundTripper for a registered scheme. It does
// nothing where net/http's fields are not as expected.
func replaceProtocol(t *http.Transport, scheme string, rt http.RoundTripper) {
	mu, v := unexported[sync.Mutex](t, "altMu"), unexported[atomic.Value](t, "altProto")
	if mu == nil || v == nil {
		return
	}
	mu.Lock()
	defer mu.Unlock()
	m, ok := v.Load().(map[string]http.RoundTripper)
	if !ok || m[scheme] == nil {
		return
	}
	m = maps.Clone(m) // requests read the map without a lock
	m[scheme] = rt
	v.Store(m)
}
