package otelhttpclient

import (
	"context"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/semconv/v1.43.0/dnsconv"
	"go.opentelemetry.io/otel/semconv/v1.43.0/httpconv"

	"github.com/otelhttpclient/otelhttpclient/internal/bounded"
)

// meterSource keeps the instruments of the latest provider.
type meterSource struct {
	mu     sync.Mutex
	cached atomic.Pointer[instruments]
}

// instruments returns the instruments for a request with this context, or nil
// if none of them records anything.
func (in *instrumentation) instruments(ctx context.Context) *instruments {
	m := in.meters.of(&in.config)
	enabled := false
	in.guard.call("instrument", func() { enabled = m.enabled(ctx) })
	if !enabled {
		return nil
	}
	return m
}

func (s *meterSource) of(c *config) *instruments {
	m := s.cached.Load()
	provider := c.meterProvider
	if provider == nil {
		provider = otel.GetMeterProvider()
	} else if m != nil {
		return m
	}
	if m != nil && same(m.provider, provider) {
		return m
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if m := s.cached.Load(); m != nil && same(m.provider, provider) {
		return m
	}
	// If the provider panics, tracing continues without metrics.
	m = &instruments{provider: provider, config: c, duration: noop.Float64Histogram{}}
	c.guard.call("MeterProvider", func() { m = newInstruments(c, provider) })
	s.cached.Store(m)
	return m
}

// instruments are the instruments of one meter. Those that are not enabled by
// options are nil.
type instruments struct {
	provider metric.MeterProvider
	config   *config

	// embedNoop: an instrument may record although its Enabled returns false.
	embedNoop bool

	duration     metric.Float64Histogram
	oldDuration  metric.Float64Histogram
	requestSize  metric.Int64Histogram
	responseSize metric.Int64Histogram
	active       metric.Int64UpDownCounter

	openConnections    metric.Int64UpDownCounter
	connectionDuration metric.Float64Histogram
	timeInQueue        metric.Float64Histogram
	dnsLookup          metric.Float64Histogram

	// abandoned is created with the first abandoned body.
	abandoned func() metric.Int64Counter

	cache bounded.Cache[measurement, measurementOptions]
}

func newInstruments(c *config, provider metric.MeterProvider) *instruments {
	meter := newMeter(provider)
	m := &instruments{provider: provider, config: c}
	check := func(err error) {
		if err != nil {
			otel.Handle(err)
		}
	}
	duration, err := httpconv.NewClientRequestDuration(meter)
	check(err)
	m.duration = duration.Inst()
	if c.optInMetrics&optInRequestSizeMetric != 0 {
		i, err := httpconv.NewClientRequestBodySize(meter)
		check(err)
		m.requestSize = i.Inst()
	}
	if c.optInMetrics&optInResponseSizeMetric != 0 {
		i, err := httpconv.NewClientResponseBodySize(meter)
		check(err)
		m.responseSize = i.Inst()
	}
	if c.optInMetrics&optInActiveRequests != 0 {
		i, err := httpconv.NewClientActiveRequests(meter)
		check(err)
		m.active = i.Inst()
	}
	if c.optInMetrics&optInOpenConnections != 0 {
		i, err := httpconv.NewClientOpenConnections(meter)
		check(err)
		m.openConnections = i.Inst()
	}
	if c.optInMetrics&optInConnectionDuration != 0 {
		i, err := httpconv.NewClientConnectionDuration(meter,
			metric.WithExplicitBucketBoundaries(0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300))
		check(err)
		m.connectionDuration = i.Inst()
	}
	if c.optInMetrics&optInTimeInQueue != 0 {
		m.timeInQueue, err = meter.Float64Histogram(string(MetricRequestTimeInQueue),
			metric.WithUnit("s"),
			metric.WithDescription("The time that requests wait for a connection."),
			metric.WithExplicitBucketBoundaries(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30))
		check(err)
	}
	if c.optInMetrics&optInDNSLookup != 0 {
		i, err := dnsconv.NewLookupDuration(meter,
			metric.WithExplicitBucketBoundaries(0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10))
		check(err)
		m.dnsLookup = i.Inst()
	}
	m.abandoned = sync.OnceValue(func() metric.Int64Counter {
		counter, err := meter.Int64Counter(string(abandonedKey),
			metric.WithUnit("{body}"),
			metric.WithDescription("Response bodies that were neither read to the end nor closed."))
		check(err)
		return counter
	})
	if c.oldNames {
		m.oldDuration, err = meter.Float64Histogram("http.client.duration",
			metric.WithUnit("ms"),
			metric.WithDescription("Measures the duration of outbound HTTP requests."))
		check(err)
	}
	for _, i := range []any{m.duration, m.oldDuration, m.requestSize, m.responseSize, m.active, m.openConnections, m.connectionDuration, m.timeInQueue, m.dnsLookup} {
		m.embedNoop = m.embedNoop || embedsNoop(reflect.TypeOf(i))
	}
	return m
}

// embedsNoop reports whether an instrument is of a type that embeds a no-op or
// an interface, and may have its method Enabled from there.
func embedsNoop(t reflect.Type) bool {
	if t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t == nil || t.Kind() != reflect.Struct || strings.HasPrefix(t.PkgPath(), "go.opentelemetry.io/otel/") {
		return false
	}
	for i := range t.NumField() {
		f := t.Field(i)
		if _, ok := f.Type.MethodByName("Enabled"); f.Anonymous && ok {
			return true
		}
	}
	return false
}

// enabled reports whether an instrument records anything.
func (m *instruments) enabled(ctx context.Context) bool {
	return m.duration.Enabled(ctx) ||
		m.oldDuration != nil && m.oldDuration.Enabled(ctx) ||
		m.requestSize != nil && m.requestSize.Enabled(ctx) ||
		m.responseSize != nil && m.responseSize.Enabled(ctx) ||
		m.active != nil && m.active.Enabled(ctx) ||
		m.openConnections != nil && m.openConnections.Enabled(ctx) ||
		m.connectionDuration != nil && m.connectionDuration.Enabled(ctx) ||
		m.timeInQueue != nil && m.timeInQueue.Enabled(ctx) ||
		m.dnsLookup != nil && m.dnsLookup.Enabled(ctx) ||
		m.embedNoop
}

// begin counts the request as active.
func (m *instruments) begin(ctx context.Context, f *facts) {
	if m.active != nil {
		m.active.Add(ctx, 1, m.options(m.activeKey(f), f.own).add...)
	}
}

// record records everything that is measured of a request. ctx carries the span,
// for exemplars.
func (m *instruments) record(ctx context.Context, f *facts, o *outcome, s measures) {
	key := m.key(f, o)
	m.duration.Record(ctx, s.duration.Seconds(), m.options(key, f.own).record...)
	if m.oldDuration != nil {
		m.oldDuration.Record(ctx, float64(s.duration)/float64(time.Millisecond),
			metric.WithAttributeSet(attribute.NewSet(oldMeasurementAttributes(f, o)...)))
	}
	key.template = f.template // Opt-In on the duration, and required on the sizes
	if m.requestSize != nil && s.requestSize.known {
		m.requestSize.Record(ctx, s.requestSize.bytes, m.options(key, f.own).record...)
	}
	if m.responseSize != nil && s.responseSize.known {
		m.responseSize.Record(ctx, s.responseSize.bytes, m.options(key, f.own).record...)
	}
	if m.active != nil {
		m.active.Add(ctx, -1, m.options(m.activeKey(f), f.own).add...)
	}
	if m.timeInQueue != nil && s.waited {
		key := measurement{method: f.method, host: f.host, port: f.port, scheme: f.scheme, protocol: protocol{version: o.protocol.version}}
		m.timeInQueue.Record(ctx, s.timeInQueue.Seconds(), m.options(key, f.own).record...)
	}
	if s.abandoned && m.abandoned != nil {
		m.abandoned().Add(ctx, 1, m.options(measurement{host: f.host, port: f.port}, nil).add...)
	}
}

// measures are what is measured of a request.
type measures struct {
	duration                  time.Duration
	requestSize, responseSize size
	timeInQueue               time.Duration
	waited                    bool // for a connection
	abandoned                 bool // the body is
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
	key.status, key.errorType, key.protocol = o.status, o.errorType, o.protocol
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
// attributes. Without these they are cached.
func (m *instruments) options(key measurement, own []attribute.KeyValue) measurementOptions {
	if len(own) > 0 {
		return newMeasurementOptions(key.attributes(own))
	}
	options, ok := m.cache.Get(key)
	if !ok {
		options = newMeasurementOptions(key.attributes(nil))
		m.cache.Put(key, options)
	}
	return options
}
