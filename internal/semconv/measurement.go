package semconv

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	std "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/otelhttpclient/otelhttpclient/internal/errortype"
	"github.com/otelhttpclient/otelhttpclient/internal/foreign"
	"github.com/otelhttpclient/otelhttpclient/internal/identity"
)

// IsOf reports whether the instruments are those of this provider.
func (m *Instruments) IsOf(provider metric.MeterProvider) bool {
	return m != nil && identity.Same(m.provider, provider)
}

// Provider returns the provider of the instruments.
func (m *Instruments) Provider() metric.MeterProvider { return m.provider }

// CountsActive reports whether the instruments count active requests.
func (m *Instruments) CountsActive() bool { return m.active != nil }

// Begin counts the request as active, and the abandoned bodies of its server from
// 0: an increase from nothing is none.
func (m *Instruments) Begin(ctx context.Context, r *Request) {
	if m.active != nil {
		m.active.Add(ctx, 1, m.options(m.activeKey(r), r.Own).add...)
	}
	if m.abandoned == nil {
		return
	}
	server := r.serverKey()
	if _, counted := m.cache.Get(server); !counted {
		m.abandoned.Add(ctx, 0, m.options(server, nil).add...)
	}
}

// Leave counts the request as no longer active.
func (m *Instruments) Leave(ctx context.Context, r *Request) {
	if m.active != nil {
		m.active.Add(ctx, -1, m.options(m.activeKey(r), r.Own).add...)
	}
}

// Values are the measured values of a request.
type Values struct {
	Own                       []attribute.KeyValue // the application's, from the response
	Duration                  time.Duration
	RequestSize, ResponseSize Size
	TimeInQueue               time.Duration
	Waited                    bool         // the request waited for a connection
	Abandoned                 bool         // the body is
	Active                    bool         // the request is counted as active
	Inner                     *Instruments // instruments of an inner Transport that measures each attempt, or nil
}

// Record records everything that is measured of a request and that v.Inner does not
// record. ctx carries the span, for exemplars.
func (m *Instruments) Record(ctx context.Context, r *Request, resp *Response, v *Values) {
	if v.Active {
		// Deferred: each +1 has its -1, even if another instrument panics.
		defer m.Leave(ctx, r)
	}
	inner := v.Inner
	if inner == nil {
		inner = &none
	}
	k := m.key(r, resp)
	own := r.Own
	if len(v.Own) > 0 {
		own = slices.Concat(own, v.Own)
	}
	if inner.duration == nil {
		m.duration.Record(ctx, v.Duration.Seconds(), m.options(k, own).record...)
	}
	if m.oldDuration != nil && inner.oldDuration == nil {
		m.oldDuration.Record(ctx, float64(v.Duration)/float64(time.Millisecond), m.oldOptions(k, own).record...)
	}
	if m.timeInQueue != nil && inner.timeInQueue == nil && v.Waited {
		k := k // with the template where the duration has it
		k.scheme, k.status, k.errorType, k.protocol.name = r.Scheme, 0, "", ""
		m.timeInQueue.Record(ctx, v.TimeInQueue.Seconds(), m.options(k, r.Own).record...)
	}
	k.template = r.Template // Opt-In on the duration, and required on the sizes
	if m.requestSize != nil && inner.requestSize == nil && v.RequestSize.Known {
		m.requestSize.Record(ctx, v.RequestSize.Bytes, m.options(k, own).record...)
	}
	if m.responseSize != nil && inner.responseSize == nil && v.ResponseSize.Known {
		m.responseSize.Record(ctx, v.ResponseSize.Bytes, m.options(k, own).record...)
	}
	if v.Abandoned && m.abandoned != nil && inner.abandoned == nil {
		m.abandoned.Add(ctx, 1, m.options(r.serverKey(), nil).add...)
	}
}

// RecordLookup records a DNS lookup.
func (m *Instruments) RecordLookup(ctx context.Context, name string, d time.Duration, err error) {
	a := []attribute.KeyValue{std.DNSQuestionName(foreign.Copy(name))}
	if err != nil {
		a = append(a, ErrorTypeKey.String(lookupErrorType(err)))
	}
	m.dnsLookup.Record(ctx, d.Seconds(), metric.WithAttributes(a...))
}

