package connections

import (
	"context"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/instrumented"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

var (
	poolCounts    = otelhttpclient.WithOptInMetrics(otelhttpclient.MetricOpenConnections)
	poolDurations = otelhttpclient.WithOptInMetrics(otelhttpclient.MetricConnectionDuration)
	poolBoth      = otelhttpclient.WithOptInMetrics(otelhttpclient.MetricOpenConnections, otelhttpclient.MetricConnectionDuration)
)

// poolState is the state of both metrics.
type poolState struct {
	active, idle int64
	durations    uint64
}

func poolStateOf(tel *oteltest.SDK) (s poolState) {
	s.active = tel.Count("http.client.open_connections", attribute.String("http.connection.state", "active"))
	s.idle = tel.Count("http.client.open_connections", attribute.String("http.connection.state", "idle"))
	m, _ := tel.Metric("http.client.connection.duration")
	h, _ := m.Data.(metricdata.Histogram[float64])
	for _, p := range h.DataPoints {
		s.durations += p.Count
	}
	return s
}

func wantPool(t *testing.T, tel *oteltest.SDK, when string, want poolState) {
	t.Helper()
	if got := poolStateOf(tel); got != want {
		t.Errorf("%s: got %+v, want %+v", when, got, want)
	}
}

// wantPoolClosed waits until all closed connections are detected, and checks
// that none is reported.
func wantPoolClosed(t *testing.T, tel *oteltest.SDK, durations uint64) {
	t.Helper()
	want := poolState{durations: durations}
	for deadline := time.Now().Add(5 * time.Second); poolStateOf(tel) != want && time.Now().Before(deadline); {
		time.Sleep(10 * time.Millisecond)
	}
	wantPool(t, tel, "after all were closed", want)
	if m, ok := tel.Metric("http.client.open_connections"); ok {
		t.Errorf("after all were closed: got %v, want no data points", m.Data)
	}
}

// A connection is counted once for each MeterProvider, in each requested
// metric, regardless of the number of Transports.
func TestPoolPerMeterProvider(t *testing.T) {
	for _, row := range []struct {
		name    string
		options []otelhttpclient.Option // of one Transport each
		counted bool
		timed   bool
	}{
		{"five Transports", []otelhttpclient.Option{poolBoth, poolBoth, poolBoth, poolBoth, poolBoth}, true, true},
		{"one with each metric", []otelhttpclient.Option{poolCounts, poolDurations}, true, true},
		{"one with each metric, the other way round", []otelhttpclient.Option{poolDurations, poolCounts}, true, true},
		{"one with both among others", []otelhttpclient.Option{poolDurations, poolBoth, poolCounts, nil}, true, true},
		{"all with one metric", []otelhttpclient.Option{poolCounts, poolCounts}, true, false},
		{"all with the other metric", []otelhttpclient.Option{poolDurations, poolDurations}, false, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel() // each takes a second
			oteltest.OnBothVersions(t, func(t *testing.T, version string) {
				w := oteltest.NewServer(t, version, oteltest.Handler(http.StatusOK, "fine"))
				tels := []*oteltest.SDK{oteltest.New(t), oteltest.New(t)}
				for range 2 {
					for _, o := range row.options {
						for _, tel := range tels {
							oteltest.Get(t, t.Context(), instrumented.Transport(tel, w.Base, o), w.URL)
						}
					}
				}
				for _, tel := range tels {
					want := poolState{}
					if row.counted {
						want.idle = 1
					}
					wantPool(t, tel, "after all requests", want)
				}
				w.Base.CloseIdleConnections()
				for _, tel := range tels {
					want := uint64(0)
					if row.timed {
						want = 1
					}
					wantPoolClosed(t, tel, want)
				}
			})
		})
	}
}

// A connection is active until its last request is over, through whichever
// Transport.
func TestPoolSharedByTransports(t *testing.T) {
	t.Parallel()
	const requests = 3
	answers := make(chan struct{})
	w := oteltest.NewServer(t, "2", func(rw http.ResponseWriter, _ *http.Request) {
		rw.(http.Flusher).Flush()
		<-answers
	})
	tel := oteltest.New(t)
	var responses []*http.Response
	for range requests {
		resp := oteltest.Open(t, instrumented.Transport(tel, w.Base, poolBoth), oteltest.NewRequest(t, t.Context(), "GET", w.URL, nil))
		responses = append(responses, resp)
		wantPool(t, tel, "while requests are under way", poolState{active: 1})
	}
	close(answers)
	for i, resp := range responses {
		oteltest.Discard(resp)
		if i < requests-1 {
			wantPool(t, tel, "while other requests are under way", poolState{active: 1})
		}
	}
	wantPool(t, tel, "after all requests", poolState{idle: 1})
	w.Base.CloseIdleConnections()
	wantPoolClosed(t, tel, 1)
}

