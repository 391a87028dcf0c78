// Package openconns tracks the open connections of a MeterProvider: it counts them at
// each collection, and measures how long each was open. It is given what
// [net/http/httptrace] reports about a connection, and the labels of the request that
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
// net/http has no hook for the end of a connection. So a timer, which runs only
// while there are connections, checks each of them once a second.
//
// Methods of connections and instruments may block, panic or exit the goroutine. No
// lock is held while they run.
type set struct {
	owner       any
	connections sync.Map // *Conn by net.Conn, or by itself if it is upgraded
	collected   atomic.Bool

	// setsMu protects the fields below.
	pools        int
	open         int
	observed     bool // a callback is registered, or being registered
	registration metric.Registration
	timers       int  // number of started timers; the latest is in use while there are connections
	inBubble     bool // the latest timer belongs to a bubble of testing/synctest
}

var (
	setsMu sync.Mutex
	// sets holds, by owner, the sets that have Pools or open connections. Others are
	// removed, so that an unused provider can be freed.
	sets = map[any]*set{}
)

// New returns a Pool for the connections of owner, which must be comparable.
func New(owner any, guard callback.Guard) *Pool {
	setsMu.Lock()
	defer setsMu.Unlock()
	s := sets[owner]
	if s == nil {
		s = &set{owner: owner}
		sets[owner] = s
	}
	s.pools++
	p := &Pool{set: s, guard: guard}
	runtime.AddCleanup(p, (*set).poolFreed, s)
	return p
}

// Observe registers the counter of open connections with meter, unless another Pool
// of the same owner has done so.
func (p *Pool) Observe(meter metric.Meter) error {
	s := p.set
	setsMu.Lock()
	observed := s.observed
	s.observed = true
	setsMu.Unlock()
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
		guard.Call("measurement of connections", func() { s.observe(o, counter.Inst()) })
		return nil
	}, counter.Inst())
	setsMu.Lock()
	s.registration = registration
	setsMu.Unlock()
	return err
}

// Collected reports whether the open connections were ever collected. They are not
// by a no-op, or by an SDK that drops the metric.
func (p *Pool) Collected() bool { return p.set.collected.Load() }

// observe observes the number of open connections by labels and state. The SDK holds
// locks while it runs.
func (s *set) observe(o metric.Observer, counter metric.Int64Observable) {
	type states struct{ active, idle int64 }
	counts := map[Labels]states{}
	s.connections.Range(func(_, c any) bool {
		if labels, active, ok := c.(*Conn).countedAs(); ok {
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
	Peer     bool                    // add the peer's address to the labels
	Counted  bool                    // count the connection in the metric of Pool.Observe
	Duration metric.Float64Histogram // nil: not recorded
}

// Track returns the Conn of a connection, and counts the request until
// [Conn.Release]. It returns nil for a connection that is closed or cannot be
// checked.
func (u *Use) Track(info httptrace.GotConnInfo, peer net.Addr) *Conn {
	defer runtime.KeepAlive(u.Pool) // so that the set is not removed
	if !reflect.ValueOf(info.Conn).Comparable() {
		return nil
	}
	s, guard := u.Pool.set, u.Pool.guard
	labels := u.Labels
	if u.Peer {
		labels.Peer, _ = hostport.Peer(peer)
	}
	if c, ok := s.connections.Load(info.Conn); ok {
		return c.(*Conn).addRequest(u, labels)
	}
	c := &Conn{set: s, key: info.Conn, opened: time.Now(), guard: guard}
	if info.WasIdle {
		// It was opened for another request.
		c.opened = c.opened.Add(-info.IdleTime)
	}
	guard.Call("connection", func() { c.file = fileOf(info.Conn) })
	if c.file == nil {
		return nil
	}
	if open, _ := probe(c.file, guard); !open {
		return nil
	}
	return s.add(c).addRequest(u, labels)
}

// add adds a connection and returns it. If another request has added the connection
// first, add returns that Conn.
func (s *set) add(c *Conn) *Conn {
	setsMu.Lock()
	defer setsMu.Unlock()
	if before, loaded := s.connections.LoadOrStore(c.key, c); loaded {
		return before.(*Conn)
	}
	// A bubble's timer stops when the bubble ends, which cannot be detected, and must
	// not be used outside the bubble. So each further connection starts another timer
	// in its place, until one does not belong to a bubble.
	if s.open++; s.open == 1 || s.inBubble {
		s.startTimer()
	}
	return c
}

// remove removes the connection with this key.
func (s *set) remove(key any, c *Conn) {
	setsMu.Lock()
	defer setsMu.Unlock()
	if !s.connections.CompareAndDelete(key, c) {
		return
	}
	if s.open--; s.open == 0 {
		s.timers++ // the running timer does not start another
		s.removeIfUnused()
	}
}

// poolFreed runs when a Pool has become unreachable.
func (s *set) poolFreed() {
	setsMu.Lock()
	defer setsMu.Unlock()
	s.pools--
	s.removeIfUnused()
}

// removeIfUnused removes the set, and unregisters its callback, if it has no Pools
// and no connections.
func (s *set) removeIfUnused() {
	if s.pools > 0 || s.open > 0 {
		return
	}
	delete(sets, s.owner)
	if r := s.registration; r != nil {
		go func() { _ = r.Unregister() }() // it waits for a running collection
	}
}

const checkInterval = time.Second

// startTimer starts a timer for the next check, in place of any other.
func (s *set) startTimer() {
	s.timers++
	n := s.timers
	s.inBubble = hasNoMonotonicClock(time.Now())
	time.AfterFunc(checkInterval, func() { s.onTimer(n) })
}

// hasNoMonotonicClock reports whether t, a result of time.Now, belongs to a bubble of
// testing/synctest. Other results of time.Now have a monotonic clock reading.
func hasNoMonotonicClock(t time.Time) bool { return t == t.Round(0) }

// onTimer runs when the nth timer fires. It skips connections whose earlier check
// still blocks.
func (s *set) onTimer(n int) {
	setsMu.Lock()
	inUse := n == s.timers
	if inUse {
		s.startTimer()
	}
	setsMu.Unlock()
	if inUse {
		s.discardClosed()
	}
}

// discardClosed discards the closed connections.
func (s *set) discardClosed() {
	s.connections.Range(func(_, c any) bool {
		c.(*Conn).discardIfClosed()
		return true
	})
}
