package otelhttpclient

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/otelhttpclient/otelhttpclient/internal/callback"
	"github.com/otelhttpclient/otelhttpclient/internal/redact"
)

// poolConn is a connection without a socket.
type poolConn struct {
	net.Conn
	closed atomic.Bool
	block  atomic.Pointer[func()] // called before SyscallConn returns
}

// before has f called before SyscallConn returns.
func (c *poolConn) before(f func()) { c.block.Store(&f) }

func (c *poolConn) SyscallConn() (syscall.RawConn, error) {
	if f := c.block.Load(); f != nil {
		(*f)()
	}
	if c.closed.Load() {
		return nil, net.ErrClosed
	}
	return poolRawConn{}, nil
}

type poolRawConn struct{ syscall.RawConn }

func (poolRawConn) Control(f func(uintptr)) error {
	f(0)
	return nil
}

// poolMeter is both instruments, and keeps what they are given.
type poolMeter struct {
	mu        sync.Mutex
	counts    map[attribute.Set]int64
	calls     int
	durations []time.Duration
	before    func(n int64) // called before and after each Add counts
	after     func(n int64)
}

type (
	poolCounter struct {
		metricnoop.Int64UpDownCounter
		m *poolMeter
	}
	poolHistogram struct {
		metricnoop.Float64Histogram
		m *poolMeter
	}
)

func (c poolCounter) Add(_ context.Context, n int64, o ...metric.AddOption) {
	if c.m.before != nil {
		c.m.before(n)
	}
	c.m.mu.Lock()
	if c.m.counts == nil {
		c.m.counts = map[attribute.Set]int64{}
	}
	c.m.calls++
	c.m.counts[metric.NewAddConfig(o).Attributes()] += n
	c.m.mu.Unlock()
	if c.m.after != nil {
		c.m.after(n)
	}
}

func (h poolHistogram) Record(_ context.Context, v float64, _ ...metric.RecordOption) {
	h.m.mu.Lock()
	defer h.m.mu.Unlock()
	h.m.durations = append(h.m.durations, time.Duration(v*float64(time.Second)).Round(time.Millisecond))
}

// state returns what is counted, by state, and how many durations there are.
func (m *poolMeter) state() (active, idle int64, durations int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for set, n := range m.counts {
		switch v, _ := set.Value("http.connection.state"); v.AsString() {
		case "active":
			active += n
		case "idle":
			idle += n
		}
	}
	return active, idle, len(m.durations)
}

// wantState fails the test unless this is what is counted.
func (m *poolMeter) wantState(t *testing.T, when string, active, idle int64, durations int) {
	t.Helper()
	if a, i, d := m.state(); a != active || i != idle || d != durations {
		t.Errorf("%s: got %d active, %d idle, %d durations, want %d, %d, %d", when, a, i, d, active, idle, durations)
	}
}

// user is a request of a Transport that has both instruments.
func (m *poolMeter) user() *connectionUser {
	return &connectionUser{owner: m, labels: connectionLabels{host: "inventory.example", port: 443}, counter: poolCounter{m: m}, duration: poolHistogram{m: m}, guard: callback.New(redact.New(redact.Config{}))}
}

// exchange is a request that gets a response.
func (m *poolMeter) exchange(c net.Conn) {
	tracked := track(httptrace.GotConnInfo{Conn: c}, m.user())
	tracked.answered("1.1")
	tracked.release()
}

func poolOf(owner any) *pool {
	p, _ := pools.Load(owner)
	found, _ := p.(*pool)
	return found
}

// poolErrors collects the errors that go to otel.Handle until the test ends.
func poolErrors(t *testing.T) *atomic.Int64 {
	t.Helper()
	before := otel.GetErrorHandler()
	var n atomic.Int64
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(error) { n.Add(1) }))
	t.Cleanup(func() { otel.SetErrorHandler(before) })
	return &n
}

