package otelhttpclient

import (
	"context"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/otelhttpclient/otelhttpclient/internal/foreign"
)

// begin counts the request as active, and the abandoned bodies of its server from
// 0: an increase from nothing is none.
func (m *instruments) begin(ctx context.Context, f *facts) {
	if m.active != nil {
		m.active.Add(ctx, 1, m.options(m.activeKey(f), f.own).add...)
	}
	if m.abandoned == nil {
		return
	}
	server := f.serverKey()
	if _, born := m.cache.Get(server); !born {
		m.abandoned.Add(ctx, 0, m.options(server, nil).add...)
	}
}

// leave counts the request as no longer active.
func (m *instruments) leave(ctx context.Context, f *facts) {
	if m.active != nil {
		m.active.Add(ctx, -1, m.options(m.activeKey(f), f.own).add...)
	}
}

// record records everything that is measured of a request and that s.below does
// not record. ctx carries the span, for exemplars.
func (m *instruments) record(ctx context.Context, f *facts, o *outcome, s measures) {
	if s.active {
		// Deferred: each +1 has its -1, even if another instrument panics.
		defer m.leave(ctx, f)
	}
	key := m.key(f, o)
	if s.below.duration == nil {
		m.duration.Record(ctx, s.duration.Seconds(), m.options(key, f.own).record...)
	}
	if m.oldDuration != nil && s.below.oldDuration == nil {
		m.oldDuration.Record(ctx, float64(s.duration)/float64(time.Millisecond),
			m.setOptions(oldMeasurementAttributes(f, o)).record...)
	}
	key.template = f.template // Opt-In on the duration, and required on the sizes
	if m.requestSize != nil && s.below.requestSize == nil && s.requestSize.known {
		m.requestSize.Record(ctx, s.requestSize.bytes, m.options(key, f.own).record...)
	}
	if m.responseSize != nil && s.below.responseSize == nil && s.responseSize.known {
		m.responseSize.Record(ctx, s.responseSize.bytes, m.options(key, f.own).record...)
	}
	if m.timeInQueue != nil && s.below.timeInQueue == nil && s.waited {
		key := m.key(f, o) // with the template where the duration has it
		key.scheme, key.status, key.errorType, key.protocol.name = f.scheme, 0, "", ""
		m.timeInQueue.Record(ctx, s.timeInQueue.Seconds(), m.options(key, f.own).record...)
	}
	if s.abandoned && m.abandoned != nil && s.below.abandoned == nil {
		m.abandoned.Add(ctx, 1, m.options(f.serverKey(), nil).add...)
	}
}

// serverKey returns the key of the abandoned bodies: the server as the metrics of
// the request have it. The application's own attributes may replace what anybody
// can choose, such as the Host header that a reverse proxy forwards.
func (f *facts) serverKey() measurement {
	key := measurement{host: f.host, port: f.port}
	for _, a := range f.own {
		switch a.Key {
		case semconv.ServerAddressKey:
			key.host = a.Value.AsString()
		case semconv.ServerPortKey:
			key.port = int(a.Value.AsInt64())
		}
	}
	return key
}

// measures are what is measured of a request.
type measures struct {
	duration                  time.Duration
	requestSize, responseSize size
	timeInQueue               time.Duration
	waited                    bool         // for a connection
	abandoned                 bool         // the body is
	active                    bool         // the request is counted as active
	below                     *instruments // by which a Transport below measures each attempt
}

// size is the size of a body.
type size struct {
	bytes int64
	known bool
}

// measurement is the key of the attributes of a measurement. Zero fields are no
// attributes.
type measurement struct {
	method, host, scheme, template string
	port, status                   int
	errorType                      string
	protocol                       protocol
}

// key returns the key of the duration.
func (m *instruments) key(f *facts, o *outcome) measurement {
	key := m.activeKey(f)
	key.errorType, key.protocol = o.errorType, o.protocol
	if isStatusCode(o.status) {
		key.status = measuredStatus(o.status)
		if !isAssigned(o.status) {
			key.protocol = protocol{}
		}
	}
	if m.config.optInAttributes&optInTemplate == 0 {
		key.template = ""
	}
	return key
}

// activeKey returns the key of what is known before the request is sent.
func (m *instruments) activeKey(f *facts) measurement {
	key := measurement{method: f.method, host: f.host, port: f.port, template: f.template}
	if m.config.optInAttributes&optInScheme != 0 {
		key.scheme = f.scheme
	}
	return key
}

func (k measurement) attributes(own []attribute.KeyValue) []attribute.KeyValue {
	a := make([]attribute.KeyValue, 0, 9+len(own))
	if k.method != "" {
		a = append(a, semconv.HTTPRequestMethodKey.String(k.method))
	}
	a = appendServer(a, k.host, k.port)
	if k.status != 0 {
		a = append(a, semconv.HTTPResponseStatusCode(k.status))
	}
	if k.errorType != "" {
		a = append(a, errorTypeKey.String(k.errorType))
	}
	a = appendProtocol(a, k.protocol)
	if k.scheme != "" {
		a = append(a, semconv.URLScheme(k.scheme))
	}
	if k.template != "" {
		a = append(a, semconv.URLTemplate(k.template))
	}
	return append(a, own...)
}

// measurementOptions are the attributes of a measurement, as options.
type measurementOptions struct {
	record []metric.RecordOption
	add    []metric.AddOption
}

func newMeasurementOptions(a []attribute.KeyValue) measurementOptions {
	option := metric.WithAttributeSet(attribute.NewSet(a...))
	return measurementOptions{[]metric.RecordOption{option}, []metric.AddOption{option}}
}

// options returns the options of a measurement with the application's own
// attributes.
func (m *instruments) options(key measurement, own []attribute.KeyValue) measurementOptions {
	if len(own) > 0 {
		return m.setOptions(key.attributes(own))
	}
	options, ok := m.cache.Get(key)
	if !ok {
		key = key.clone()
		options = newMeasurementOptions(key.attributes(nil))
		m.cache.Put(key, options)
	}
	return options
}

// clone returns a key that keeps no piece of a request. The cache and the SDK keep
// it for good.
func (k measurement) clone() measurement {
	k.host, k.scheme, k.template = strings.Clone(k.host), strings.Clone(k.scheme), strings.Clone(k.template)
	k.errorType, k.protocol.name = strings.Clone(k.errorType), strings.Clone(k.protocol.name)
	return k
}

// setOptions returns the options of attributes that have no key of their own. They
// are cached by their set: the SDK keeps its strings for good, so they must be
// copied once.
func (m *instruments) setOptions(a []attribute.KeyValue) measurementOptions {
	set := attribute.NewSet(a...)
	options, ok := m.sets.Get(set.Equivalent())
	if !ok {
		a = set.ToSlice()
		foreign.Clone(a)
		options = newMeasurementOptions(a)
		m.sets.Put(set.Equivalent(), options)
	}
	return options
}
