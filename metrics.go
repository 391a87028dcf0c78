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
)

// A Metric is the name of a metric that is recorded only when it is asked for,
// with [WithOptInMetrics].
type Metric string

const (
	// MetricRequestBodySize is a histogram of how many bytes of request
	// bodies were sent, where that is known: see [WithOptInAttributes].
	MetricRequestBodySize Metric = "http.client.request.body.size"
	// MetricResponseBodySize is a histogram of how many bytes of response
	// bodies were received. Bodies that net/http decompressed on its own are
	// left out, as their size on the wire cannot be learned.
	MetricResponseBodySize Metric = "http.client.response.body.size"
	// MetricActiveRequests counts the requests that are under way.
	MetricActiveRequests Metric = "http.client.active_requests"
	// MetricOpenConnections is an up-down counter of the open connections, by
	// http.connection.state: active while a request uses the connection, idle
	// otherwise. All Transports that share a MeterProvider count a connection
	// once, and as active for the requests of all of them; two MeterProviders
	// each get it. A provider of a type that cannot be compared gets it once
	// for each Transport.
	//
	// It needs a base that calls the hooks of [net/http/httptrace], and
	// connections that have a file descriptor, such as those of
	// *http.Transport: a [syscall.Conn], or a wrapper with a NetConn method
	// that leads to one. Other connections are left out.
	//
	// net/http reports a connection when a request gets it, and never that it
	// was closed. Hence these limits:
	//
	//   - A connection counts from its first response on, as its protocol
	//     version is unknown before, and until up to about a second after it
	//     was closed. One that never carried a response of these Transports
	//     does not count: a dial that lost the race against an idle
	//     connection, say, until a later request uses its connection.
	//   - server.address and server.port are those of the latest request. They
	//     change on a connection to a proxy for plain http, which carries
	//     requests to many hosts, and where requests set [net/http.Request]'s
	//     Host. Between requests it counts as idle for the latest host,
	//     although any host can use it.
	//   - Where base sends one request over several connections at a time,
	//     only the latest counts as active.
	MetricOpenConnections Metric = "http.client.open_connections"
	// MetricConnectionDuration is a histogram of how many seconds connections
	// were open. It is recorded once for each connection, after it was closed,
	// and needs and leaves out what MetricOpenConnections does. Its
	// server.address and server.port are those of the connection's last
	// request.
	//
	// The time ends when the closed connection is found, up to about a second
	// late. It starts when a request of these Transports first gets the
	// connection, less the idle time that net/http reports then. So it is too
	// short for a connection that first carried other requests, by the time
	// before it was last idle, and for an HTTP/2 connection whose dial lost a
	// race, by the time before its first request: net/http reports no idle
	// time there.
	MetricConnectionDuration Metric = "http.client.connection.duration"
)

// optInMetrics are the metrics that are recorded only when asked for.
type optInMetrics uint8

const (
	optInRequestSizeMetric optInMetrics = 1 << iota
	optInResponseSizeMetric
	optInActiveRequests
	optInOpenConnections
	optInConnectionDuration

	optInConnectionMetrics = optInOpenConnections | optInConnectionDuration
)

var optInMetricBits = map[Metric]optInMetrics{
	MetricRequestBodySize:    optInRequestSizeMetric,
	MetricResponseBodySize:   optInResponseSizeMetric,
	MetricActiveRequests:     optInActiveRequests,
	MetricOpenConnections:    optInOpenConnections,
	MetricConnectionDuration: optInConnectionDuration,
}

// meterSource gives the instruments to use: those of the provider that was
// configured, or of the one that is the global one now.
type meterSource struct {
	explicit metric.MeterProvider
	mu       sync.Mutex
	cached   atomic.Pointer[instruments]
}

func (s *meterSource) now(c *config) *instruments {
	m := s.cached.Load()
	provider := s.explicit
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
	m = containedInstruments(c, provider)
	s.cached.Store(m)
	return m
}

// containedInstruments returns instruments that measure nothing if the provider
// panics: tracing goes on without it.
func containedInstruments(c *config, provider metric.MeterProvider) (m *instruments) {
	defer contain("MeterProvider")
	m = &instruments{provider: provider, config: c, duration: noop.Float64Histogram{}}
	m = newInstruments(c, provider)
	return m
}

// same reports whether two values, such as providers, are one. A value may be of
// a type that cannot be compared; it is then another one each time. A slice,
// such as a composite propagator, is the same if it has the same elements in
// the same place.
func same(a, b any) bool {
	t := reflect.TypeOf(a)
	switch {
	case t == nil || t != reflect.TypeOf(b):
		return false
	case t.Kind() == reflect.Slice:
		x, y := reflect.ValueOf(a), reflect.ValueOf(b)
		return x.Pointer() == y.Pointer() && x.Len() == y.Len()
	case t.Kind() != reflect.Pointer && !reflect.ValueOf(a).Comparable():
		return false
	}
	return a == b
}

