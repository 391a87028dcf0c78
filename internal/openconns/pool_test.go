package openconns

import (
	"context"
	"fmt"
	"net"
	"net/http/httptrace"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/embedded"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otelhttpclient/otelhttpclient/internal/callback"
	"github.com/otelhttpclient/otelhttpclient/internal/redact"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

// fakeConn is a connection without a socket.
type fakeConn struct {
	net.Conn
	closed atomic.Bool
	block  atomic.Pointer[func()] // called before SyscallConn returns
}

// before sets a function that is called before SyscallConn returns.
func (c *fakeConn) before(f func()) { c.block.Store(&f) }

func (c *fakeConn) SyscallConn() (syscall.RawConn, error) {
	if f := c.block.Load(); f != nil {
		(*f)()
	}
	if c.closed.Load() {
		return nil, net.ErrClosed
	}
	return fakeRawConn{}, nil
}

type fakeRawConn struct{ syscall.RawConn }

func (fakeRawConn) Control(f func(uintptr)) error {
	f(0)
	return nil
}

// transport is a user of a pool with both metrics. It is the pool's owner and the
// histogram of durations, too.
type transport struct {
	metricnoop.Float64Histogram
	pool      *Pool
	mu        sync.Mutex
	durations []time.Duration
}

func newTransport() *transport {
	rt := &transport{}
	rt.pool = New(rt, guard())
	return rt
}

func guard() callback.Guard { return callback.New(redact.New(redact.Config{})) }

func (rt *transport) Record(_ context.Context, v float64, _ ...metric.RecordOption) {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	rt.durations = append(rt.durations, time.Duration(v*float64(time.Second)).Round(time.Millisecond))
}

// observer keeps what is observed.
type observer struct {
	embedded.Observer
	counts map[attribute.Set]int64
}

func (o observer) ObserveFloat64(metric.Float64Observable, float64, ...metric.ObserveOption) {}

func (o observer) ObserveInt64(_ metric.Int64Observable, n int64, options ...metric.ObserveOption) {
	o.counts[metric.NewObserveConfig(options).Attributes()] += n
}

// wantState fails the test unless this is what is counted, and how many durations
// there are.
func (rt *transport) wantState(t *testing.T, when string, active, idle int64, durations int) {
	t.Helper()
	if got, want := rt.state(), fmt.Sprintf("%d active, %d idle, %d durations", active, idle, durations); got != want {
		t.Errorf("%s: got %s, want %s", when, got, want)
	}
}

func (rt *transport) state() string {
	o := observer{counts: map[attribute.Set]int64{}}
	rt.pool.set.observe(o, nil)
	states := map[string]int64{}
	for set, n := range o.counts {
		v, _ := set.Value("http.connection.state")
		states[v.AsString()] += n
	}
	rt.mu.Lock()
	defer rt.mu.Unlock()
	return fmt.Sprintf("%d active, %d idle, %d durations", states["active"], states["idle"], len(rt.durations))
}

// eventually waits for what is counted.
func (rt *transport) eventually(t *testing.T, when string, active, idle int64, durations int) {
	t.Helper()
	want := fmt.Sprintf("%d active, %d idle, %d durations", active, idle, durations)
	for deadline := time.Now().Add(5 * time.Second); rt.state() != want && time.Now().Before(deadline); {
		time.Sleep(20 * time.Millisecond)
	}
	rt.wantState(t, when, active, idle, durations)
}

// track starts a request on a connection.
func (rt *transport) track(info httptrace.GotConnInfo) *Conn {
	u := &Use{Pool: rt.pool, Labels: Labels{Host: "inventory.example", Port: 443}, Counted: true, Duration: rt}
	return u.Track(info, nil)
}

// exchange is a request that gets a response.
func (rt *transport) exchange(c net.Conn) {
	tracked := rt.track(httptrace.GotConnInfo{Conn: c})
	tracked.SetVersion("1.1")
	tracked.Release()
}

// forget removes all connections, and so stops the timer.
func (rt *transport) forget() {
	rt.pool.set.connections.Range(func(_, c any) bool { c.(*Conn).discard(false); return true })
}

// wantEmpty fails the test if the pool keeps anything of closed connections.
func (rt *transport) wantEmpty(t *testing.T) {
	t.Helper()
	setsMu.Lock()
	defer setsMu.Unlock()
	s := rt.pool.set
	if s.open != 0 {
		t.Errorf("after all were closed: got %d connections, want none", s.open)
	}
	s.connections.Range(func(key, _ any) bool {
		t.Errorf("after all were closed: got %v, want nothing", key)
		return false
	})
}

// A connection that is opened when all were closed is checked again.
func TestPoolComesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rt := newTransport()
		for round := range 3 {
			c := &fakeConn{}
			rt.exchange(c)
			time.Sleep(10 * time.Second)
			rt.wantState(t, "while it is open", 0, 1, round)
			c.closed.Store(true)
			time.Sleep(checkInterval)
			synctest.Wait()
			rt.wantState(t, "within a second after it was closed", 0, 0, round+1)
			rt.wantEmpty(t)
		}
	})
}

