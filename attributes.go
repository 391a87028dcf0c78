package otelhttpclient

import (
	"net/http"
	"net/url"

	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/otelhttpclient/otelhttpclient/internal/foreign"
	"github.com/otelhttpclient/otelhttpclient/internal/hostport"
)

// WithOptInAttributes adds attributes that the conventions call Opt-In:
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
// http.request.body.size is the Content-Length. A body of unknown length is
// wrapped, and what base reads of it is counted; so is one of more than 64 KiB
// over https. The attribute is absent if the size is unknown: if writing the
// request failed halfway, if the response came before base reported the request
// as written and does not show that the server took the body, or if the server
// did not ask for the body of a request with Expect: 100-continue.
// http.response.body.size is absent if net/http decompressed the body, as the
// size on the wire is unknown then.
//
// Repeated options accumulate.
func WithOptInAttributes(keys ...attribute.Key) Option {
	return optionFunc(func(c *config) {
		for _, k := range keys {
			if bit, ok := optInAttributeBits[k]; ok {
				c.optInAttributes |= bit
			} else {
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
// [ContextWithAttributes] override them, and on the span those of hooks override
// both.
func WithAttributes(attributes AttributesFunc) Option {
	return optionFunc(func(c *config) {
		if attributes != nil {
			c.attributeFuncs = append(c.attributeFuncs, attributes)
		}
	})
}

type optInAttributes uint8

const (
	optInScheme optInAttributes = 1 << iota
	optInUserAgent
	optInTransport
	optInRequestSize
	optInResponseSize
	optInTemplate
	optInPeerAddress
)

var optInAttributeBits = map[attribute.Key]optInAttributes{
	semconv.URLSchemeKey:            optInScheme,
	semconv.UserAgentOriginalKey:    optInUserAgent,
	semconv.NetworkTransportKey:     optInTransport,
	semconv.HTTPRequestBodySizeKey:  optInRequestSize,
	semconv.HTTPResponseBodySizeKey: optInResponseSize,
	semconv.URLTemplateKey:          optInTemplate,
	semconv.NetworkPeerAddressKey:   optInPeerAddress,
}

const (
	errorTypeKey = semconv.ErrorTypeKey
	abandonedKey = attribute.Key("otelhttpclient.response.body.abandoned")
)

// facts are what is known about a request before it is sent, and is needed until
// its end.
type facts struct {
	method   string // a known method, or _OTHER
	scheme   string
	host     string // "" if the request names none
	port     int    // 0 if it is neither written nor implied
	template string
	own      []attribute.KeyValue // of WithAttributes, then of the context
}

// description is what is known about a request when its span starts. All
// attributes of the request, on spans and metrics, are built from it.
type description struct {
	facts
	originalMethod string // "" unless it differs
	url            string // redacted; "" if it is not recorded
	resendCount    int
}

// unknownOrdinal makes describe count the resends.
const unknownOrdinal = -1

// describe describes a request. The ordinal is that of a resend, or 0, or
// unknownOrdinal.
func (in *instrumentation) describe(d *description, req *http.Request, state *contextState, ordinal int) {
	if d.method = in.methods.normalize(req.Method); d.method == otherMethod {
		d.originalMethod = foreign.Copy(req.Method)
	}
	d.scheme = schemeOf(req)
	var host string
	d.url, host = in.recordedURL(req)
	d.host, d.port = hostport.Split(host, d.scheme)
	d.host = foreign.CloneFrom(d.url, len(d.scheme)+len("://"), d.host)
	d.template = in.template(req, state)
	d.resendCount = ordinal
	if ordinal == unknownOrdinal {
		d.resendCount = state.resendCount(req)
	}
	d.own = in.ownAttributes(req, state)
}

// schemeOf returns the scheme of a request. It leaves out one that the server chose
// by a redirect, if net/http does not have it: there is no end of them.
func schemeOf(req *http.Request) string {
	if req.URL == nil {
		return ""
	}
	switch scheme := req.URL.Scheme; {
	case scheme == "https":
		return "https" // not a piece of the URL
	case scheme == "http":
		return "http"
	case req.Response != nil:
		return ""
	default:
		return foreign.Copy(scheme)
	}
}

// ownAttributes returns the application's attributes for a request.
func (in *instrumentation) ownAttributes(req *http.Request, state *contextState) []attribute.KeyValue {
	if len(in.attributeFuncs) == 0 {
		return state.attributes
	}
	var own []attribute.KeyValue
	for _, attributes := range in.attributeFuncs {
		in.guard.Call("WithAttributes function", func() { own = append(own, attributes(req)...) })
	}
	foreign.Attributes(own)
	return append(own, state.attributes...)
}

// creationAttributes appends the attributes that samplers see. The application's
// come last and win.
func (in *instrumentation) creationAttributes(a []attribute.KeyValue, d *description) []attribute.KeyValue {
	a = append(a, semconv.HTTPRequestMethodKey.String(d.method))
	if d.originalMethod != "" {
		a = append(a, semconv.HTTPRequestMethodOriginal(d.originalMethod))
	}
	a = appendServer(a, d.host, d.port)
	if d.url != "" {
		a = append(a, semconv.URLFull(d.url))
	}
	if d.template != "" {
		a = append(a, semconv.URLTemplate(d.template))
	}
	if d.resendCount > 0 {
		a = append(a, semconv.HTTPRequestResendCount(d.resendCount))
	}
	if in.optInAttributes&optInScheme != 0 && d.scheme != "" {
		a = append(a, semconv.URLScheme(d.scheme))
	}
	if in.oldNames {
		a = appendOldRequest(a, d)
	}
	return append(a, d.own...)
}

func appendServer(a []attribute.KeyValue, host string, port int) []attribute.KeyValue {
	if host != "" {
		a = append(a, semconv.ServerAddress(host))
	}
	if port != 0 {
		a = append(a, semconv.ServerPort(port))
	}
	return a
}

func (c *config) wantsUserAgent() bool {
	return c.optInAttributes&optInUserAgent != 0 || c.oldNames
}

func (c *config) appendUserAgent(a []attribute.KeyValue, agent string) []attribute.KeyValue {
	if agent == "" || !c.wantsUserAgent() {
		return a
	}
	agent = c.redaction.Text(agent)
	if c.optInAttributes&optInUserAgent != 0 {
		a = append(a, semconv.UserAgentOriginal(agent))
	}
	if c.oldNames {
		a = append(a, attribute.String("http.user_agent", agent))
	}
	return a
}

// sentAttributes returns the attributes of the request as it is sent, with the
// headers that hooks and propagator set.
func (in *instrumentation) sentAttributes(sent *http.Request) []attribute.KeyValue {
	var a []attribute.KeyValue
	if in.wantsUserAgent() {
		a = in.appendUserAgent(nil, sent.Header.Get("User-Agent"))
	}
	if in.oldNames && sent.ContentLength > 0 {
		a = append(a, attribute.Int64("http.request_content_length", sent.ContentLength))
	}
	return in.requestHeaders.attributes(a, sent.Header, in.redaction, sent.URL)
}

// outcome is what is known about a request when base has returned.
type outcome struct {
	status    int // 0 without a response
	protocol  protocol
	errorType string // "" without an error
}

// describeResponse describes a response for the metrics.
func (in *instrumentation) describeResponse(o *outcome, resp *http.Response) {
	*o = outcome{status: resp.StatusCode, protocol: protocolOf(resp)}
	if in.isError(resp) { // the application's check may exit the goroutine
		o.errorType = errorTypeOfStatus(resp.StatusCode)
	}
}

// responseAttributes appends the attributes of a response. request is the URL
// that was requested.
func (in *instrumentation) responseAttributes(a []attribute.KeyValue, o *outcome, resp *http.Response, request *url.URL) []attribute.KeyValue {
	if o.status != 0 {
		a = append(a, semconv.HTTPResponseStatusCode(o.status))
	}
	a = appendProtocol(a, o.protocol)
	if o.errorType != "" {
		a = append(a, errorTypeKey.String(o.errorType))
	}
	if in.oldNames {
		a = appendOldResponse(a, o, resp.ContentLength)
	}
	return in.responseHeaders.attributes(a, resp.Header, in.redaction, request)
}