// TestConnectionsAreForgotten: no closed connection is kept, however many hosts
// there were, and no pool without connections.
func TestConnectionsAreForgotten(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "fine") }))
	defer server.Close()
	base := &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, server.Listener.Addr().String())
	}}
	defer base.CloseIdleConnections()
	meters := sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader()))
	rt := NewTransport(base, WithMeterProvider(meters), WithOptInMetrics(MetricOpenConnections, MetricConnectionDuration))
	const hosts = 100
	for i := range hosts {
		resp, err := (&http.Client{Transport: rt}).Get(fmt.Sprintf("http://h%d.example/", i))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
	}
	if p := poolOf(meters); p == nil {
		t.Error("while connections are open: got no pool, want one")
	}
	base.CloseIdleConnections()
	for deadline := time.Now().Add(10 * time.Second); poolOf(meters) != nil; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("after all were closed: got a pool, want none")
		}
	}
}

// TestPoolComesAgain: a connection that comes when all were closed is checked
// again.
func TestPoolComesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &poolMeter{}
		for round := range 3 {
			c := &poolConn{}
			m.exchange(c)
			time.Sleep(10 * time.Second)
			m.wantState(t, "while it is open", 0, 1, round)
			p := poolOf(m)
			c.closed.Store(true)
			time.Sleep(connectionCheckInterval)
			synctest.Wait()
			m.wantState(t, "within a second after it was closed", 0, 0, round+1)
			if poolOf(m) != nil {
				t.Error("after all were closed: got a pool, want none")
			}
			if p.add(&trackedConnection{conn: &poolConn{}}) != nil {
				t.Error("after all were closed: the pool takes a connection, want it to go to another that is checked")
			}
		}
	})
}

// eventually waits for what the pools count.
func (m *poolMeter) eventually(t *testing.T, when string, active, idle int64, durations int) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if a, i, d := m.state(); a == active && i == idle && d == durations {
			return
		}
	}
	m.wantState(t, when, active, idle, durations)
}

// TestPoolTimerStops: the timer runs while there are open connections.
func TestPoolTimerStops(t *testing.T) {
	t.Parallel()
	m := &poolMeter{}
	c := &poolConn{}
	m.exchange(c)
	p := poolOf(m)
	c.closed.Store(true)
	m.eventually(t, "after it was closed", 0, 0, 1)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.timer.Stop() {
		t.Error("after all were closed: the timer runs, want it stopped")
	}
}

// TestPoolOutlivesBubbles: a timer of a bubble dies with the bubble, and ends the
// process if it is used from outside. Connections are checked all the same, in
// later bubbles and outside.
func TestPoolOutlivesBubbles(t *testing.T) {
	t.Parallel()
	m := &poolMeter{}
	left := &poolConn{}
	for bubble := range 2 {
		synctest.Test(t, func(t *testing.T) {
			if bubble == 0 {
				m.exchange(left)
			}
			c := &poolConn{}
			m.exchange(c)
			time.Sleep(2 * connectionCheckInterval)
			m.wantState(t, "in a bubble", 0, 2, bubble)
			c.closed.Store(true)
			time.Sleep(connectionCheckInterval)
			synctest.Wait()
			m.wantState(t, "in a bubble, after one was closed", 0, 1, bubble+1)
		})
	}
	c := &poolConn{}
	m.exchange(c)
	c.closed.Store(true)
	m.eventually(t, "outside", 0, 1, 3)
	left.closed.Store(true)
	// How long it was open is unknown: it has no time on this clock.
	m.eventually(t, "outside, after the first was closed", 0, 0, 3)
	if poolOf(m) != nil {
		t.Error("after all were closed: got a pool, want none")
	}
}

// TestPoolEmptiedOutsideABubble: the last connection of a bubble may be removed from
// outside, before any other is there.
func TestPoolEmptiedOutsideABubble(t *testing.T) {
	m := &poolMeter{}
	var tracked *trackedConnection
	synctest.Test(t, func(*testing.T) {
		tracked = track(httptrace.GotConnInfo{Conn: &poolConn{}}, m.user())
		tracked.answered("1.1")
	})
	tracked.switchedProtocols()
	tracked.release()
	m.wantState(t, "after the connection was taken over", 0, 0, 0)
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

// TestPoolNothingBeforeTheFirstResponse: neither metric has a connection that
// carried no response.
func TestPoolNothingBeforeTheFirstResponse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &poolMeter{}
		c := &poolConn{}
		tracked := track(httptrace.GotConnInfo{Conn: c}, m.user())
		tracked.release()
		c.closed.Store(true)
		time.Sleep(2 * connectionCheckInterval)
		m.wantState(t, "closed without a response", 0, 0, 0)
		if m.calls != 0 {
			t.Errorf("calls of Add: got %d, want 0", m.calls)
		}
		tracked.answered("1.1")
		m.wantState(t, "after a late response", 0, 0, 0)
	})
}

