package otelhttpclient

import (
	"net/http/httptrace"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/metric"

	"github.com/otelhttpclient/otelhttpclient/internal/callback"
	"github.com/otelhttpclient/otelhttpclient/internal/identity"
)

// pools holds the *pool of each MeterProvider that has open connections. A pool
// is removed with its last connection, so that an unused provider can be freed.
var pools sync.Map

// pool is the set of open connections that the requests of one MeterProvider
// use, through any number of Transports.
//
// net/http has no hook for the end of a connection. So each open one is checked
// once a second, by a timer that runs only while there are any.
//
// Methods of connections and instruments may block, panic or exit the goroutine.
// None is called under a lock.
type pool struct {
	owner       any
	connections sync.Map // *trackedConnection by net.Conn; checks range over it without a lock

	mu      sync.Mutex
	open    int
	retired bool // removed with its last connection
	timer   *time.Timer
	timers  int                   // that were started: the latest is in use
	bubbled bool                  // the timer is of a bubble of testing/synctest
	check   atomic.Pointer[check] // the latest
}

// check is one look at all connections of a pool.
type check struct {
	checked atomic.Int64
	over    atomic.Bool
	before  int64 // what checked was at the last tick
}

const connectionCheckInterval = time.Second

// connectionUser is a request that uses a connection. An instrument that its
// Transport does not have is nil.
type connectionUser struct {
	owner    any              // of the pool
	labels   connectionLabels // without the protocol version
	peer     bool             // record the peer's address, too
	counter  metric.Int64UpDownCounter
	duration metric.Float64Histogram
	guard    callback.Guard
}

func (m *instruments) connectionUser(f *facts) *connectionUser {
	u := &connectionUser{
		owner:   m.provider,
		labels:  connectionLabels{host: f.host, port: f.port},
		peer:    m.config.optInAttributes&optInPeerAddress != 0,
		counter: m.openConnections, duration: m.connectionDuration, guard: m.config.guard,
	}
	if m.config.optInAttributes&optInScheme != 0 {
		u.labels.scheme = f.scheme
	}
	// A connection keeps its labels for longer than the request.
	labels, ok := m.labels.Get(u.labels)
	if !ok {
		labels = u.labels.clone()
		m.labels.Put(labels, labels)
	}
	u.labels = labels
	if !identity.Same(m.provider, m.provider) {
		u.owner = m.config // a provider that cannot be compared cannot be found again
	}
	return u
}

// track counts a request as a user of a connection until it is released. It
// returns nil for a connection that is closed or cannot be checked.
func track(info httptrace.GotConnInfo, u *connectionUser) *trackedConnection {
	conn := info.Conn
	if !reflect.ValueOf(conn).Comparable() {
		return nil
	}
	if p, ok := pools.Load(u.owner); ok {
		if t, ok := p.(*pool).connections.Load(conn); ok {
			return t.(*trackedConnection).use(u)
		}
	}
	t := &trackedConnection{conn: conn, since: time.Now(), guard: u.guard}
	if info.WasIdle {
		// It was opened for an earlier request.
		t.since = t.since.Add(-info.IdleTime)
	}
	t.guard.Call("connection", func() { t.file = fileOf(conn) })
	if t.file == nil || t.fileState() != fileOpen {
		return nil
	}
	for {
		p, _ := pools.LoadOrStore(u.owner, &pool{owner: u.owner})
		if added := p.(*pool).add(t); added != nil {
			return added.use(u)
		}
	}
}

// add adds a connection and returns it, or the one that another request added
// first. It returns nil if the pool is retired.
func (p *pool) add(t *trackedConnection) *trackedConnection {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.retired {
		return nil
	}
	t.pool = p
	if before, loaded := p.connections.LoadOrStore(t.conn, t); loaded {
		return before.(*trackedConnection)
	}
	p.open++
	if p.timer == nil || p.bubbled {
		p.start()
	}
	return t
}

// start starts the timer. One that was started in a bubble dies with the bubble,
// which cannot be observed. It also must not be used from outside. So any further
// connection starts another in its place, until there is one of the process.
func (p *pool) start() {
	p.timers++
	n := p.timers
	p.bubbled = hasNoMonotonicClock(time.Now())
	p.timer = time.AfterFunc(connectionCheckInterval, func() { p.tick(n) })
}

// hasNoMonotonicClock reports whether t is a time of a bubble of testing/synctest.
// Those of the process have a reading of the monotonic clock, until it is removed.
func hasNoMonotonicClock(t time.Time) bool { return t == t.Round(0) }

func (p *pool) remove(t *trackedConnection) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.connections.CompareAndDelete(t.conn, t) {
		return
	}
	if p.open--; p.open == 0 {
		p.retired = true
		if !p.bubbled { // else it ends by itself
			p.timer.Stop()
		}
		pools.CompareAndDelete(p.owner, p)
	}
}

// tick runs when the nth timer fires.
func (p *pool) tick(n int) {
	p.mu.Lock()
	over := p.retired || n != p.timers
	if !over {
		p.timer.Reset(connectionCheckInterval)
	}
	p.mu.Unlock()
	if !over {
		p.look()
	}
}

// look starts a check, unless the latest still makes progress. If that one is
// stuck in a connection, the new one skips that connection.
func (p *pool) look() {
	p.mu.Lock()
	if c := p.check.Load(); c != nil && !c.over.Load() {
		if n := c.checked.Load(); n != c.before {
			c.before = n
			p.mu.Unlock()
			return
		}
	}
	c := &check{}
	p.check.Store(c)
	p.mu.Unlock()

	defer c.over.Store(true)
	p.connections.Range(func(_, t any) bool {
		t.(*trackedConnection).check()
		c.checked.Add(1)
		return p.check.Load() == c // not superseded
	})
}