// The timer runs while there are open connections.
func TestPoolTimerStops(t *testing.T) {
	t.Parallel()
	rt := newTransport()
	c := &fakeConn{}
	rt.exchange(c)
	c.closed.Store(true)
	rt.eventually(t, "after it was closed", 0, 0, 1)
	rt.wantEmpty(t)
	timers := func() int {
		setsMu.Lock()
		defer setsMu.Unlock()
		return rt.pool.set.timers
	}
	before := timers()
	time.Sleep(3 * checkInterval / 2)
	if started := timers() - before; started != 0 {
		t.Errorf("after all were closed: got %d timers, want none", started)
	}
}

// A timer of a bubble dies with the bubble, and ends the process if it is used from
// outside. Connections are checked all the same, in later bubbles and outside.
func TestPoolOutlivesBubbles(t *testing.T) {
	t.Parallel()
	rt := newTransport()
	left := &fakeConn{}
	for bubble := range 2 {
		synctest.Test(t, func(t *testing.T) {
			if bubble == 0 {
				rt.exchange(left)
			}
			c := &fakeConn{}
			rt.exchange(c)
			time.Sleep(2 * checkInterval)
			rt.wantState(t, "in a bubble", 0, 2, bubble)
			c.closed.Store(true)
			time.Sleep(checkInterval)
			synctest.Wait()
			rt.wantState(t, "in a bubble, after one was closed", 0, 1, bubble+1)
		})
	}
	c := &fakeConn{}
	rt.exchange(c)
	c.closed.Store(true)
	rt.eventually(t, "outside", 0, 1, 3)
	left.closed.Store(true)
	// How long it was open is unknown: it has no time on this clock.
	rt.eventually(t, "outside, after the first was closed", 0, 0, 3)
	rt.wantEmpty(t)
}

// The last connection of a bubble may be removed from outside, before any other is
// there.
func TestPoolEmptiedOutsideABubble(t *testing.T) {
	rt := newTransport()
	var tracked *Conn
	synctest.Test(t, func(*testing.T) {
		tracked = rt.track(httptrace.GotConnInfo{Conn: &fakeConn{}})
		tracked.SetVersion("1.1")
	})
	tracked.Upgraded()
	rt.wantState(t, "after the connection was taken over", 1, 0, 0)
	tracked.Release()
	rt.wantState(t, "after the request", 0, 0, 0)
	rt.wantEmpty(t)
}

// Bubbles are recognized by a habit of package time.
func TestTimesOfBubblesHaveNoMonotonicClock(t *testing.T) {
	if hasNoMonotonicClock(time.Now()) {
		t.Error("outside: a time has no monotonic clock, want it to have one")
	}
	synctest.Test(t, func(t *testing.T) {
		if !hasNoMonotonicClock(time.Now()) {
			t.Error("in a bubble: a time has a monotonic clock, want none")
		}
	})
}

// Neither metric has a connection that carried no response.
func TestPoolNothingBeforeTheFirstResponse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rt := newTransport()
		c := &fakeConn{}
		tracked := rt.track(httptrace.GotConnInfo{Conn: c})
		rt.wantState(t, "without a response", 0, 0, 0)
		tracked.Release()
		c.closed.Store(true)
		time.Sleep(2 * checkInterval)
		tracked.SetVersion("1.1")
		rt.wantState(t, "after a late response", 0, 0, 0)
		rt.wantEmpty(t)
	})
}

