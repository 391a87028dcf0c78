package otelhttpclient

import (
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// facts are what is known about a request before it is sent. All attributes,
// of the span and of the metrics, are built from them.
type facts struct {
	method         string // a known method, or _OTHER
	originalMethod string // "" unless it differs
	scheme         string
	host           string // "" where the request names none
	port           int    // 0 where it is neither written nor implied
	url            string // fit to be recorded; "" where it is left out
	template       string
	resendCount    int
	caller         *contextState // what the caller has said through the context
}

const (
	errorTypeKey  = semconv.ErrorTypeKey
	otherMethod   = "_OTHER"
	abandonedKey  = attribute.Key("otelhttpclient.response.body.abandoned")
	headerReqKey  = "http.request.header."
	headerRespKey = "http.response.header."
)

// unknownOrdinal leaves it to describe to count the resends.
const unknownOrdinal = -1

// describe finds the facts about a request. The ordinal is that of a resend, or
// 0, or unknownOrdinal.
func (in *instrumentation) describe(f *facts, req *http.Request, state *contextState, ordinal int) {
	f.method, f.originalMethod = in.methods.normalize(req.Method)
	var host string
	f.url, host = in.record.requestURL(req)
	if req.URL != nil {
		f.scheme = req.URL.Scheme
	}
	f.host, f.port = splitHost(host, f.scheme)
	f.template = in.template(req, state)
	f.resendCount = ordinal
	if ordinal == unknownOrdinal {
		f.resendCount = state.resendCount(req)
	}
	f.caller = state
}

// creationAttributes are those that samplers see. What the caller has given
// through the context comes last, and so wins.
func (in *instrumentation) creationAttributes(a []attribute.KeyValue, f *facts) []attribute.KeyValue {
	a = append(a, semconv.HTTPRequestMethodKey.String(f.method))
	if f.originalMethod != "" {
		a = append(a, semconv.HTTPRequestMethodOriginal(f.originalMethod))
	}
	if f.host != "" {
		a = append(a, semconv.ServerAddress(f.host))
	}
	if f.port != 0 {
		a = append(a, semconv.ServerPort(f.port))
	}
	if f.url != "" {
		a = append(a, semconv.URLFull(f.url))
	}
	if f.template != "" {
		a = append(a, semconv.URLTemplate(f.template))
	}
	if f.resendCount > 0 {
		a = append(a, semconv.HTTPRequestResendCount(f.resendCount))
	}
	if in.attributes&optInScheme != 0 && f.scheme != "" {
		a = append(a, semconv.URLScheme(f.scheme))
	}
	if in.oldNames {
		a = appendOldRequest(a, f)
	}
	return append(a, f.caller.attributes...)
}

// sentAttributes are those of the request as it is sent, headers of hooks
// included.
func (in *instrumentation) sentAttributes(sent *http.Request) []attribute.KeyValue {
	var a []attribute.KeyValue
	if in.attributes&optInUserAgent != 0 || in.oldNames {
		if ua := sent.Header.Get("User-Agent"); ua != "" {
			ua = in.record.text(ua)
			if in.attributes&optInUserAgent != 0 {
				a = append(a, semconv.UserAgentOriginal(ua))
			}
			if in.oldNames {
				a = append(a, attribute.String("http.user_agent", ua))
			}
		}
	}
	if in.oldNames && sent.ContentLength > 0 {
		a = append(a, attribute.Int64("http.request_content_length", sent.ContentLength))
	}
	return in.record.headers(a, sent.Header, in.requestHeaders)
}

// describeResponse puts what the headers of the response tell on the span, and
// notes it for the metrics.
func (rt *roundTrip) describeResponse(resp *http.Response) {
	in := rt.in
	rt.status = resp.StatusCode
	rt.protocol = protocolOf(resp)
	if in.isError(resp) {
		rt.errorType = statusText(resp.StatusCode)
		if rt.errorType == "" {
			rt.errorType = errorOther // an error that not even a code tells of
		}
	}
	rt.connection.answered(rt.status, rt.protocol)
	if !rt.recording {
		return
	}
	s := rt.tracer.scratch()
	defer s.release()
	a := s.attributes
	if resp.StatusCode != 0 {
		a = append(a, semconv.HTTPResponseStatusCode(resp.StatusCode))
	}
	if rt.protocol.version != "" {
		a = append(a, semconv.NetworkProtocolVersion(rt.protocol.version))
	}
	if rt.protocol.name != "" {
		a = append(a, semconv.NetworkProtocolName(rt.protocol.name))
	}
	a = rt.connection.appendAttributes(a, rt)
	if rt.errorType != "" {
		a = append(a, errorTypeKey.String(rt.errorType))
	}
	if in.oldNames {
		a = appendOldResponse(a, rt, resp)
	}
	a = in.record.headers(a, resp.Header, in.responseHeaders)
	rt.span.SetAttributes(a...)
	s.attributes = a
	if rt.errorType != "" {
		rt.span.SetStatus(codes.Error, "")
	}
}

// describeEnd puts what is known only at the end on the span.
func (rt *roundTrip) describeEnd(e ending) {
	if e.abandoned {
		rt.span.SetAttributes(abandonedKey.Bool(true))
	}
	if rt.status == 0 {
		s := rt.tracer.scratch()
		defer s.release()
		if a := rt.connection.appendAttributes(s.attributes, rt); len(a) > 0 {
			rt.span.SetAttributes(a...)
			s.attributes = a
		}
	}
	if n, known := rt.sentBytes(); known && rt.in.attributes&optInRequestSize != 0 {
		rt.span.SetAttributes(semconv.HTTPRequestBodySize(int(n)))
	}
	if n, known := rt.receivedBytes(); known && rt.in.attributes&optInResponseSize != 0 {
		rt.span.SetAttributes(semconv.HTTPResponseBodySize(int(n)))
	}
}

// isError reports whether a response is an error.
func (in *instrumentation) isError(resp *http.Response) (isError bool) {
	if in.errorCheck != nil && call("error check", func() { isError = in.errorCheck(resp) }) {
		return isError
	}
	return resp.StatusCode < 100 || resp.StatusCode >= 400
}

// statusText is a status code as error.type and the metrics' keys have it.
func statusText(code int) string {
	if code == 0 {
		return ""
	}
	return strconv.Itoa(code)
}

// name is the span's name: the formatter's, or as the conventions have it.
func (in *instrumentation) name(f *facts, req *http.Request) (name string) {
	if in.spanName != nil && call("span name formatter", func() { name = in.spanName(req) }) && name != "" {
		return name
	}
	method := f.method
	if method == otherMethod {
		method = "HTTP"
	}
	if f.template == "" {
		return method
	}
	return method + " " + f.template
}

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

// splitHost takes a host with an optional port apart. The brackets around an
// IPv6 address are no part of it. Where no port is written it is the one that
// the scheme implies, or 0.
func splitHost(hostport, scheme string) (host string, port int) {
	host = hostport
	var digits string
	if strings.HasPrefix(host, "[") {
		if end := strings.IndexByte(host, ']'); end > 0 {
			host, digits = host[1:end], strings.TrimPrefix(host[end+1:], ":")
		}
	} else if colon := strings.IndexByte(host, ':'); colon >= 0 && colon == strings.LastIndexByte(host, ':') {
		host, digits = host[:colon], host[colon+1:]
	}
	// The zone of an IPv6 address is of this machine alone.
	host, _, _ = strings.Cut(host, "%")
	if !isHost(host) || strings.Trim(digits, "0123456789") != "" {
		return "", 0
	}
	if digits != "" {
		if n, err := strconv.ParseUint(digits, 10, 16); err == nil && n > 0 {
			return host, int(n)
		}
	}
	switch scheme {
	case "http":
		return host, 80
	case "https":
		return host, 443
	}
	return host, 0
}

// isHost reports whether s can be the name or the address of a host. Anything
// else, such as a user name with a password before an @, must not be recorded
// as one.
func isHost(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '.', c == '_', c == ':', c >= utf8.RuneSelf:
		default:
			return false
		}
	}
	return s != "" && utf8.ValidString(s)
}

