package otelhttpclient

import (
	"context"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/semconv/v1.43.0/dnsconv"
	"go.opentelemetry.io/otel/semconv/v1.43.0/httpconv"

	"github.com/otelhttpclient/otelhttpclient/internal/bounded"
	"github.com/otelhttpclient/otelhttpclient/internal/identity"
	"github.com/otelhttpclient/otelhttpclient/internal/openconns"
)

// meterSource keeps the instruments of the latest provider.
type meterSource struct {
	mu     sync.Mutex
	cached atomic.Pointer[instruments]
	owner  *byte // of the connections of a provider that cannot be compared; nothing refers to s
}

// instruments returns the instruments for a request with this context, or nil
// if none of them records anything.
func (in *instrumentation) instruments(ctx context.Context) *instruments {
	m := in.meters.of(&in.config)
	enabled := false
	in.guard.Call("instrument", func() { enabled = m.enabled(ctx) })
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
	if m != nil && identity.Same(m.provider, provider) {
		return m
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if m := s.cached.Load(); m != nil && identity.Same(m.provider, provider) {
		return m
	}
	// If the provider panics, tracing continues without metrics.
	m = &instruments{provider: provider, config: c, duration: noop.Float64Histogram{}}
	owner := any(provider)
	if !reflect.ValueOf(provider).Comparable() {
		if s.owner == nil {
			s.owner = new(byte)
		}
		owner = s.owner
	}
	c.guard.Call("MeterProvider", func() { m = newInstruments(c, provider, owner) })
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

	connections        *openconns.Pool // for open connections and their durations
	connectionDuration metric.Float64Histogram
	timeInQueue        metric.Float64Histogram
	dnsLookup          metric.Float64Histogram

	abandoned metric.Int64Counter

	cache bounded.Cache[measurement, measurementOptions]
	sets  bounded.Cache[attribute.Distinct, measurementOptions] // with attributes of the application
}

// noInstruments record nothing.
var noInstruments instruments

func newInstruments(c *config, provider metric.MeterProvider, owner any) *instruments {
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
		i, err := httpconv.NewClientRequestBodySize(meter, bodySizeBuckets())
		check(err)
		m.requestSize = i.Inst()
	}
	if c.optInMetrics&optInResponseSizeMetric != 0 {
		i, err := httpconv.NewClientResponseBodySize(meter, bodySizeBuckets())
		check(err)
		m.responseSize = i.Inst()
	}
	if c.optInMetrics&optInActiveRequests != 0 {
		i, err := httpconv.NewClientActiveRequests(meter)
		check(err)
		m.active = i.Inst()
	}
	if c.optInMetrics&optInConnectionMetrics != 0 {
		m.connections = openconns.New(owner, c.guard)
	}
	if c.optInMetrics&optInOpenConnections != 0 {
		check(m.connections.Observe(meter))
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
	m.abandoned, err = meter.Int64Counter(string(abandonedKey),
		metric.WithUnit("{body}"),
		metric.WithDescription("Response bodies that were neither read to the end nor closed."))
	check(err)
	if c.oldNames {
		m.oldDuration, err = meter.Float64Histogram("http.client.duration",
			metric.WithUnit("ms"),
			metric.WithDescription("Measures the duration of outbound HTTP requests."))
		check(err)
	}
	for _, i := range []any{m.duration, m.oldDuration, m.requestSize, m.responseSize, m.active, m.connectionDuration, m.timeInQueue, m.dnsLookup} {
		m.embedNoop = m.embedNoop || embedsNoop(reflect.TypeOf(i))
	}
	return m
}

// bodySizeBuckets are powers of 4 from 256 bytes to 256 MiB, and a bucket for
// empty bodies. The conventions have none for sizes, and those of the SDK end at
// 10,000 bytes.
func bodySizeBuckets() metric.HistogramOption {
	bounds := []float64{0}
	for b := 256.0; b <= 256<<20; b *= 4 {
		bounds = append(bounds, b)
	}
	return metric.WithExplicitBucketBoundaries(bounds...)
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
		m.connectionDuration != nil && m.connectionDuration.Enabled(ctx) ||
		m.timeInQueue != nil && m.timeInQueue.Enabled(ctx) ||
		m.dnsLookup != nil && m.dnsLookup.Enabled(ctx) ||
		m.embedNoop ||
		m.connections != nil && m.connections.Collected()
}

// connectionUse describes a request on a connection.
func (m *instruments) connectionUse(f *facts) *openconns.Use {
	u := &openconns.Use{
		Pool:     m.connections,
		Labels:   openconns.Labels{Host: f.host, Port: f.port},
		Peer:     m.config.optInAttributes&optInPeerAddress != 0,
		Counted:  m.config.optInMetrics&optInOpenConnections != 0,
		Duration: m.connectionDuration,
	}
	if m.config.optInAttributes&optInScheme != 0 {
		u.Labels.Scheme = f.scheme
	}
	return u
}
