package otelhttpclient

import (
	"net/http"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// protocol is the application protocol that was negotiated.
type protocol struct {
	name    string // "" for http, and without a version
	version string // "" if it is not known
}

// protocolOf returns the protocol of a response. Its version is one that HTTP has,
// or two digits of another protocol: an HTTP/1 server may write any other, and
// there would be metrics for each.
func protocolOf(resp *http.Response) (p protocol) {
	if name, _, _ := strings.Cut(resp.Proto, "/"); name != "" && !strings.EqualFold(name, "HTTP") {
		return otherProtocol(name, resp.ProtoMajor, resp.ProtoMinor)
	}
	switch {
	case resp.ProtoMajor == 1 && resp.ProtoMinor == 1:
		p.version = "1.1"
	case resp.ProtoMajor == 1 && resp.ProtoMinor == 0:
		p.version = "1.0"
	case resp.ProtoMajor == 2 && resp.ProtoMinor == 0:
		p.version = "2"
	case resp.ProtoMajor == 3 && resp.ProtoMinor == 0:
		p.version = "3"
	}
	return p
}

// otherProtocol returns a protocol that only a base of the application's can have.
func otherProtocol(name string, major, minor int) (p protocol) {
	const longest = 16
	valid := len(name) <= longest && strings.IndexFunc(name, func(c rune) bool {
		return !('a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '.')
	}) < 0
	if !valid || major < 0 || major > 9 || minor < 0 || minor > 9 || major == 0 && minor == 0 {
		return p
	}
	p.name = strings.Clone(strings.ToLower(name))
	p.version = strconv.Itoa(major)
	if minor > 0 || major == 1 {
		p.version += "." + strconv.Itoa(minor)
	}
	return p
}

func appendProtocol(a []attribute.KeyValue, p protocol) []attribute.KeyValue {
	if p.name != "" {
		a = append(a, semconv.NetworkProtocolName(p.name))
	}
	if p.version != "" {
		a = append(a, semconv.NetworkProtocolVersion(p.version))
	}
	return a
}