// TestPoolIdleTimeCounts: a connection was open at least for as long as it was
// idle before its first request.
func TestPoolIdleTimeCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &poolMeter{}
		for _, info := range []httptrace.GotConnInfo{
			{Reused: true, WasIdle: true, IdleTime: time.Minute}, {Reused: true}, {},
		} {
			c := &poolConn{}
			info.Conn = c
			tracked := track(info, m.user())
			tracked.answered("1.1")
			tracked.release()
			// Later idle times are part of the time since.
			track(httptrace.GotConnInfo{Conn: c, WasIdle: true, IdleTime: time.Hour}, m.user()).release()
			c.closed.Store(true)
			time.Sleep(connectionCheckInterval)
			synctest.Wait()
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		want := []time.Duration{time.Minute + time.Second, time.Second, time.Second}
		if got := fmt.Sprint(m.durations); got != fmt.Sprint(want) {
			t.Errorf("durations: got %s, want %s", got, want)
		}
	})
}

// TestPoolConnectionObtainedAtTheEnd: a round trip that ends while its connection
// is being tracked does not keep that active.
func TestPoolConnectionObtainedAtTheEnd(t *testing.T) {
	m := &poolMeter{}
	tracked := track(httptrace.GotConnInfo{Conn: &poolConn{}}, m.user())
	tracked.answered("1.1")
	m.wantState(t, "before the end", 1, 0, 0)
	var c connection
	c.done()
	c.use(tracked)
	m.wantState(t, "after the end", 0, 1, 0)
	tracked.end(false)
}

// TestPoolIncomparableConnections are left out.
func TestPoolIncomparableConnections(t *testing.T) {
	m := &poolMeter{}
	type incomparable struct {
		*poolConn
		_ []int
	}
	if track(httptrace.GotConnInfo{Conn: incomparable{poolConn: &poolConn{}}}, m.user()) != nil {
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
	*poolConn
	wrapped func() net.Conn
}

func (c *fileWrapperConn) NetConn() net.Conn { return c.wrapped() }

// TestPoolNetConn: NetConn is followed to a file descriptor, but not without
// end.
func TestPoolNetConn(t *testing.T) {
	handled := poolErrors(t)
	self := &wrapperConn{}
	self.wrapped = func() net.Conn { return self }
	selfWithFile := &fileWrapperConn{poolConn: &poolConn{}}
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
		{"nil, with a file", &fileWrapperConn{&poolConn{}, returns(nil)}, true},
		{"one without a file", &wrapperConn{wrapped: returns(&net.UDPConn{})}, false}, // which is not open
		{"one with a file", &wrapperConn{wrapped: returns(&poolConn{})}, true},
		{"a panic", &wrapperConn{wrapped: func() net.Conn { panic("no connection") }}, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			m := &poolMeter{}
			tracked := track(httptrace.GotConnInfo{Conn: row.conn}, m.user())
			if got := tracked != nil; got != row.tracked {
				t.Errorf("NetConn returns %s: got tracked %v, want %v", row.name, got, row.tracked)
			}
			if tracked != nil {
				tracked.end(true) // and so its timer
			}
		})
	}
	if got := handled.Load(); got != 1 {
		t.Errorf("handled errors: got %d, want 1, of the panic", got)
	}
}

