package semconv

import (
	"strings"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	std "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/otelhttpclient/otelhttpclient/internal/foreign"
	"github.com/otelhttpclient/otelhttpclient/internal/hostport"
)

// Endpoint is a method and a server, as spans and metrics record them. It does not
// change, and shares no memory with a request.
type Endpoint struct {
	Method         string // a known method, or _OTHER
	OriginalMethod string // "" unless it differs
	Scheme         string
	Host           string // "" if the request names none
	Port           int    // 0 if it is neither written nor implied

	method, hostport string // as in the request
	attributes       []attribute.KeyValue
}

// Describer describes endpoints, responses and peers, and keeps the latest: most
// requests of a program go to few servers, which answer alike.
type Describer struct {
	Config
	Methods Methods

	endpoints [32]atomic.Pointer[Endpoint]
	responses [16]atomic.Pointer[Response]
	peers     [16]atomic.Pointer[peer]
}

// longestKept limits the cached method, scheme and host, in bytes.
const longestKept = 256

// Endpoint returns the Endpoint of a request.
func (c *Describer) Endpoint(method, scheme, hostport string) *Endpoint {
	slot := &c.endpoints[slotOf(method, scheme, hostport)]
	if e := slot.Load(); e != nil && e.hostport == hostport && e.method == method && e.Scheme == scheme {
		return e
	}
	e := c.newEndpoint(method, scheme, hostport)
	if len(method)+len(scheme)+len(hostport) <= longestKept {
		slot.Store(e)
	}
	return e
}

// Moved returns the Endpoint for the same method on another server.
func (c *Describer) Moved(e *Endpoint, scheme, hostport string) *Endpoint {
	return c.Endpoint(e.method, scheme, hostport)
}

// slotOf returns a hash that is different for most of few Endpoints.
func slotOf(method, scheme, hostport string) int {
	n := len(method) + 2*len(scheme) + 4*len(hostport)
	if len(hostport) > 0 {
		n += int(hostport[len(hostport)-1]) + 8*int(hostport[0])
	}
	return n % len(Describer{}.endpoints)
}

func (c *Describer) newEndpoint(method, scheme, hostPort string) *Endpoint {
	e := &Endpoint{Method: c.Methods.Normalize(method), Scheme: foreign.Copy(scheme), method: strings.Clone(method), hostport: strings.Clone(hostPort)}
	if e.Method == OtherMethod {
		e.OriginalMethod = foreign.Copy(method)
	}
	e.Host, e.Port = hostport.Split(e.hostport, scheme)
	e.attributes = c.appendEndpoint(nil, e)
	return e
}

func (c *Config) appendEndpoint(a []attribute.KeyValue, e *Endpoint) []attribute.KeyValue {
	a = append(a, std.HTTPRequestMethodKey.String(e.Method))
	if e.OriginalMethod != "" {
		a = append(a, std.HTTPRequestMethodOriginal(e.OriginalMethod))
	}
	a = appendServer(a, e.Host, e.Port)
	if c.Attributes&Scheme != 0 && e.Scheme != "" {
		a = append(a, std.URLScheme(e.Scheme))
	}
	if c.OldNames {
		a = appendOld(a, a)
	}
	return a
}

func appendServer(a []attribute.KeyValue, host string, port int) []attribute.KeyValue {
	if host != "" {
		a = append(a, std.ServerAddress(host))
	}
	if port != 0 {
		a = append(a, std.ServerPort(port))
	}
	return a
}