// lookupErrorType returns the value of error.type for a failed lookup.
func lookupErrorType(err error) string {
	var e *net.DNSError
	switch {
	case !errors.As(err, &e):
		return errortype.Other
	case e.IsNotFound:
		return "host_not_found"
	case e.IsTimeout:
		return errortype.Timeout
	case e.IsTemporary:
		return "try_again"
	}
	return errortype.Other
}

// key identifies a set of attributes of a metric. Zero fields are left out.
type key struct {
	method, host, scheme, template string
	port, status                   int
	errorType                      string
	protocol                       Protocol
}

// key returns the key of the duration.
func (m *Instruments) key(r *Request, resp *Response) key {
	k := m.activeKey(r)
	k.errorType, k.protocol = resp.ErrorType, resp.Protocol
	if isStatusCode(resp.Status) {
		k.status = measuredStatus(resp.Status)
		if !isAssigned(resp.Status) {
			k.protocol = Protocol{}
		}
	}
	if m.config.Attributes&Template == 0 {
		k.template = ""
	}
	return k
}

// activeKey returns the key of what is known before the request is sent.
func (m *Instruments) activeKey(r *Request) key {
	k := key{method: r.Method, host: r.Host, port: r.Port, template: r.Template}
	if m.config.Attributes&Scheme != 0 {
		k.scheme = r.Scheme
	}
	return k
}

// serverKey returns the key of the abandoned bodies: the server as in the metrics of
// the request. The application's own attributes may replace a value that clients can
// choose, such as the Host header that a reverse proxy forwards.
func (r *Request) serverKey() key {
	k := key{host: r.Host, port: r.Port}
	for _, a := range r.Own {
		switch a.Key {
		case std.ServerAddressKey:
			k.host = a.Value.AsString()
		case std.ServerPortKey:
			k.port = int(a.Value.AsInt64())
		}
	}
	return k
}

func (k key) attributes(own []attribute.KeyValue) []attribute.KeyValue {
	a := make([]attribute.KeyValue, 0, 9+len(own))
	if k.method != "" {
		a = append(a, std.HTTPRequestMethodKey.String(k.method))
	}
	a = appendServer(a, k.host, k.port)
	if k.status != 0 {
		a = append(a, std.HTTPResponseStatusCode(k.status))
	}
	if k.errorType != "" {
		a = append(a, ErrorTypeKey.String(k.errorType))
	}
	a = k.protocol.append(a)
	if k.scheme != "" {
		a = append(a, std.URLScheme(k.scheme))
	}
	if k.template != "" {
		a = append(a, std.URLTemplate(k.template))
	}
	return append(a, own...)
}

// options are the attributes of a measurement, as options.
type options struct {
	record []metric.RecordOption
	add    []metric.AddOption
}

func newOptions(a []attribute.KeyValue) options {
	option := metric.WithAttributeSet(attribute.NewSet(a...))
	return options{[]metric.RecordOption{option}, []metric.AddOption{option}}
}

// options returns the options of a measurement with the application's own
// attributes.
func (m *Instruments) options(k key, own []attribute.KeyValue) options {
	if len(own) > 0 {
		return m.setOptions(k.attributes(own))
	}
	o, ok := m.cache.Get(k)
	if !ok {
		k = k.clone()
		o = newOptions(k.attributes(nil))
		m.cache.Put(k, o)
	}
	return o
}

// oldOptions returns the options of http.client.duration, whose attributes are the renamed
// ones of the duration.
func (m *Instruments) oldOptions(k key, own []attribute.KeyValue) options {
	return m.setOptions(append(appendOld(nil, k.attributes(nil)), own...))
}

// clone returns a key that shares no memory with a request: the cache and the SDK
// retain it.
func (k key) clone() key {
	k.host, k.scheme, k.template = strings.Clone(k.host), strings.Clone(k.scheme), strings.Clone(k.template)
	k.errorType, k.protocol.name = strings.Clone(k.errorType), strings.Clone(k.protocol.name)
	return k
}

// setOptions returns the options of attributes that have no key of their own. They
// are cached by their set: the SDK keeps its strings for good, so they must be
// copied once.
func (m *Instruments) setOptions(a []attribute.KeyValue) options {
	set := attribute.NewSet(a...)
	o, ok := m.sets.Get(set.Equivalent())
	if !ok {
		a = set.ToSlice()
		foreign.Clone(a)
		o = newOptions(a)
		m.sets.Put(set.Equivalent(), o)
	}
	return o
}
