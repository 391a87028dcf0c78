package semconv

import (
	"context"
	"reflect"
	"slices"
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
	"github.com/otelhttpclient/otelhttpclient/internal/callback"
	"github.com/otelhttpclient/otelhttpclient/internal/identity"
	"github.com/otelhttpclient/otelhttpclient/internal/openconns"
)

// Metrics are opt-in metrics.
type Metrics uint16

// The opt-in metrics.
const (
	RequestSizes Metrics = 1 << iota
	ResponseSizes
	ActiveRequests
	OpenConnections
	ConnectionDuration
	TimeInQueue
	DNSLookups

	ConnectionMetrics = OpenConnections | ConnectionDuration
)

// MetricOf returns the opt-in metric with this name, or 0.
func MetricOf(name string) Metrics {
	for i := range optIn {
		if optIn[i].name == name {
			return optIn[i].metric
		}
	}
	return 0
}

const timeInQueueName = "http.client.request.time_in_queue"

// optIn lists the opt-in metrics.
var optIn = []struct {
	metric Metrics
	name   string
	create func(m *Instruments, meter metric.Meter)
}{
	{RequestSizes, httpconv.ClientRequestBodySize{}.Name(), func(m *Instruments, meter metric.Meter) {
		i, err := httpconv.NewClientRequestBodySize(meter, bodySizeBuckets())
		m.requestSize = keep(m, i.Inst(), err)
	}},
	{ResponseSizes, httpconv.ClientResponseBodySize{}.Name(), func(m *Instruments, meter metric.Meter) {
		i, err := httpconv.NewClientResponseBodySize(meter, bodySizeBuckets())
		m.responseSize = keep(m, i.Inst(), err)
	}},
	{ActiveRequests, httpconv.ClientActiveRequests{}.Name(), func(m *Instruments, meter metric.Meter) {
		i, err := httpconv.NewClientActiveRequests(meter)
		m.active = keep(m, i.Inst(), err)
	}},
	{OpenConnections, httpconv.ClientOpenConnections{}.Name(), func(m *Instruments, meter metric.Meter) {
		handle(m.connections.Observe(meter))
	}},
	{ConnectionDuration, httpconv.ClientConnectionDuration{}.Name(), func(m *Instruments, meter metric.Meter) {
		i, err := httpconv.NewClientConnectionDuration(meter,
			metric.WithExplicitBucketBoundaries(0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300))
		m.connectionDuration = keep(m, i.Inst(), err)
	}},
	{TimeInQueue, timeInQueueName, func(m *Instruments, meter metric.Meter) {
		i, err := meter.Float64Histogram(timeInQueueName,
			metric.WithUnit("s"),
			metric.WithDescription("The time that requests wait for a connection."),
			metric.WithExplicitBucketBoundaries(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30))
		m.timeInQueue = keep(m, i, err)
	}},
	{DNSLookups, dnsconv.LookupDuration{}.Name(), func(m *Instruments, meter metric.Meter) {
		i, err := dnsconv.NewLookupDuration(meter,
			metric.WithExplicitBucketBoundaries(0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10))
		m.dnsLookup = keep(m, i.Inst(), err)
	}},
}

// Instruments are the instruments of one meter. Disabled ones are nil.
type Instruments struct {
	provider metric.MeterProvider
	config   Config
	guard    callback.Guard

	all []instrument // the instruments below that measure requests
	// embedNoop: Enabled may come from an embedded no-op, so false means nothing.
	embedNoop bool
	trusted   bool // all are the SDK's or no-ops, whose Enabled does not panic

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

	cache bounded.Cache[key, options]
	sets  bounded.Cache[attribute.Distinct, options] // with attributes of the application
}

type instrument interface{ Enabled(context.Context) bool }

// none records nothing.
var none Instruments

// Meters creates the Instruments of providers, and caches those of the latest.
type Meters struct {
	New        func(metric.MeterProvider) metric.Meter
	Configured metric.MeterProvider // nil: the global one
	Config     Config
	Guard      callback.Guard

	mu     sync.Mutex
	own    atomic.Pointer[Instruments] // Instruments of the configured provider, which may not be comparable
	latest identity.Latest[*Instruments]
	owner  *byte // owner of the connections if the provider is not comparable; does not refer to s
}

