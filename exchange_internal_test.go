package otelhttpclient

import (
	"strconv"
	"testing"
	"unsafe"
)

// TestSizeOfExchange checks that an exchange does not grow into a larger size
// class of the allocator, nor its body. They are over half of what an open
// response holds.
func TestSizeOfExchange(t *testing.T) {
	if strconv.IntSize != 64 {
		t.Skip("sizes of 64-bit platforms")
	}
	const header = 8 // of allocations over 512 bytes with pointers
	if got, want := unsafe.Sizeof(exchange{})+header, uintptr(896); got > want {
		t.Errorf("exchange: %d bytes, want at most %d", got, want)
	}
	if got, want := unsafe.Sizeof(responseBody{}), uintptr(80); got > want {
		t.Errorf("body: %d bytes, want at most %d", got, want)
	}
	if got, want := unsafe.Sizeof(outgoing{}), uintptr(448); got > want {
		t.Errorf("outgoing: %d bytes, want at most %d", got, want)
	}
}
