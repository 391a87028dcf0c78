package defaultroute

import (
	"crypto/tls"
	"net/http"
	"reflect"
	"slices"
	"unsafe"
)

// settings is a copy of a transport's exported fields and of those of its TLS
// configuration, without TLSNextProto, which has no effect after the first request.
// They are compared for each request. Comparing memory takes 0.1 µs. Functions and
// maps are equal only if they are identical.
type settings struct {
	transport http.Transport
	tls       tls.Config
}

var (
	transportLayout = layoutOf(reflect.TypeFor[http.Transport](), "TLSNextProto", "TLSClientConfig")
	tlsLayout       = layoutOf(reflect.TypeFor[tls.Config]())
	noTLS           tls.Config
)

func tlsOf(t *http.Transport) *tls.Config {
	if t.TLSClientConfig == nil {
		return &noTLS
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

// update copies to t, a transport in use, the fields of from that differ from s. It
// leaves the others, as net/http may have set them.
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

// layout has the places of a struct's exported fields in memory.
type layout struct {
	fields []field
	ranges []memoryRange // each of adjacent fields
}

type field struct {
	index int
	memoryRange
}

type memoryRange struct{ offset, size uintptr }

func layoutOf(t reflect.Type, without ...string) (l layout) {
	end := uintptr(0)
	for i := range t.NumField() {
		f := t.Field(i)
		if !f.IsExported() || slices.Contains(without, f.Name) {
			continue
		}
		s := memoryRange{f.Offset, f.Type.Size()}
		l.fields = append(l.fields, field{i, s})
		if n := len(l.ranges); n > 0 && end == f.Offset { // no padding between them
			l.ranges[n-1].size += s.size
		} else {
			l.ranges = append(l.ranges, s)
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
	for _, s := range l.ranges {
		if !s.equal(a, b) {
			return false
		}
	}
	return true
}

func (s memoryRange) equal(a, b unsafe.Pointer) bool {
	return unsafe.String((*byte)(unsafe.Add(a, s.offset)), s.size) == unsafe.String((*byte)(unsafe.Add(b, s.offset)), s.size)
}