// A connection was open at least for as long as it was idle before its first
// request.
func TestPoolIdleTimeCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rt := newTransport()
		for _, info := range []httptrace.GotConnInfo{
			{Reused: true, WasIdle: true, IdleTime: time.Minute}, {Reused: true}, {},
		} {
			c := &fakeConn{}
			info.Conn = c
			tracked := rt.track(info)
			tracked.SetVersion("1.1")
			tracked.Release()
			// Later idle times are part of the time since.
			rt.track(httptrace.GotConnInfo{Conn: c, WasIdle: true, IdleTime: time.Hour}).Release()
			c.closed.Store(true)
			time.Sleep(checkInterval)
			synctest.Wait()
		}
		rt.mu.Lock()
		defer rt.mu.Unlock()
		want := []time.Duration{time.Minute + time.Second, time.Second, time.Second}
		if got := fmt.Sprint(rt.durations); got != fmt.Sprint(want) {
			t.Errorf("durations: got %s, want %s", got, want)
		}
	})
}

// Connections that cannot be compared are left out.
func TestPoolIncomparableConnections(t *testing.T) {
	rt := newTransport()
	type incomparable struct {
		*fakeConn
		_ []int
	}
	if rt.track(httptrace.GotConnInfo{Conn: incomparable{fakeConn: &fakeConn{}}}) != nil {
		t.Error("a connection that cannot be compared is tracked, want it left out")
	}
}

// wrapperConn wraps what wrapped returns.
type wrapperConn struct {
	net.Conn
	wrapped func() net.Conn
}

func (c *wrapperConn) NetConn() net.Conn { return c.wrapped() }

// fileWrapperConn has a file descriptor, too.
type fileWrapperConn struct {
	*fakeConn
	wrapped func() net.Conn
}

func (c *fileWrapperConn) NetConn() net.Conn { return c.wrapped() }

// NetConn is followed to a file descriptor, but not without end.
func TestPoolNetConn(t *testing.T) {
	handled := oteltest.HandleErrors(t)
	self := &wrapperConn{}
	self.wrapped = func() net.Conn { return self }
	selfWithFile := &fileWrapperConn{fakeConn: &fakeConn{}}
	selfWithFile.wrapped = func() net.Conn { return selfWithFile }
	a, b := &wrapperConn{}, &wrapperConn{}
	a.wrapped, b.wrapped = func() net.Conn { return b }, func() net.Conn { return a }
	returns := func(c net.Conn) func() net.Conn { return func() net.Conn { return c } }
	for _, row := range []struct {
		name    string
		conn    net.Conn
		tracked bool
	}{
		{"itself", self, false},
		{"itself, with a file", selfWithFile, true},
		{"each other", a, false},
		{"nil", &wrapperConn{wrapped: returns(nil)}, false},
		{"nil, with a file", &fileWrapperConn{&fakeConn{}, returns(nil)}, true},
		{"one without a file", &wrapperConn{wrapped: returns(&net.UDPConn{})}, false}, // which is not open
		{"one with a file", &wrapperConn{wrapped: returns(&fakeConn{})}, true},
		{"a panic", &wrapperConn{wrapped: func() net.Conn { panic("no connection") }}, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			rt := newTransport()
			if got := rt.track(httptrace.GotConnInfo{Conn: row.conn}) != nil; got != row.tracked {
				t.Errorf("NetConn returns %s: got tracked %v, want %v", row.name, got, row.tracked)
			}
			rt.forget()
		})
	}
	if got := len(handled.Texts()); got != 1 {
		t.Errorf("handled errors: got %d, want 1, of the panic", got)
	}
}

