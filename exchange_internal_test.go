package otelhttpclient

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unsafe"

	"github.com/otelhttpclient/otelhttpclient/internal/nested"
	"github.com/otelhttpclient/otelhttpclient/internal/redact"
)

// TestSizeOfExchange checks that an exchange does not grow into a larger size
// class of the allocator. It is nearly half of what an open response holds.
func TestSizeOfExchange(t *testing.T) {
	if strconv.IntSize != 64 {
		t.Skip("sizes of 64-bit platforms")
	}
	const header = 8 // of allocations over 512 bytes with pointers
	if got, want := unsafe.Sizeof(exchange{})+header, uintptr(896); got > want {
		t.Errorf("exchange: %d bytes, want at most %d", got, want)
	}
	if got, want := unsafe.Sizeof(nested.Context{}), uintptr(448); got > want {
		t.Errorf("nested.Context: %d bytes, want at most %d", got, want)
	}
}

// TestSizeOfDropped checks that the caller's response and the context of a request
// that the sampler dropped are in one allocation of this size class.
func TestSizeOfDropped(t *testing.T) {
	if strconv.IntSize != 64 {
		t.Skip("sizes of 64-bit platforms")
	}
	const header = 8
	if got, want := unsafe.Sizeof(dropped{})+header, uintptr(704); got > want {
		t.Errorf("dropped: %d bytes, want at most %d", got, want)
	}
}

func TestCapturedHeadersAreBounded(t *testing.T) {
	redaction := redact.New(redact.Config{})
	capture := (*headerCapture)(nil).add("http.response.header.", "test", []string{"*"})
	header := http.Header{"X-Long": {strings.Repeat("x", 1<<20)}, "X-Many": make([]string, 1000)}
	for i := range 1000 {
		header[strings.Repeat("X", 300)+strconv.Itoa(i)] = []string{"1"}
		header["X-"+strconv.Itoa(i)] = []string{"1"}
	}
	attributes := capture.attributes(nil, header, redaction, nil)
	if len(attributes) > mostHeaders {
		t.Errorf("captured headers: got %d, want at most %d", len(attributes), mostHeaders)
	}
	for i := range 200 {
		header["X-Link-"+strconv.Itoa(i)] = slices.Repeat([]string{strings.Repeat("https://h.example/a ", 200)}, 8)
	}
	recorded := 0
	for _, a := range capture.attributes(nil, header, redaction, nil) {
		for _, v := range a.Value.AsStringSlice() {
			recorded += len(v)
		}
	}
	if recorded > mostHeaderBytes {
		t.Errorf("captured headers: got %d bytes, want at most %d", recorded, mostHeaderBytes)
	}
	for _, header := range []http.Header{{"X-Long": header["X-Long"]}, {"X-Many": header["X-Many"]}, {strings.Repeat("X", 300): {"1"}}} {
		for _, a := range capture.attributes(nil, header, redaction, nil) {
			values := a.Value.AsStringSlice()
			if len(a.Key) > 300 || len(values) > 32 || len(values[0]) > 4<<10 {
				t.Errorf("%.20s: got %d values, the first of %d bytes, want bounds", a.Key, len(values), len(values[0]))
			}
		}
	}
}

func BenchmarkCapturedHeaders(b *testing.B) {
	redaction := redact.New(redact.Config{})
	h := http.Header{"Content-Type": {"application/json"}, "X-Request-Id": {"1"}, "Set-Cookie": {"a=b"}, "Location": {"https://example.com/?sig=abc"}}
	capture := (*headerCapture)(nil).add("http.response.header.", "benchmark", []string{"content-type", "x-*", "set-cookie", "location"})
	b.ReportAllocs()
	for b.Loop() {
		_ = capture.attributes(nil, h, redaction, nil)
	}
}
