package semconv

import (
	"go.opentelemetry.io/otel/attribute"
	std "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// Request describes a request before it is sent. It is needed until the request ends.
type Request struct {
	*Endpoint
	Template string
	Own      []attribute.KeyValue // the application's
}

// Start describes a request when its span starts.
type Start struct {
	Request
	URL         string // redacted; "" if it is not recorded
	ResendCount int
}

// AppendRequest appends the attributes that samplers see. The application's come
// last and win.
func (c *Config) AppendRequest(a []attribute.KeyValue, s *Start) []attribute.KeyValue {
	a = append(a, s.attributes...)
	first := len(a)
	if s.URL != "" {
		a = append(a, std.URLFull(s.URL))
	}
	if s.Template != "" || s.ResendCount > 0 || c.OldNames || len(s.Own) > 0 {
		a = c.appendRest(a, first, s)
	}
	return a
}

// appendRest appends what many requests do not have. The attributes that depend on
// the request begin at first.
func (c *Config) appendRest(a []attribute.KeyValue, first int, s *Start) []attribute.KeyValue {
	if s.Template != "" {
		a = append(a, std.URLTemplate(s.Template))
	}
	if s.ResendCount > 0 {
		a = append(a, std.HTTPRequestResendCount(s.ResendCount))
	}
	if c.OldNames {
		a = appendOld(a, a[first:])
	}
	return append(a, s.Own...)
}

// AppendResolved appends the address of a request without a host, after its response.
func (c *Config) AppendResolved(a []attribute.KeyValue, s *Start) []attribute.KeyValue {
	a = appendServer(a, s.Host, s.Port)
	if s.URL != "" {
		a = append(a, std.URLFull(s.URL))
	}
	if c.Attributes&Scheme != 0 && s.Scheme != "" {
		a = append(a, std.URLScheme(s.Scheme))
	}
	if c.OldNames {
		a = appendOld(a, a)
	}
	return a
}

// AppendSent appends the attributes of a request as base gets it.
func (c *Config) AppendSent(a []attribute.KeyValue, length int64) []attribute.KeyValue {
	if c.OldNames && length > 0 {
		a = append(a, attribute.Int64("http.request_content_length", length))
	}
	return a
}

// AppendUserAgent appends the user agent if it is recorded.
func (c *Config) AppendUserAgent(a []attribute.KeyValue, agent string) []attribute.KeyValue {
	if c.Attributes&UserAgent != 0 {
		a = append(a, std.UserAgentOriginal(agent))
	}
	if c.OldNames {
		a = append(a, attribute.String("http.user_agent", agent))
	}
	return a
}

// AppendSizes appends the sizes of the bodies.
func (c *Config) AppendSizes(a []attribute.KeyValue, request, response Size) []attribute.KeyValue {
	if request.Known && c.Attributes&RequestSize != 0 {
		a = append(a, std.HTTPRequestBodySizeKey.Int64(request.Bytes))
	}
	if response.Known && c.Attributes&ResponseSize != 0 {
		a = append(a, std.HTTPResponseBodySizeKey.Int64(response.Bytes))
	}
	return a
}

// Size is the size of a body.
type Size struct {
	Bytes int64
	Known bool
}
