// Package semconv has the attributes and instruments that the OpenTelemetry
// conventions define for HTTP clients, and the names from before they were stable.
// It is given what is known about a request and its response. It does not know
// Transports, spans or options.
package semconv

import (
	"go.opentelemetry.io/otel/attribute"
	std "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// Keys of attributes.
const (
	SchemaURL     = std.SchemaURL
	ErrorTypeKey  = std.ErrorTypeKey
	URLFullKey    = std.URLFullKey
	OldURLFullKey = attribute.Key("http.url")
	AbandonedKey  = attribute.Key("otelhttpclient.response.body.abandoned")
)

// Config determines the optional data to record.
type Config struct {
	Attributes Attributes
	Metrics    Metrics
	OldNames   bool // also the names from before the stable conventions
}

// Attributes are opt-in attributes.
type Attributes uint16

// The opt-in attributes.
const (
	Scheme Attributes = 1 << iota
	UserAgent
	Transport
	RequestSize
	ResponseSize
	Template // on the duration; it is always on spans and the other metrics
	PeerAddress
)

// AttributeOf returns the opt-in attribute of a key, or 0.
func AttributeOf(key attribute.Key) Attributes { return optInAttributes[key] }

var optInAttributes = map[attribute.Key]Attributes{
	std.URLSchemeKey:            Scheme,
	std.UserAgentOriginalKey:    UserAgent,
	std.NetworkTransportKey:     Transport,
	std.HTTPRequestBodySizeKey:  RequestSize,
	std.HTTPResponseBodySizeKey: ResponseSize,
	std.URLTemplateKey:          Template,
	std.NetworkPeerAddressKey:   PeerAddress,
}

// WantsUserAgent reports whether the user agent is recorded.
func (c *Config) WantsUserAgent() bool { return c.Attributes&UserAgent != 0 || c.OldNames }

// WantsRequestSize reports whether the size of the request body is recorded.
func (c *Config) WantsRequestSize() bool {
	return c.Attributes&RequestSize != 0 || c.Metrics&RequestSizes != 0
}

// WantsSizes reports whether the size of a body is recorded on spans.
func (c *Config) WantsSizes() bool { return c.Attributes&(RequestSize|ResponseSize) != 0 }