// A request through two Transports uses its connection once.
func TestPoolWithNestedTransports(t *testing.T) {
	t.Parallel()
	w := oteltest.NewServer(t, "1.1", oteltest.Handler(http.StatusOK, "fine"))
	tel := oteltest.New(t)
	rt := instrumented.Transport(tel, instrumented.Transport(tel, w.Base, poolBoth), poolBoth)
	resp := oteltest.Open(t, rt, oteltest.NewRequest(t, t.Context(), "GET", w.URL, nil))
	wantPool(t, tel, "while the request is under way", poolState{active: 1})
	oteltest.Discard(resp)
	wantPool(t, tel, "after the request", poolState{idle: 1})
	w.Base.CloseIdleConnections()
	wantPoolClosed(t, tel, 1)
}

// poolProvider is a MeterProvider of an incomparable type.
type poolProvider struct {
	metric.MeterProvider
	_ []int
}

// With an incomparable provider, each Transport has a pool.
func TestPoolOfIncomparableProvider(t *testing.T) {
	t.Parallel()
	w := oteltest.NewServer(t, "1.1", oteltest.Handler(http.StatusOK, "fine"))
	tel := oteltest.New(t)
	for range 2 {
		rt := instrumented.Transport(tel, w.Base, poolBoth, otelhttpclient.WithMeterProvider(poolProvider{MeterProvider: tel.Meters}))
		oteltest.Get(t, t.Context(), rt, w.URL)
		oteltest.Get(t, t.Context(), rt, w.URL)
	}
	wantPool(t, tel, "with two Transports", poolState{idle: 2})
	w.Base.CloseIdleConnections()
	wantPoolClosed(t, tel, 2)
}

// A MeterProvider that the application drops is freed when its own connections
// are closed.
func TestPoolFreesItsProvider(t *testing.T) {
	t.Parallel()
	kept, dropped := oteltest.NewServer(t, "1.1", oteltest.Handler(http.StatusOK, "fine")), oteltest.NewServer(t, "1.1", oteltest.Handler(http.StatusOK, "fine"))
	tel := oteltest.New(t)
	oteltest.Get(t, t.Context(), instrumented.Transport(tel, kept.Base, poolBoth), kept.URL)
	type provider struct{ metric.MeterProvider }
	freed := make(chan struct{})
	func() {
		p := &provider{tel.Meters}
		runtime.AddCleanup(p, func(chan struct{}) { close(freed) }, nil)
		oteltest.Get(t, t.Context(), instrumented.Transport(tel, dropped.Base, poolBoth, otelhttpclient.WithMeterProvider(p)), dropped.URL)
	}()
	isFreed := func() bool {
		runtime.GC()
		select {
		case <-freed:
			return true
		case <-time.After(20 * time.Millisecond):
			return false
		}
	}
	for range 3 {
		if isFreed() {
			t.Fatal("the provider is freed while a connection is open, want it kept to measure its end")
		}
	}
	dropped.Base.CloseIdleConnections()
	oteltest.Eventually(t, "the provider is freed", isFreed)
	wantPool(t, tel, "at the end", poolState{idle: 1, durations: 1})
}

// A connection to a proxy for http counts for the host of its latest request.
func TestPoolThroughProxy(t *testing.T) {
	t.Parallel()
	w := oteltest.NewServer(t, "1.1", oteltest.Handler(http.StatusOK, "fine"))
	proxy, err := url.Parse(w.URL)
	if err != nil {
		t.Fatal(err)
	}
	w.Base.Proxy = http.ProxyURL(proxy)
	tel := oteltest.New(t)
	rt := instrumented.Transport(tel, w.Base, poolBoth)
	for _, host := range []string{"a.example", "b.example", "a.example", "c.example"} {
		oteltest.Get(t, t.Context(), rt, "http://"+host+"/")
		wantPool(t, tel, "after a request to "+host, poolState{idle: 1})
		if got := tel.Count("http.client.open_connections", attribute.String("server.address", host)); got != 1 {
			t.Errorf("connections of %s after a request to it: got %d, want 1", host, got)
		}
	}
	w.Base.CloseIdleConnections()
	wantPoolClosed(t, tel, 1)
	point := tel.Seconds("http.client.connection.duration")
	if got, _ := point.Attributes.Value("server.address"); got.AsString() != "c.example" {
		t.Errorf("server.address of the duration: got %q, want that of the last request, c.example", got.AsString())
	}
}

