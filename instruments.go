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

	measurements bounded.Cache[measurement, []metric.RecordOption]
	actives      bounded.Cache[measurement, []metric.AddOption]
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
	if c.oldNames {
		m.oldDuration, err = meter.Float64Histogram("http.client.duration",
			metric.WithUnit("ms"),
			metric.WithDescription("Measures the duration of outbound HTTP requests."))
		check(err)
	}
	for _, i := range []any{m.duration, m.oldDuration, m.requestSize, m.responseSize, m.active, m.openConnections, m.connectionDuration} {
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
		m.embedNoop
}

// measurement is the key of the attribute sets of measurements.
type measurement struct {
	method, host, scheme, template string
	port, status                   int
	errorType                      string
	protocol                       protocol
}

// begin counts the request as active.
func (m *instruments) begin(ctx context.Context, f *facts) {
	if m.active != nil {
		m.active.Add(ctx, 1, m.activeOptions(f)...)
	}
}

// record records everything that is measured of a request. ctx carries the span,
// for exemplars.
func (m *instruments) record(ctx context.Context, f *facts, o *outcome, s sizes, duration time.Duration) {
	options := m.recordOptions(f, o)
	m.duration.Record(ctx, duration.Seconds(), options...)
	if m.oldDuration != nil {
		m.oldDuration.Record(ctx, float64(duration)/float64(time.Millisecond),
			metric.WithAttributeSet(attribute.NewSet(oldMeasurementAttributes(f, o)...)))
	}
	if m.requestSize != nil && s.request.known {
		m.requestSize.Record(ctx, s.request.bytes, options...)
	}
	if m.responseSize != nil && s.response.known {
		m.responseSize.Record(ctx, s.response.bytes, options...)
	}
	if m.active != nil {
		m.active.Add(ctx, -1, m.activeOptions(f)...)
	}
}

// recordOptions returns the attributes of duration and sizes.
func (m *instruments) recordOptions(f *facts, o *outcome) []metric.RecordOption {
	key := measurement{
		method: f.method, host: f.host, port: f.port,
		status: o.status, errorType: o.errorType, protocol: o.protocol,
	}
	if m.config.optInAttributes&optInScheme != 0 {
		key.scheme = f.scheme
	}
	if m.config.optInAttributes&optInTemplate != 0 {
		key.template = f.template
	}
	if len(f.caller.attributes) == 0 {
		if options, ok := m.measurements.Get(key); ok {
			return options
		}
	}
	a := append(make([]attribute.KeyValue, 0, 9+len(f.caller.attributes)), semconv.HTTPRequestMethodKey.String(key.method))
	a = appendServer(a, key.host, key.port)
	if key.status != 0 {
		a = append(a, semconv.HTTPResponseStatusCode(key.status))
	}
	if key.errorType != "" {
		a = append(a, errorTypeKey.String(key.errorType))
	}
	a = appendProtocol(a, key.protocol)
	if key.scheme != "" {
		a = append(a, semconv.URLScheme(key.scheme))
	}
	if key.template != "" {
		a = append(a, semconv.URLTemplate(key.template))
	}
	options := []metric.RecordOption{metric.WithAttributeSet(attribute.NewSet(append(a, f.caller.attributes...)...))}
	if len(f.caller.attributes) == 0 {
		m.measurements.Put(key, options)
	}
	return options
}

func (m *instruments) activeOptions(f *facts) []metric.AddOption {
	key := measurement{method: f.method, host: f.host, port: f.port}
	if options, ok := m.actives.Get(key); ok {
		return options
	}
	a := appendServer([]attribute.KeyValue{semconv.HTTPRequestMethodKey.String(key.method)}, key.host, key.port)
	options := []metric.AddOption{metric.WithAttributeSet(attribute.NewSet(a...))}
	m.actives.Put(key, options)
	return options
}