// While a check of 100,000 connections is stuck in one of them, connections are
// obtained, used, counted and released, and the closed ones among the others are
// found.
func TestPoolCheckBlocksNoRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const connections = 100_000
		rt := newTransport()
		conns := make([]*fakeConn, connections)
		for i := range conns {
			conns[i] = &fakeConn{}
			rt.exchange(conns[i])
		}
		rt.wantState(t, "at the beginning", 0, connections, 0)
		stuck, release := make(chan struct{}), make(chan struct{})
		conns[0].before(sync.OnceFunc(func() {
			close(stuck)
			<-release
		}))
		<-stuck
		// No other goroutine of this bubble can release a lock now: if the
		// check held one that is needed here, this would be a deadlock.
		for _, c := range conns {
			rt.track(httptrace.GotConnInfo{Conn: c}).Release()
		}
		added := &fakeConn{}
		rt.exchange(added)
		rt.wantState(t, "while the check is stuck", 0, connections+1, 0)
		added.closed.Store(true)
		for _, c := range conns[1:] {
			c.closed.Store(true)
		}
		time.Sleep(4 * checkInterval)
		synctest.Wait()
		rt.wantState(t, "when the others are closed, and the check is still stuck", 0, 1, connections)
		conns[0].closed.Store(true)
		close(release)
		time.Sleep(2 * checkInterval)
		synctest.Wait()
		rt.wantState(t, "at the end", 0, 0, connections+1)
		rt.wantEmpty(t)
	})
}

// A connection that panics in a check, or ends the goroutine, is counted no longer,
// and neither the process nor the checks end.
func TestPoolConnectionsThatFail(t *testing.T) {
	oteltest.HandleErrors(t)
	for name, fail := range map[string]func(){"panic": func() { panic("no file") }, "Goexit": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rt := newTransport()
				conns := make([]*fakeConn, 20)
				for i := range conns {
					conns[i] = &fakeConn{}
					rt.exchange(conns[i])
				}
				for _, c := range conns[:5] {
					c.before(fail)
				}
				time.Sleep(6 * checkInterval)
				rt.wantState(t, "after it failed", 0, 15, 0)
				for _, c := range conns {
					c.closed.Store(true)
				}
				time.Sleep(checkInterval)
				synctest.Wait()
				rt.wantState(t, "after all were closed", 0, 0, 15)
				rt.wantEmpty(t)
			})
		})
	}
}

// Requests, checks and collections run at the same time.
func TestPoolConcurrently(t *testing.T) {
	rt := newTransport()
	const goroutines, rounds = 16, 500
	kept := make([]*fakeConn, 8)
	for i := range kept {
		kept[i] = &fakeConn{}
	}
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			for i := range rounds {
				u := &Use{Pool: rt.pool, Labels: Labels{Host: fmt.Sprintf("h%d.example", (g+i)%3)}, Counted: g%2 == 1, Duration: rt}
				tracked := u.Track(httptrace.GotConnInfo{Conn: kept[(g*i)%len(kept)]}, nil)
				tracked.SetVersion([]string{"1.1", "2"}[g%2])
				tracked.Relabel(u.Labels)
				tracked.Release()

				c := &fakeConn{}
				tracked = u.Track(httptrace.GotConnInfo{Conn: c}, nil)
				tracked.SetVersion("1.1")
				switch i % 50 {
				case 0:
					rt.pool.set.discardClosed()
				case 1:
					rt.state()
				case 2:
					tracked.Upgraded()
				}
				tracked.Release()
				c.closed.Store(true)
				tracked.discardIfClosed()
			}
		})
	}
	wg.Wait()
	const ended = goroutines * rounds
	rt.wantState(t, "with no request under way", 0, int64(len(kept)), ended)
	for _, c := range kept {
		c.closed.Store(true)
	}
	rt.eventually(t, "after all were closed", 0, 0, ended+len(kept))
	rt.wantEmpty(t)
}

// collect returns the open connections that a reader reports, by state, or nil if
// there is no such metric.
func collect(t *testing.T, reader sdkmetric.Reader) map[string]int64 {
	t.Helper()
	var rm metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &rm); err != nil {
		t.Fatal(err)
	}
	var states map[string]int64
	for _, scope := range rm.ScopeMetrics {
		for _, m := range scope.Metrics {
			states = map[string]int64{}
			for _, p := range m.Data.(metricdata.Sum[int64]).DataPoints {
				v, _ := p.Attributes.Value("http.connection.state")
				states[v.AsString()] += p.Value
			}
		}
	}
	return states
}