// A connection that was dialed for a request which took another is counted from
// its first request, and its duration from its dial.
func TestPoolOfUnusedDial(t *testing.T) {
	t.Parallel()
	answer := make(chan struct{})
	w := oteltest.NewServer(t, "1.1", func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/first" {
			rw.(http.Flusher).Flush()
			<-answer
		}
	})
	var dials atomic.Int64
	dialing, over, dialed := make(chan struct{}), make(chan struct{}), make(chan struct{})
	w.Base.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		if dials.Add(1) == 2 {
			close(dialing)
			<-over
			defer close(dialed)
		}
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}
	tel := oteltest.New(t)
	rt := instrumented.Transport(tel, w.Base, poolBoth)
	first := oteltest.Open(t, rt, oteltest.NewRequest(t, t.Context(), "GET", w.URL+"/first", nil))
	second := make(chan error, 1)
	req := oteltest.NewRequest(t, t.Context(), "GET", w.URL+"/second", nil)
	go func() {
		_, err := oteltest.Send(rt, req)
		second <- err
	}()
	<-dialing
	close(answer)
	oteltest.Discard(first)
	if err := <-second; err != nil {
		t.Fatalf("second request: %v, want no error", err)
	}
	close(over)
	<-dialed
	const idle = 1500 * time.Millisecond
	time.Sleep(idle)
	wantPool(t, tel, "before the dialed connection is used", poolState{idle: 1})
	reused := false
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) { reused = i.WasIdle }})
	oteltest.MustSend(t, rt, oteltest.NewRequest(t, ctx, "GET", w.URL+"/third", nil))
	if !reused {
		t.Fatal("the third request dialed, want it to get an idle connection")
	}
	wantPool(t, tel, "after the dialed connection was used", poolState{idle: 2})
	w.Base.CloseIdleConnections()
	wantPoolClosed(t, tel, 2)
	if got, least := tel.Seconds("http.client.connection.duration").Sum, 2*idle.Seconds(); got < least {
		t.Errorf("durations: got %v s in all, want at least %v: both were open while they were idle", got, least)
	}
}

// An application's callback may send requests, although it runs under locks of the
// SDK that registering a callback needs.
func TestPoolOfRequestInCallback(t *testing.T) {
	t.Parallel()
	w := oteltest.NewServer(t, "1.1", oteltest.Handler(http.StatusOK, "fine"))
	tel := oteltest.New(t)
	rt := instrumented.Transport(tel, w.Base, poolBoth)
	oteltest.Get(t, t.Context(), rt, w.URL)
	w.Base.CloseIdleConnections()
	wantPoolClosed(t, tel, 1)
	_, err := tel.Meters.Meter("app").Int64ObservableGauge("depth", metric.WithInt64Callback(func(context.Context, metric.Int64Observer) error {
		return oteltest.TryGet(t.Context(), rt, w.URL)
	}))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan bool, 1)
	go func() {
		tel.Collect()
		done <- true
	}()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatal("a collection whose callback sends a request has not returned after 10 s")
	}
	wantPool(t, tel, "after a request in a callback", poolState{idle: 1, durations: 1})
}

// Open connections are counted even if a view drops all other metrics.
func TestPoolAlone(t *testing.T) {
	w := oteltest.NewServer(t, "1.1", oteltest.Handler(http.StatusOK, "fine"))
	tel := oteltest.New(t)
	drop := sdkmetric.NewView(sdkmetric.Instrument{Kind: sdkmetric.InstrumentKindHistogram}, sdkmetric.Stream{Aggregation: sdkmetric.AggregationDrop{}})
	reader := sdkmetric.NewManualReader()
	meters := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader), sdkmetric.WithView(drop))
	rt := instrumented.Transport(tel, w.Base, poolCounts, otelhttpclient.WithMeterProvider(meters))
	var rm metricdata.ResourceMetrics
	for range 2 { // whether it is collected shows with the first collection
		oteltest.Get(t, t.Context(), rt, w.URL)
		if err := reader.Collect(t.Context(), &rm); err != nil {
			t.Fatal(err)
		}
	}
	names := map[string]bool{}
	for _, scope := range rm.ScopeMetrics {
		for _, m := range scope.Metrics {
			names[m.Name] = true
		}
	}
	if !names["http.client.open_connections"] {
		t.Errorf("metrics: got %v, want http.client.open_connections", names)
	}
}