// For returns the Instruments for a request with this context, or nil if none of
// them records anything.
func (s *Meters) For(ctx context.Context) *Instruments {
	m := s.own.Load()
	if m == nil {
		m = s.current()
	}
	if !m.enabled(ctx) {
		return nil
	}
	return m
}

// current returns the Instruments of the configured provider, which has none yet, or
// of the global one.
func (s *Meters) current() *Instruments {
	global := otel.GetMeterProvider()
	if s.Configured == nil {
		if m, known := s.latest.Get(global); known {
			return m
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.Configured != nil {
		if s.own.Load() == nil {
			s.own.Store(s.create(s.Configured))
		}
		return s.own.Load()
	}
	m, known := s.latest.Get(global)
	if !known {
		m = s.create(global)
		s.latest.Put(global, m)
	}
	return m
}

func (s *Meters) create(provider metric.MeterProvider) *Instruments {
	owner := any(provider)
	if !reflect.ValueOf(provider).Comparable() {
		if s.owner == nil {
			s.owner = new(byte)
		}
		owner = s.owner
	}
	m := &Instruments{provider: provider, config: s.Config, guard: s.Guard}
	if !s.Guard.Call("MeterProvider", func() { m.create(s.New(provider), owner) }) {
		// Tracing continues without metrics.
		m = &Instruments{provider: provider, config: s.Config, guard: s.Guard, duration: noop.Float64Histogram{}}
	}
	return m
}

func (m *Instruments) create(meter metric.Meter, owner any) {
	duration, err := httpconv.NewClientRequestDuration(meter)
	m.duration = keep(m, duration.Inst(), err)
	if m.config.Metrics&ConnectionMetrics != 0 {
		m.connections = openconns.New(owner, m.guard)
	}
	for i := range optIn {
		if m.config.Metrics&optIn[i].metric != 0 {
			optIn[i].create(m, meter)
		}
	}
	if m.config.OldNames {
		old, err := meter.Float64Histogram("http.client.duration",
			metric.WithUnit("ms"),
			metric.WithDescription("Measures the duration of outbound HTTP requests."))
		m.oldDuration = keep(m, old, err)
	}
	m.abandoned, err = meter.Int64Counter(string(AbandonedKey),
		metric.WithUnit("{body}"),
		metric.WithDescription("Response bodies that were neither read to the end nor closed."))
	handle(err)
	m.trusted = !slices.ContainsFunc(m.all, func(i instrument) bool { return !isSDKInstrument(i) })
}

// keep adds an instrument to m.all and returns it.
func keep[I instrument](m *Instruments, i I, err error) I {
	handle(err)
	if any(i) != nil {
		m.all = append(m.all, i)
	}
	m.embedNoop = m.embedNoop || embedsNoop(reflect.TypeOf(i))
	return i
}

func handle(err error) {
	if err != nil {
		otel.Handle(err)
	}
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

// isSDKInstrument reports whether an instrument is one of the SDK or a no-op. Those
// of the API's default provider are neither: they call the SDK that is set later.
func isSDKInstrument(i instrument) bool {
	switch identity.PackageOf(i) {
	case "go.opentelemetry.io/otel/sdk/metric", "go.opentelemetry.io/otel/metric/noop":
		return true
	}
	return false
}

// enabled reports whether an instrument records anything.
func (m *Instruments) enabled(ctx context.Context) (enabled bool) {
	if m.trusted {
		return m.anyEnabled(ctx)
	}
	m.guard.Call("instrument", func() { enabled = m.anyEnabled(ctx) })
	return enabled
}

func (m *Instruments) anyEnabled(ctx context.Context) bool {
	for _, i := range m.all {
		if i.Enabled(ctx) {
			return true
		}
	}
	return m.embedNoop || m.connections != nil && m.connections.Collected()
}

// ConnectionUse describes a request on a connection. It is nil if connections are
// not measured, as with nil Instruments.
func (m *Instruments) ConnectionUse(r *Request) *openconns.Use {
	if m == nil || m.connections == nil {
		return nil
	}
	u := &openconns.Use{
		Pool:     m.connections,
		Labels:   openconns.Labels{Host: r.Host, Port: r.Port},
		Peer:     m.config.Attributes&PeerAddress != 0,
		Counted:  m.config.Metrics&OpenConnections != 0,
		Duration: m.connectionDuration,
	}
	if m.config.Attributes&Scheme != 0 {
		u.Labels.Scheme = r.Scheme
	}
	return u
}