// Each reader gets each connection once, however many Pools of an owner are
// observed. Nothing stays registered when the Pools are unreachable and the
// connections closed.
func TestObserve(t *testing.T) {
	t.Parallel()
	readers := []sdkmetric.Reader{sdkmetric.NewManualReader(), sdkmetric.NewManualReader()}
	meters := sdkmetric.NewMeterProvider(sdkmetric.WithReader(readers[0]), sdkmetric.WithReader(readers[1]))
	owner := new(int)
	want := func(when string, want map[string]int64) {
		t.Helper()
		for _, reader := range readers {
			if got := collect(t, reader); fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("%s: got %v, want %v", when, got, want)
			}
		}
	}
	c := &fakeConn{}
	func() {
		for range 3 {
			p := New(owner, guard())
			if err := p.Observe(meters.Meter("test")); err != nil {
				t.Fatal(err)
			}
			u := &Use{Pool: p, Counted: true}
			tracked := u.Track(httptrace.GotConnInfo{Conn: c}, nil)
			tracked.SetVersion("1.1")
			want("during a request", map[string]int64{"active": 1, "idle": 0})
			tracked.Release()
			want("after a request", map[string]int64{"active": 0, "idle": 1})
			if !p.Collected() {
				t.Error("after a collection: got not collected, want collected")
			}
		}
	}()
	setsMu.Lock()
	s := sets[owner]
	setsMu.Unlock()
	pools := func() int {
		setsMu.Lock()
		defer setsMu.Unlock()
		return s.pools
	}
	oteltest.Eventually(t, "the Pools are unreachable", func() bool { runtime.GC(); return pools() == 0 })
	want("without a Pool", map[string]int64{"active": 0, "idle": 1})
	c.closed.Store(true)
	oteltest.Eventually(t, "the connection is seen closed", func() bool { return len(collect(t, readers[0])) == 0 })
	setsMu.Lock()
	defer setsMu.Unlock()
	if sets[owner] != nil {
		t.Error("after all: got a set, want none")
	}
	// The callback no longer runs.
	oteltest.Eventually(t, "the callback is unregistered", func() bool {
		s.collected.Store(false)
		_ = collect(t, readers[1])
		return !s.collected.Load()
	})
}

// A meter without an observable, and observers that panic, are reported.
func TestObserveFailures(t *testing.T) {
	handled := oteltest.HandleErrors(t)
	rt := newTransport()
	if err := rt.pool.Observe(strangeMeter{}); err == nil {
		t.Error("error = nil, want that of the instrument")
	}
	if rt.pool.Collected() {
		t.Error("got collected, want not collected: no callback ran")
	}
	rt = newTransport()
	var collect metric.Callback
	if err := rt.pool.Observe(callbackMeter{got: &collect}); err != nil {
		t.Fatal(err)
	}
	rt.exchange(&fakeConn{})
	if err := collect(t.Context(), nil); err != nil {
		t.Errorf("callback = %v, want no error", err)
	}
	if got := len(handled.Texts()); got != 1 {
		t.Errorf("handled errors: got %d, want 1, of the observer that panicked", got)
	}
	rt.forget()
}

// strangeMeter has no observable.
type strangeMeter struct{ metricnoop.Meter }

func (strangeMeter) Int64ObservableUpDownCounter(string, ...metric.Int64ObservableUpDownCounterOption) (metric.Int64ObservableUpDownCounter, error) {
	return nil, fmt.Errorf("no such instrument")
}

// callbackMeter keeps the callback.
type callbackMeter struct {
	metricnoop.Meter
	got *metric.Callback
}

func (m callbackMeter) RegisterCallback(f metric.Callback, _ ...metric.Observable) (metric.Registration, error) {
	*m.got = f
	return metricnoop.Registration{}, nil
}

// BenchmarkCheck is one check of 100,000 open connections.
func BenchmarkCheck(b *testing.B) {
	rt := newTransport()
	for range 100_000 {
		rt.exchange(&fakeConn{})
	}
	b.ReportAllocs()
	for b.Loop() {
		rt.pool.set.discardClosed()
	}
	rt.forget()
}

// BenchmarkReport is one collection of 100,000 open connections.
func BenchmarkReport(b *testing.B) {
	rt := newTransport()
	for range 100_000 {
		rt.exchange(&fakeConn{})
	}
	b.ReportAllocs()
	for b.Loop() {
		rt.pool.set.observe(metricnoop.Observer{}, nil)
	}
	rt.forget()
}

// BenchmarkUse is a request on a connection that is open.
func BenchmarkUse(b *testing.B) {
	rt := newTransport()
	c := &fakeConn{}
	b.ReportAllocs()
	for b.Loop() {
		rt.exchange(c)
	}
	rt.forget()
}
