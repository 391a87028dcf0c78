package semconv

import (
	"net/http"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	std "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// Response is a response as spans and metrics have it. It does not change, and keeps
// no part of a response.
type Response struct {
	Status    int // 0 without a response
	Protocol  Protocol
	ErrorType string // "" without an error

	proto        string
	major, minor int
	attributes   []attribute.KeyValue
}

// NoResponse describes the lack of a response.
var NoResponse Response

// Response returns the description of a response.
func (c *Describer) Response(resp *http.Response, isError bool) *Response {
	n := uint(resp.StatusCode)
	if isError {
		n += 7
	}
	slot := &c.responses[n%uint(len(c.responses))]
	if r := slot.Load(); r != nil && r.Status == resp.StatusCode && r.major == resp.ProtoMajor && r.minor == resp.ProtoMinor &&
		r.proto == resp.Proto && isError == (r.ErrorType != "") {
		return r
	}
	r := c.newResponse(resp, isError)
	if len(resp.Proto) <= longestKept {
		slot.Store(r)
	}
	return r
}

func (c *Describer) newResponse(resp *http.Response, isError bool) *Response {
	r := &Response{Status: resp.StatusCode, Protocol: protocolOf(resp), proto: strings.Clone(resp.Proto), major: resp.ProtoMajor, minor: resp.ProtoMinor}
	var a []attribute.KeyValue
	if r.Status != 0 {
		a = append(a, std.HTTPResponseStatusCode(r.Status))
	}
	a = r.Protocol.append(a)
	if isError {
		r.ErrorType = errorTypeOfStatus(resp.StatusCode)
		a = append(a, ErrorTypeKey.String(r.ErrorType))
	}
	if c.OldNames {
		a = appendOld(a, a)
	}
	r.attributes = a
	return r
}

// WithError returns the response, or the lack of one, with the type of an error that
// came with it or after it.
func (r *Response) WithError(errorType string) *Response {
	e := *r
	e.ErrorType = errorType
	return &e
}

// AppendResponse appends the attributes of a response with this Content-Length.
func (c *Config) AppendResponse(a []attribute.KeyValue, r *Response, length int64) []attribute.KeyValue {
	a = append(a, r.attributes...)
	if c.OldNames && length > 0 {
		a = append(a, attribute.Int64("http.response_content_length", length))
	}
	return a
}
