package defaultroute

import (
	"maps"
	"net/http"
	"reflect"
	"sync"
	"sync/atomic"
)

// net/http has no API to read the protocols that RegisterProtocol has registered. They
// are in the transport's unexported field altProto, an atomic.Value with a
// map[string]http.RoundTripper. altMu protects changes of it.

// unexportedField returns a pointer to a field of a transport, or nil if the transport
// has no such field of this type.
func unexportedField[T any](t *http.Transport, name string) *T {
	field := reflect.ValueOf(t).Elem().FieldByName(name)
	if !field.IsValid() || field.Type() != reflect.TypeFor[T]() {
		return nil
	}
	return (*T)(field.Addr().UnsafePointer())
}

// registeredProtocols returns the RoundTrippers registered on a transport, by
// scheme. The map must not be changed. It is empty if net/http's field is not as
// expected.
func registeredProtocols(t *http.Transport) map[string]http.RoundTripper {
	if v := unexportedField[atomic.Value](t, "altProto"); v != nil {
		m, _ := v.Load().(map[string]http.RoundTripper)
		return m
	}
	return nil
}

// replaceProtocol registers another RoundTripper for a registered scheme. It does
// nothing if net/http's fields are not as expected.
func replaceProtocol(t *http.Transport, scheme string, rt http.RoundTripper) {
	mu, v := unexportedField[sync.Mutex](t, "altMu"), unexportedField[atomic.Value](t, "altProto")
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