// addressed is the host that a request is addressed to.
func addressed(req *http.Request, u *url.URL) string {
	if req.Host != "" {
		return req.Host
	}
	if u == nil {
		return ""
	}
	return u.Host
}

// methods are those that http.request.method may name; nil: the conventions'.
type methods map[string]struct{}

// knownMethods are in the order of how often they are met.
var knownMethods = []string{
	http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodPatch, http.MethodHead,
	http.MethodOptions, http.MethodConnect, http.MethodTrace, "QUERY",
}

func newMethods(list []string) methods {
	m := methods{}
	for _, name := range list {
		m[name] = struct{}{}
	}
	return m
}

const knownMethodsVariable = "OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS"

func knownMethodsFromEnvironment() methods {
	list := os.Getenv(knownMethodsVariable)
	if list == "" {
		return nil
	}
	names := strings.Split(list, ",")
	for i := range names {
		names[i] = strings.TrimSpace(names[i])
	}
	return newMethods(names)
}

// WithKnownMethods replaces the list of the methods that are recorded by name;
// all others are recorded as _OTHER, with the name in
// http.request.method_original. Names are compared in exact case. The default
// list is that of the conventions: CONNECT, DELETE, GET, HEAD, OPTIONS, PATCH,
// POST, PUT, QUERY, TRACE.
//
// The environment variable OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS, a comma
// separated list, replaces the default list as well; the option wins over it.
// No method at all (a nil list) leaves the default in place.
func WithKnownMethods(methods ...string) Option {
	return optionFunc(func(c *config) {
		if given(methods) {
			c.methods = newMethods(methods)
		}
	})
}

func (m methods) normalize(method string) (known, original string) {
	if method == "" {
		method = http.MethodGet
	}
	if m == nil {
		if slices.Contains(knownMethods, method) {
			return method, ""
		}
	} else if _, ok := m[method]; ok {
		return method, ""
	}
	return otherMethod, method
}

// optInAttributes are the attributes that are recorded only when asked for.
type optInAttributes uint8

const (
	optInScheme optInAttributes = 1 << iota
	optInUserAgent
	optInTransport
	optInRequestSize
	optInResponseSize
	optInTemplate
)

var optInAttributeBits = map[attribute.Key]optInAttributes{
	semconv.URLSchemeKey:            optInScheme,
	semconv.UserAgentOriginalKey:    optInUserAgent,
	semconv.NetworkTransportKey:     optInTransport,
	semconv.HTTPRequestBodySizeKey:  optInRequestSize,
	semconv.HTTPResponseBodySizeKey: optInResponseSize,
	semconv.URLTemplateKey:          optInTemplate,
}
