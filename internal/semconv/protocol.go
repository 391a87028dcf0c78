package semconv

import (
	"net/http"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	std "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// Protocol is the negotiated application protocol.
type Protocol struct {
	name    string // "" for http, and without a version
	Version string // "" if it is not known
}

// protocolOf returns the protocol of a response. Its version is one that HTTP has,
// or two digits of another protocol: an HTTP/1 server may write any other, and
// there would be metrics for each.
func protocolOf(resp *http.Response) (p Protocol) {
	if name, _, _ := strings.Cut(resp.Proto, "/"); name != "" && !strings.EqualFold(name, "HTTP") {
		return otherProtocol(name, resp.ProtoMajor, resp.ProtoMinor)
	}
	switch {
	case resp.ProtoMajor == 1 && resp.ProtoMinor == 1:
		p.Version = "1.1"
	case resp.ProtoMajor == 1 && resp.ProtoMinor == 0:
		p.Version = "1.0"
	case resp.ProtoMajor == 2 && resp.ProtoMinor == 0:
		p.Version = "2"
	case resp.ProtoMajor == 3 && resp.ProtoMinor == 0:
		p.Version = "3"
	}
	return p
}

// otherProtocol returns a protocol other than HTTP, which only the application's own
// base can have.
func otherProtocol(name string, major, minor int) (p Protocol) {
	const longest = 16
	valid := len(name) <= longest && strings.IndexFunc(name, func(c rune) bool {
		return !('a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '.')
	}) < 0
	if !valid || major < 0 || major > 9 || minor < 0 || minor > 9 || major == 0 && minor == 0 {
		return p
	}
	p.name = strings.Clone(strings.ToLower(name))
	p.Version = strconv.Itoa(major)
	if minor > 0 || major == 1 {
		p.Version += "." + strconv.Itoa(minor)
	}
	return p
}

func (p Protocol) append(a []attribute.KeyValue) []attribute.KeyValue {
	if p.name != "" {
		a = append(a, std.NetworkProtocolName(p.name))
	}
	if p.Version != "" {
		a = append(a, std.NetworkProtocolVersion(p.Version))
	}
	return a
}
