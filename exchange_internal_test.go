package otelhttpclient

import (
	"strconv"
	"testing"
	"unsafe"

	"github.com/otelhttpclient/otelhttpclient/internal/nested"
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
