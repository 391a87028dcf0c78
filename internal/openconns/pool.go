// Package openconns keeps the open connections of a MeterProvider: it counts them at
// each collection, and measures how long each was open. It is given what
// [net/http/httptrace] reports of a connection, and the labels of the request that
// uses it. It does not know requests, Transports or options.
package openconns

import (
	"context"
	"net"
	"net/http/httptrace"
	"reflect"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/semconv/v1.43.0/httpconv"

	"github.com/otelhttpclient/otelhttpclient/internal/callback"
	"github.com/otelhttpclient/otelhttpclient/internal/hostport"
)

// Pool gives a Transport access to the open connections of its MeterProvider.
type Pool struct {
	set   *set
	guard callback.Guard
}

// set holds the open connections of all Pools with the same owner.
//
// net/http has no hook for the end of a connection. So each open one is checked
// once a second, by a timer that runs only while there are any.
//
// Methods of connections and instruments may block, panic or exit the goroutine.
// None is called under a lock.
type set struct {
	owner       any
	connections sync.Map // *Conn by net.Conn, or by itself if it is upgraded
	collected   atomic.Bool

	// mu protects the fields below.
	pools        int
	open         int
	observed     bool // by a callback, which may still be on the way to be registered
	registration metric.Registration
	timers       int  // that were started: the latest is in use while there are connections
	bubbled      bool // it is of a bubble of testing/synctest
}

var (
	mu sync.Mutex
	// sets holds those that have Pools or open connections. Others are removed, so
	// that an unused provider can be freed.
	sets = map[any]*set{}
)

// New returns a Pool for the connections of owner, which must be comparable.
func New(owner any, guard callback.Guard) *Pool {
	mu.Lock()
	defer mu.Unlock()
	s := sets[owner]
	if s == nil {
		s = &set{owner: owner}
		sets[owner] = s
	}
	s.pools++
	p := &Pool{set: s, guard: guard}
	runtime.AddCleanup(p, (*set).leave, s)
	return p
}

// Observe reports the open connections to meter at each collection, unless another
// Pool of the same owner does.
func (p *Pool) Observe(meter metric.Meter) error {
	s := p.set
	mu.Lock()
	observed := s.observed
	s.observed = true
	mu.Unlock()
	if observed {
		return nil
	}
	counter, err := httpconv.NewClientOpenConnectionsObservable(meter)
	if err != nil {
		return err
	}
	guard := p.guard
	registration, err := meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		s.collected.Store(true)
		guard.Call("measurement of connections", func() { s.report(o, counter.Inst()) })
		return nil
	}, counter.Inst())
	mu.Lock()
	s.registration = registration
	mu.Unlock()
	return err
}

// Collected reports whether the open connections were ever collected. A no-op and an
// SDK that drops them never do.
func (p *Pool) Collected() bool { return p.set.collected.Load() }

// report observes the number of open connections by state. It runs under the SDK's
// locks.
func (s *set) report(o metric.Observer, counter metric.Int64Observable) {
	type states struct{ active, idle int64 }
	counts := map[Labels]states{}
	s.connections.Range(func(_, c any) bool {
		if labels, active, ok := c.(*Conn).state(); ok {
			n := counts[labels]
			if active {
				n.active++
			} else {
				n.idle++
			}
			counts[labels] = n
		}
		return true
	})
	for labels, n := range counts {
		for state, n := range map[string]int64{"active": n.active, "idle": n.idle} {
			a := append(labels.attributes(), semconv.HTTPConnectionStateKey.String(state))
			o.ObserveInt64(counter, n, metric.WithAttributeSet(attribute.NewSet(a...)))
		}
	}
}

// Use describes a request that uses a connection.
type Use struct {
	Pool     *Pool
	Labels   Labels                  // without the protocol version and the peer
	Peer     bool                    // label the connection with the peer's address, too
	Counted  bool                    // Pool.Observe counts the connection
	Duration metric.Float64Histogram // nil: not recorded
}

// Track counts a request as a user of a connection until it is released. It
// returns nil for a connection that is closed or cannot be checked.
func (u *Use) Track(info httptrace.GotConnInfo, peer net.Addr) *Conn {
	defer runtime.KeepAlive(u.Pool) // the set stays in use
	if !reflect.ValueOf(info.Conn).Comparable() {
		return nil
	}
	s, guard := u.Pool.set, u.Pool.guard
	labels := u.Labels
	if u.Peer {
		labels.Peer, _ = hostport.Peer(peer)
	}
	if c, ok := s.connections.Load(info.Conn); ok {
		return c.(*Conn).use(u, labels)
	}
	c := &Conn{set: s, key: info.Conn, since: time.Now(), guard: guard}
	if info.WasIdle {
		// It was opened for an earlier request.
		c.since = c.since.Add(-info.IdleTime)
	}
	guard.Call("connection", func() { c.file = fileOf(info.Conn) })
	if c.file == nil {
		return nil
	}
	if open, _ := probe(c.file, guard); !open {
		return nil
	}
	return s.add(c).use(u, labels)
}

// add adds a connection and returns it, or the one that another request added
// first.
func (s *set) add(c *Conn) *Conn {
	mu.Lock()
	defer mu.Unlock()
	if before, loaded := s.connections.LoadOrStore(c.key, c); loaded {
		return before.(*Conn)
	}
	// A timer of a bubble dies with the bubble, which cannot be observed. It also
	// must not be used from outside. So any further connection starts another in
	// its place, until there is one of the process.
	if s.open++; s.open == 1 || s.bubbled {
		s.startTimer()
	}
	return c
}

// remove removes the connection that has this key.
func (s *set) remove(key any, c *Conn) {
	mu.Lock()
	defer mu.Unlock()
	if !s.connections.CompareAndDelete(key, c) {
		return
	}
	if s.open--; s.open == 0 {
		s.timers++ // the one that is under way is the last
		s.retire()
	}
}

// leave runs when a Pool is unreachable.
func (s *set) leave() {
	mu.Lock()
	defer mu.Unlock()
	s.pools--
	s.retire()
}

// retire ends the registration of a set that is no longer used.
func (s *set) retire() {
	if s.pools > 0 || s.open > 0 {
		return
	}
	delete(sets, s.owner)
	if r := s.registration; r != nil {
		go func() { _ = r.Unregister() }() // it waits for a collection that is under way
	}
}

const checkInterval = time.Second

// startTimer starts a timer for the next check, in place of any other.
func (s *set) startTimer() {
	s.timers++
	n := s.timers
	s.bubbled = hasNoMonotonicClock(time.Now())
	time.AfterFunc(checkInterval, func() { s.tick(n) })
}

// hasNoMonotonicClock reports whether t is a time of a bubble of testing/synctest.
// Those of the process have a reading of the monotonic clock, until it is removed.
func hasNoMonotonicClock(t time.Time) bool { return t == t.Round(0) }

// tick runs when the nth timer fires. It does not wait for checks that are stuck in a
// connection, but skips that connection.
func (s *set) tick(n int) {
	mu.Lock()
	inUse := n == s.timers
	if inUse {
		s.startTimer()
	}
	mu.Unlock()
	if inUse {
		s.check()
	}
}

// check ends the connections that are closed.
func (s *set) check() {
	s.connections.Range(func(_, c any) bool {
		c.(*Conn).check()
		return true
	})
}