// TestPoolCheckBlocksNoRequest: while a check of 100,000 connections is stuck in
// one of them, connections are got, used and released, and the closed ones among
// the others are found.
func TestPoolCheckBlocksNoRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const connections = 100_000
		m := &poolMeter{}
		conns := make([]*poolConn, connections)
		for i := range conns {
			conns[i] = &poolConn{}
			m.exchange(conns[i])
		}
		m.wantState(t, "at the beginning", 0, connections, 0)
		stuck, release := make(chan struct{}), make(chan struct{})
		conns[0].before(sync.OnceFunc(func() {
			close(stuck)
			<-release
		}))
		<-stuck
		// No other goroutine of this bubble can release a lock now: if the
		// check held one that is needed here, this would be a deadlock.
		for _, c := range conns {
			track(httptrace.GotConnInfo{Conn: c}, m.user()).release()
		}
		added := &poolConn{}
		m.exchange(added)
		m.wantState(t, "while the check is stuck", 0, connections+1, 0)
		added.closed.Store(true)
		for _, c := range conns[1:] {
			c.closed.Store(true)
		}
		time.Sleep(4 * connectionCheckInterval)
		synctest.Wait()
		m.wantState(t, "when the others are closed, and the check is still stuck", 0, 1, connections)
		conns[0].closed.Store(true)
		close(release)
		time.Sleep(2 * connectionCheckInterval)
		synctest.Wait()
		m.wantState(t, "at the end", 0, 0, connections+1)
		if poolOf(m) != nil {
			t.Error("after all were closed: got a pool, want none")
		}
	})
}

// TestPoolInstrumentsBlockNoRequest: an Add that blocks on the watcher's
// goroutine blocks no request on other connections.
func TestPoolInstrumentsBlockNoRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &poolMeter{}
		first, second := &poolConn{}, &poolConn{}
		stuck, release := make(chan struct{}), make(chan struct{})
		var once atomic.Bool
		m.before = func(int64) {
			if first.closed.Load() && once.CompareAndSwap(false, true) {
				close(stuck)
				<-release
			}
		}
		m.exchange(first)
		m.exchange(second)
		first.closed.Store(true)
		<-stuck
		tracked := track(httptrace.GotConnInfo{Conn: second}, m.user())
		m.wantState(t, "while the measurement of another is stuck", 1, 1, 0)
		tracked.release()
		m.exchange(&poolConn{})
		close(release)
		synctest.Wait()
		m.wantState(t, "at the end", 0, 2, 1)
		poolOf(m).connections.Range(func(_, t any) bool { t.(*trackedConnection).end(false); return true })
	})
}

// TestPoolInstrumentsMayUseTheConnection: no lock is held while Add runs, not
// even the connection's own.
func TestPoolInstrumentsMayUseTheConnection(t *testing.T) {
	m := &poolMeter{}
	c := &poolConn{}
	var once atomic.Bool
	m.before = func(int64) {
		if once.CompareAndSwap(false, true) {
			m.exchange(c)
		}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		m.exchange(c)
	}()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatal("Add uses the connection that it counts: it has not returned within 10 s")
	}
	m.wantState(t, "at the end", 0, 1, 0)
	track(httptrace.GotConnInfo{Conn: c}, m.user()).end(false)
}

// TestPoolConnectionsThatFail: a connection that panics in a check, or ends the
// goroutine, is counted no longer, and neither the process nor the checks end.
func TestPoolConnectionsThatFail(t *testing.T) {
	poolErrors(t)
	for name, fail := range map[string]func(){"panic": func() { panic("no file") }, "Goexit": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := &poolMeter{}
				conns := make([]*poolConn, 20)
				for i := range conns {
					conns[i] = &poolConn{}
					m.exchange(conns[i])
				}
				for _, c := range conns[:5] {
					c.before(fail)
				}
				time.Sleep(6 * connectionCheckInterval)
				m.wantState(t, "after it failed", 0, 15, 0)
				for _, c := range conns {
					c.closed.Store(true)
				}
				time.Sleep(connectionCheckInterval)
				synctest.Wait()
				m.wantState(t, "after all were closed", 0, 0, 15)
			})
		})
	}
}

// TestPoolInstrumentsThatFail: counts are balanced at the end, whether Add
// panics before it has counted or after, and the duration is recorded.
func TestPoolInstrumentsThatFail(t *testing.T) {
	poolErrors(t)
	panics := func(int64) { panic("no instrument") }
	// On the goroutine of a request, Goexit would end that.
	exits := func(n int64) {
		if n < 0 {
			runtime.Goexit()
		}
	}
	for name, m := range map[string]*poolMeter{
		"panic before it has counted": {before: panics},
		"panic after it has counted":  {after: panics},
		"Goexit after it has counted": {after: exits},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				conns := []*poolConn{{}, {}, {}}
				for _, c := range conns {
					tracked := track(httptrace.GotConnInfo{Conn: c}, m.user())
					tracked.answered("1.1")
				}
				for _, c := range conns {
					c.closed.Store(true)
				}
				time.Sleep(4 * connectionCheckInterval)
				synctest.Wait()
				m.wantState(t, "after all were closed", 0, 0, 3)
				if poolOf(m) != nil {
					t.Error("after all were closed: got a pool, want none")
				}
			})
		})
	}
}

