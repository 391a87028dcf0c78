package defaultroute

import (
	"crypto/tls"
	"net/http"
	"reflect"
	"slices"
	"unsafe"
)

// settings is a copy of a transport's exported fields and of those of its TLS
// configuration, without TLSNextProto: it has no effect after the first request.
// Each request compares them, so it compares memory, in 0.1 µs. Functions and
// maps are equal only if they are identical.
type settings struct {
	transport http.Transport
	tls       tls.Config
}

var (
	transportLayout = layoutOf(reflect.TypeFor[http.Transport](), "TLSNextProto", "TLSClientConfig")
	tlsLayout       = layoutOf(reflect.TypeFor[tls.Config]())
	withoutTLS      tls.Config
)

func tlsOf(t *http.Transport) *tls.Config {
	if t.TLSClientConfig == nil {
		return &withoutTLS
	}
	return t.TLSClientConfig
}

func settingsOf(t *http.Transport) *settings {
	s := new(settings)
	transportLayout.copy(reflect.ValueOf(&s.transport), reflect.ValueOf(t))
	tlsLayout.copy(reflect.ValueOf(&s.tls), reflect.ValueOf(tlsOf(t)))
	return s
}

// equal reports whether t has these settings.
func (s *settings) equal(t *http.Transport) bool {
	return transportLayout.equal(unsafe.Pointer(&s.transport), unsafe.Pointer(t)) &&
		tlsLayout.equal(unsafe.Pointer(&s.tls), unsafe.Pointer(tlsOf(t)))
}

// update sets those fields of a transport in use in which from differs from s.
// The others may have been set by net/http.
func (s *settings) update(t, from *http.Transport) {
	dst, src := reflect.ValueOf(t).Elem(), reflect.ValueOf(from).Elem()
	for _, f := range transportLayout.fields {
		if !f.equal(unsafe.Pointer(&s.transport), unsafe.Pointer(from)) {
			dst.Field(f.index).Set(src.Field(f.index))
		}
	}
	if tlsLayout.equal(unsafe.Pointer(&s.tls), unsafe.Pointer(tlsOf(from))) {
		return
	}
	c := tlsOf(from).Clone()
	if c.NextProtos == nil {
		c.NextProtos = tlsOf(t).NextProtos // as set up by net/http
	}
	t.TLSClientConfig = c
}

// layout is where the exported fields of a struct are in its memory.
type layout struct {
	fields []field
	spans  []span // of adjacent fields
}

type field struct {
	index int
	span
}

type span struct{ offset, size uintptr }

func layoutOf(t reflect.Type, without ...string) (l layout) {
	end := uintptr(0)
	for i := range t.NumField() {
		f := t.Field(i)
		if !f.IsExported() || slices.Contains(without, f.Name) {
			continue
		}
		s := span{f.Offset, f.Type.Size()}
		l.fields = append(l.fields, field{i, s})
		if n := len(l.spans); n > 0 && end == f.Offset { // no padding between them
			l.spans[n-1].size += s.size
		} else {
			l.spans = append(l.spans, s)
		}
		end = s.offset + s.size
	}
	return l
}

func (l *layout) copy(dst, src reflect.Value) {
	for _, f := range l.fields {
		dst.Elem().Field(f.index).Set(src.Elem().Field(f.index))
	}
}

func (l *layout) equal(a, b unsafe.Pointer) bool {
	for _, s := range l.spans {
		if !s.equal(a, b) {
			return false
		}
	}
	return true
}

func (s span) equal(a, b unsafe.Pointer) bool {
	return unsafe.String((*byte)(unsafe.Add(a, s.offset)), s.size) == unsafe.String((*byte)(unsafe.Add(b, s.offset)), s.size)
}