// instruments are those of one meter. Those that are not wanted are nil.
type instruments struct {
	provider metric.MeterProvider
	config   *config

	// embedNoop: some instrument may record although its Enabled says no.
	embedNoop bool

	duration     metric.Float64Histogram
	oldDuration  metric.Float64Histogram
	requestSize  metric.Int64Histogram
	responseSize metric.Int64Histogram
	active       metric.Int64UpDownCounter

	openConnections    metric.Int64UpDownCounter
	connectionDuration metric.Float64Histogram

	measurements boundedCache[measurement, []metric.RecordOption]
	actives      boundedCache[measurement, []metric.AddOption]
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
	if c.metrics&optInRequestSizeMetric != 0 {
		i, err := httpconv.NewClientRequestBodySize(meter)
		check(err)
		m.requestSize = i.Inst()
	}
	if c.metrics&optInResponseSizeMetric != 0 {
		i, err := httpconv.NewClientResponseBodySize(meter)
		check(err)
		m.responseSize = i.Inst()
	}
	if c.metrics&optInActiveRequests != 0 {
		i, err := httpconv.NewClientActiveRequests(meter)
		check(err)
		m.active = i.Inst()
	}
	if c.metrics&optInOpenConnections != 0 {
		i, err := httpconv.NewClientOpenConnections(meter)
		check(err)
		m.openConnections = i.Inst()
	}
	if c.metrics&optInConnectionDuration != 0 {
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

// enabled reports whether anybody reads what is measured.
func (m *instruments) enabled(ctx context.Context) (enabled bool) {
	defer contain("instrument")
	return m.duration.Enabled(ctx) ||
		m.oldDuration != nil && m.oldDuration.Enabled(ctx) ||
		m.requestSize != nil && m.requestSize.Enabled(ctx) ||
		m.responseSize != nil && m.responseSize.Enabled(ctx) ||
		m.active != nil && m.active.Enabled(ctx) ||
		m.openConnections != nil && m.openConnections.Enabled(ctx) ||
		m.connectionDuration != nil && m.connectionDuration.Enabled(ctx) ||
		m.embedNoop
}

// measurement is what tells measurements apart, and the key under which their
// attribute sets are kept.
type measurement struct {
	method, host, scheme, template string
	port, status                   int
	errorType                      string
	protocol                       protocol
}

// begin counts the request as active.
func (m *instruments) begin(rt *roundTrip) {
	if m.active != nil {
		m.active.Add(rt, 1, m.activeOptions(rt)...)
	}
}

// record records all that is measured of a round trip. The round trip is the
// context, so that exemplars link to its span.
func (m *instruments) record(rt *roundTrip, d time.Duration) {
	options := m.recordOptions(rt)
	m.duration.Record(rt, d.Seconds(), options...)
	if m.oldDuration != nil {
		m.oldDuration.Record(rt, float64(d)/float64(time.Millisecond),
			metric.WithAttributeSet(attribute.NewSet(oldMeasurementAttributes(rt)...)))
	}
	if m.requestSize != nil {
		if n, known := rt.sentBytes(); known {
			m.requestSize.Record(rt, n, options...)
		}
	}
	if m.responseSize != nil {
		if n, known := rt.receivedBytes(); known {
			m.responseSize.Record(rt, n, options...)
		}
	}
	if m.active != nil {
		m.active.Add(rt, -1, m.activeOptions(rt)...)
	}
}

// recordOptions are the attributes of duration and sizes.
func (m *instruments) recordOptions(rt *roundTrip) []metric.RecordOption {
	f := &rt.facts
	key := measurement{
		method: f.method, host: f.host, port: f.port,
		status: rt.status, errorType: rt.errorType, protocol: rt.protocol,
	}
	if m.config.attributes&optInScheme != 0 {
		key.scheme = f.scheme
	}
	if m.config.attributes&optInTemplate != 0 {
		key.template = f.template
	}
	if len(f.caller.attributes) == 0 {
		if options, ok := m.measurements.get(key); ok {
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
	if key.protocol.name != "" {
		a = append(a, semconv.NetworkProtocolName(key.protocol.name))
	}
	if key.protocol.version != "" {
		a = append(a, semconv.NetworkProtocolVersion(key.protocol.version))
	}
	if key.scheme != "" {
		a = append(a, semconv.URLScheme(key.scheme))
	}
	if key.template != "" {
		a = append(a, semconv.URLTemplate(key.template))
	}
	options := []metric.RecordOption{metric.WithAttributeSet(attribute.NewSet(append(a, f.caller.attributes...)...))}
	if len(f.caller.attributes) == 0 {
		m.measurements.put(key, options)
	}
	return options
}

func (m *instruments) activeOptions(rt *roundTrip) []metric.AddOption {
	f := &rt.facts
	key := measurement{method: f.method, host: f.host, port: f.port}
	if options, ok := m.actives.get(key); ok {
		return options
	}
	a := appendServer([]attribute.KeyValue{semconv.HTTPRequestMethodKey.String(key.method)}, key.host, key.port)
	options := []metric.AddOption{metric.WithAttributeSet(attribute.NewSet(a...))}
	m.actives.put(key, options)
	return options
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

// boundedCache keeps values that are costly to make. Reading it takes no lock;
// it is copied when a value is put, which is rare: it holds few values, and a
// program with more keys than that has it emptied only now and then.
type boundedCache[K comparable, V any] struct {
	values atomic.Pointer[map[K]V]
	mu     sync.Mutex
	missed int // while full
}

const (
	cacheSize       = 256
	cacheMissesFull = 16 * cacheSize
)

func (c *boundedCache[K, V]) get(key K) (v V, ok bool) {
	if m := c.values.Load(); m != nil {
		v, ok = (*m)[key]
	}
	return v, ok
}

func (c *boundedCache[K, V]) put(key K, v V) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var old map[K]V
	if m := c.values.Load(); m != nil {
		old = *m
	}
	if len(old) >= cacheSize {
		if c.missed++; c.missed < cacheMissesFull {
			return
		}
		c.missed, old = 0, nil
	}
	copied := make(map[K]V, len(old)+1)
	for k, v := range old {
		copied[k] = v
	}
	copied[key] = v
	c.values.Store(&copied)
}