// TestPoolAddsComeInPairs: each -1 has the very attributes of a +1 before it,
// whatever requests do at once, and no count is ever below zero.
func TestPoolAddsComeInPairs(t *testing.T) {
	m := &poolMeter{}
	m.after = func(n int64) {
		m.mu.Lock()
		defer m.mu.Unlock()
		for set, n := range m.counts {
			if n < 0 {
				t.Errorf("count of %v: got %d, want it never below 0", set.ToSlice(), n)
			}
		}
	}
	conns := make([]*poolConn, 8)
	for i := range conns {
		conns[i] = &poolConn{}
	}
	var wg sync.WaitGroup
	for g := range 16 {
		wg.Go(func() {
			for i := range 500 {
				u := m.user()
				u.labels.host = fmt.Sprintf("h%d.example", (g+i)%3) // as through a proxy
				if g%2 == 0 {
					u.counter = nil
				}
				tracked := track(httptrace.GotConnInfo{Conn: conns[(g*i)%len(conns)]}, u)
				tracked.answered([]string{"1.1", "2"}[g%2])
				tracked.release()
				if p := poolOf(m); p != nil && i%50 == 0 {
					p.look()
				}
			}
		})
	}
	wg.Wait()
	m.wantState(t, "with no request under way", 0, int64(len(conns)), 0)
	for _, c := range conns {
		c.closed.Store(true)
	}
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if _, _, n := m.state(); n == len(conns) {
			break
		}
	}
	m.wantState(t, "after all were closed", 0, 0, len(conns))
	m.mu.Lock()
	defer m.mu.Unlock()
	for set, n := range m.counts {
		if n != 0 {
			t.Errorf("count of %v: got %d, want 0", set.ToSlice(), n)
		}
	}
}

// TestPoolsComeAndGo: connections that are opened while a pool's last one is
// closed are in a pool that is checked.
func TestPoolsComeAndGo(t *testing.T) {
	m := &poolMeter{}
	const goroutines, rounds = 8, 500
	var wg sync.WaitGroup
	for range goroutines {
		wg.Go(func() {
			for range rounds {
				c := &poolConn{}
				m.exchange(c)
				c.closed.Store(true)
				p := poolOf(m)
				if p == nil {
					t.Error("while a connection is open: got no pool, want one")
					return
				}
				v, ok := p.connections.Load(c)
				if !ok {
					t.Error("the pool lacks a connection that is open")
					return
				}
				v.(*trackedConnection).check()
			}
		})
	}
	wg.Wait()
	m.wantState(t, "after all were closed", 0, 0, goroutines*rounds)
	if poolOf(m) != nil {
		t.Error("after all were closed: got a pool, want none")
	}
}

// BenchmarkConnectionCheck is one check of 100,000 open connections.
func BenchmarkConnectionCheck(b *testing.B) {
	m := &poolMeter{}
	for range 100_000 {
		m.exchange(&poolConn{})
	}
	p := poolOf(m)
	b.ReportAllocs()
	for b.Loop() {
		p.check.Store(nil)
		p.look()
	}
	p.connections.Range(func(_, t any) bool { t.(*trackedConnection).end(false); return true })
}

// BenchmarkConnectionUse is a request on a connection that is open.
func BenchmarkConnectionUse(b *testing.B) {
	meter := newMeter(sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader())))
	counter, err := meter.Int64UpDownCounter("c")
	if err != nil {
		b.Fatal(err)
	}
	u := &connectionUser{owner: b, labels: connectionLabels{host: "inventory.example", port: 443}, counter: counter, guard: callback.New(redact.New(redact.Config{}))}
	c := &poolConn{}
	b.ReportAllocs()
	for b.Loop() {
		tracked := track(httptrace.GotConnInfo{Conn: c}, u)
		tracked.answered("1.1")
		tracked.release()
	}
	track(httptrace.GotConnInfo{Conn: c}, u).end(false)
}
