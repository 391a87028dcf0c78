package otlptest

import (
	"encoding/binary"
	"iter"
)

// A field of a protobuf message: a number, or bytes, which are also the encoding
// of strings and of messages.
type field struct {
	number uint64
	value  uint64
	bytes  []byte
}

// malformed is the panic for what is no protobuf message.
type malformed string

func (m malformed) Error() string { return string(m) }

// The wire types of protobuf. The other two are obsolete.
const (
	varint  = 0
	fixed64 = 1
	lengths = 2
	fixed32 = 5
)

// fields iterates over the fields of a message in their order.
func fields(message []byte) iter.Seq[field] {
	return func(yield func(field) bool) {
		rest := message
		take := func(n uint64) []byte {
			if n > uint64(len(rest)) {
				panic(malformed("a field is longer than its message"))
			}
			taken := rest[:n]
			rest = rest[n:]
			return taken
		}
		number := func() uint64 {
			v, n := binary.Uvarint(rest)
			if n <= 0 {
				panic(malformed("a number does not end"))
			}
			rest = rest[n:]
			return v
		}
		for len(rest) > 0 {
			tag := number()
			f := field{number: tag >> 3}
			switch tag & 7 {
			case varint:
				f.value = number()
			case fixed64:
				f.value = binary.LittleEndian.Uint64(take(8))
			case lengths:
				f.bytes = take(number())
			case fixed32:
				f.value = uint64(binary.LittleEndian.Uint32(take(4)))
			default:
				panic(malformed("unknown wire type"))
			}
			if !yield(f) {
				return
			}
		}
	}
}

// messages iterates over the submessages with the number.
func messages(message []byte, number uint64) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for f := range fields(message) {
			if f.number == number && !yield(f.bytes) {
				return
			}
		}
	}
}

// text returns the string with the number, or "".
func text(message []byte, number uint64) (s string) {
	for bytes := range messages(message, number) {
		s = string(bytes)
	}
	return s
}
