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
	name    string // "" for http
	version string // "" while unknown
}

func protocolOf(resp *http.Response) (p protocol) {
	if name, _, _ := strings.Cut(resp.Proto, "/"); name != "" && !strings.EqualFold(name, "HTTP") {
		p.name = strings.ToLower(name)
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
	case resp.ProtoMajor > 0 && resp.ProtoMinor >= 0:
		p.version = strconv.Itoa(resp.ProtoMajor) + "." + strconv.Itoa(resp.ProtoMinor)
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
