package otelhttpclient

import (
	"net/http"

	"go.opentelemetry.io/otel/attribute"

	"github.com/otelhttpclient/otelhttpclient/internal/semconv"
)

// WithOptInAttributes adds attributes whose requirement level is Opt-In:
//
//   - url.scheme, on spans and metrics
//   - user_agent.original, including net/http's own default if base reports
//     the headers that it writes, as *http.Transport does
//   - network.transport, once a connection is obtained
//   - http.request.body.size and http.response.body.size, in bytes
//   - url.template, on http.client.request.duration; spans and the other metrics
//     have it whenever it is known
//   - network.peer.address, on the metrics of connections; spans always have it
//
// http.request.body.size is the Content-Length. A body of unknown length, or of
// more than 64 KiB over https, is wrapped to count the bytes that base reads.
// The attribute is absent if the size is unknown: if writing the request failed
// halfway, if the response came before base reported the request as written and
// does not show that the server took the body, or if the server did not ask for
// the body of a request with Expect: 100-continue. http.response.body.size is
// absent if net/http decompressed the body, because the size on the wire is
// unknown.
//
// Repeated options accumulate.
func WithOptInAttributes(keys ...attribute.Key) Option {
	return optionFunc(func(c *config) {
		for _, k := range keys {
			bit := semconv.AttributeOf(k)
			if c.conventions.Attributes |= bit; bit == 0 {
				badOption("WithOptInAttributes", "%q is not an opt-in attribute of this library", k)
			}
		}
	})
}

// An AttributesFunc returns attributes for a request. It gets the request that a
// [Filter] gets, must not change it, and may be called concurrently. The library
// does not keep or change the slice.
type AttributesFunc = func(*http.Request) []attribute.KeyValue

// WithAttributes adds the attributes that the function returns to the span, at
// its creation, and to the metrics: the request metrics, but not those of
// connections. Use values of low cardinality. If the function panics, it adds
// none. Nil is ignored. Repeated options accumulate, in the order given.
//
// They override the library's own attributes of the same key. Those of
// [ContextWithAttributes] override them; on the span, those of hooks override
// both.
func WithAttributes(attributes AttributesFunc) Option {
	return optionFunc(func(c *config) {
		if attributes != nil {
			c.attributeFuncs = append(c.attributeFuncs, attributes)
		}
	})
}

// A ResponseAttributesFunc returns attributes for what base returned: the request as it
// was sent, and a response or an error, or both. It must not change them, must not
// read or close the body, and may be called concurrently. The library does not keep or
// change the slice.
type ResponseAttributesFunc = func(*http.Request, *http.Response, error) []attribute.KeyValue

// WithResponseAttributes adds the attributes that the function returns to the span
// and to the metrics that are recorded when a request ends: its duration and the sizes
// of its bodies. It is called once for each request, as soon as base has returned. Use
// values of low cardinality: a server must not be able to choose them. If the function
// panics, it adds none. Nil is ignored. Repeated options accumulate, in the order
// given.
//
// They override all other attributes of the same key, except those that hooks have set
// on the span. A hook that sets the value that an attribute has already does not count.
func WithResponseAttributes(attributes ResponseAttributesFunc) Option {
	return optionFunc(func(c *config) {
		if attributes != nil {
			c.responseAttributeFuncs = append(c.responseAttributeFuncs, attributes)
		}
	})
}

// WithKnownMethods replaces the list of methods that are recorded by name.
// Other methods are recorded as _OTHER, with their name in
// http.request.method_original. Names are case-sensitive. An empty list changes
// nothing. An invalid method is reported to [otel.Handle] and ignored. The
// default list is that of the conventions: CONNECT, DELETE, GET, HEAD, OPTIONS,
// PATCH, POST, PUT, QUERY, TRACE.
//
// The environment variable OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS, a
// comma-separated list, also replaces the default list. The option takes
// precedence.
func WithKnownMethods(methods ...string) Option {
	return optionFunc(func(c *config) {
		if m := semconv.NewMethods("WithKnownMethods", methods, badOption); len(m) > 0 {
			c.methods = m
		}
	})
}
