package otelhttpclient

import (
	"context"
	"net"
	"net/http/httptrace"
	"reflect"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// pools are the pools of all MeterProviders that have open connections: a
// *pool by its owner. A pool is removed with its last connection, so that a
// provider which the application has dropped can be freed.
var pools sync.Map

// pool is the set of open connections that the requests of one MeterProvider
// use, through any number of Transports.
//
// net/http has no hook for the end of a connection. So each open one is checked
// once a second, by a timer that runs only while there are any.
//
// Connections and instruments are code of others, which may block, panic or end
// the goroutine. None of it is called while a lock is held.
type pool struct {
	owner       any
	connections sync.Map // *trackedConnection by net.Conn; checks range over it without a lock

	mu      sync.Mutex
	open    int
	retired bool // the last connection was removed, and the pool with it
	timer   *time.Timer
	check   atomic.Pointer[check] // the latest
}

// check is one look at all connections of a pool.
type check struct {
	checked atomic.Int64
	over    atomic.Bool
	before  int64 // what checked was at the last tick
}

const connectionCheckInterval = time.Second

// connectionUser is a request that uses a connection. The instruments that its
// Transport does not have are nil.
type connectionUser struct {
	owner    any // of the pool
	host     string
	port     int
	counter  metric.Int64UpDownCounter
	duration metric.Float64Histogram
}

func (rt *roundTrip) connectionUser() connectionUser {
	u := connectionUser{
		owner: rt.in, host: rt.facts.host, port: rt.facts.port,
		counter: rt.meter.openConnections, duration: rt.meter.connectionDuration,
	}
	// A provider that cannot be compared cannot be found again: what stands
	// for it is the Transport.
	if same(rt.meter.provider, rt.meter.provider) {
		u.owner = rt.meter.provider
	}
	return u
}

// track counts a request as a user of a connection, until it is released. It
// returns nil for a connection that is closed or cannot be checked.
func track(info httptrace.GotConnInfo, u connectionUser) *trackedConnection {
	conn := info.Conn
	if !reflect.ValueOf(conn).Comparable() {
		return nil
	}
	if p, ok := pools.Load(u.owner); ok {
		if t, ok := p.(*pool).connections.Load(conn); ok {
			return t.(*trackedConnection).use(u)
		}
	}
	t := &trackedConnection{conn: conn, since: time.Now()}
	if info.WasIdle {
		// It was opened for another request, at that time or before.
		t.since = t.since.Add(-info.IdleTime)
	}
	call("connection", func() { t.file = fileOf(conn) })
	if t.file == nil || stateOf(t.file) != fileOpen {
		return nil
	}
	for {
		p, _ := pools.LoadOrStore(u.owner, &pool{owner: u.owner})
		if added := p.(*pool).add(t); added != nil {
			return added.use(u)
		}
	}
}

// add returns the tracked connection that is in the pool now: t, or one that
// another request has added before it. It returns nil if the pool is retired.
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
	if p.timer == nil {
		p.timer = time.AfterFunc(connectionCheckInterval, p.tick)
	}
	return t
}

func (p *pool) remove(t *trackedConnection) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.connections.CompareAndDelete(t.conn, t) {
		return
	}
	if p.open--; p.open == 0 {
		p.retired = true
		p.timer.Stop()
		pools.CompareAndDelete(p.owner, p)
	}
}

// tick starts a check, unless one makes progress still. A check that is stuck
// in a connection does not keep others from being checked: the next one leaves
// that connection out.
func (p *pool) tick() {
	p.mu.Lock()
	if p.retired {
		p.mu.Unlock()
		return
	}
	p.timer.Reset(connectionCheckInterval)
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
		return p.check.Load() == c // another has taken over otherwise
	})
}

// trackedConnection is an open connection in a pool.
type trackedConnection struct {
	pool     *pool
	conn     net.Conn
	file     syscall.Conn // conn, or what it wraps
	since    time.Time
	checking atomic.Bool

	mu        sync.Mutex
	users     int  // requests that use it
	responded bool // the first response has come
	switched  bool // to another protocol
	gone      bool
	labels    connectionLabels
	counter   metric.Int64UpDownCounter
	duration  metric.Float64Histogram

	counted   connectionState // what the counter has it as
	reporting bool            // a goroutine is bringing the counter up to date
}

// connectionLabels are what the attributes of both metrics are made of.
type connectionLabels struct {
	host    string
	port    int
	version string
}

func (l connectionLabels) attributes() []attribute.KeyValue {
	a := appendServer(make([]attribute.KeyValue, 0, 4), l.host, l.port)
	if l.version != "" {
		a = append(a, semconv.NetworkProtocolVersion(l.version))
	}
	return a
}

// connectionState is what a connection is counted as.
type connectionState struct {
	connectionLabels
	state string // of http.connection.state; "" if it is not counted
}

// connectionOptions are kept for all pools: making them is the greater part of
// what a request costs here.
var connectionOptions boundedCache[connectionState, []metric.AddOption]

func (s connectionState) options() []metric.AddOption {
	options, ok := connectionOptions.get(s)
	if !ok {
		a := append(s.attributes(), semconv.HTTPConnectionStateKey.String(s.state))
		options = []metric.AddOption{metric.WithAttributeSet(attribute.NewSet(a...))}
		connectionOptions.put(s, options)
	}
	return options
}

// use counts a request. It returns nil if the connection was found to be closed
// meanwhile.
func (t *trackedConnection) use(u connectionUser) *trackedConnection {
	t.mu.Lock()
	if t.gone {
		t.mu.Unlock()
		return nil
	}
	t.users++
	t.labels.host, t.labels.port = u.host, u.port
	// The same instruments serve the connection to its end. The first
	// Transport need not have both.
	if t.counter == nil {
		t.counter = u.counter
	}
	if t.duration == nil {
		t.duration = u.duration
	}
	t.mu.Unlock()
	t.report()
	return t
}

// answered notes the protocol version of the first response.
func (t *trackedConnection) answered(version string) {
	if t == nil {
		return
	}
	t.mu.Lock()
	if !t.responded {
		t.responded, t.labels.version = true, version
	}
	t.mu.Unlock()
	t.report()
}

// switchedProtocols ends the watch over a connection that has become the
// program's. It counts until the request is released. The pool must not refer
// to it: one that the program forgets is closed by the garbage collector.
func (t *trackedConnection) switchedProtocols() {
	if t == nil {
		return
	}
	t.mu.Lock()
	t.switched = true
	t.mu.Unlock()
	t.pool.remove(t)
}

func (t *trackedConnection) release() {
	if t == nil {
		return
	}
	t.mu.Lock()
	t.users--
	closed := t.switched && t.users == 0
	t.mu.Unlock()
	if closed {
		t.end(true)
		return
	}
	t.report()
}

// state is what the connection has to be counted as now.
func (t *trackedConnection) state() connectionState {
	switch {
	case t.counter == nil || !t.responded || t.gone:
		return connectionState{}
	case t.users > 0:
		return connectionState{t.labels, "active"}
	default:
		return connectionState{t.labels, "idle"}
	}
}

// report brings the counter up to date. One goroutine at a time does, so that
// the counter's calls come in order without a lock being held, and goes on
// until there is nothing left to do.
func (t *trackedConnection) report() {
	for t.reportOnce() {
	}
}

func (t *trackedConnection) reportOnce() (reported bool) {
	t.mu.Lock()
	from, to := t.counted, t.state()
	if t.reporting || from == to {
		t.mu.Unlock()
		return false
	}
	t.reporting, t.counted = true, to
	t.mu.Unlock()
	defer func() {
		t.mu.Lock()
		t.reporting = false
		t.mu.Unlock()
	}()
	// Each +1 has its -1, also if the counter panics: it is likely to do so
	// for the same attributes, or to have counted before.
	defer t.count(to, 1)
	t.count(from, -1)
	return true
}

func (t *trackedConnection) count(s connectionState, n int64) {
	if s.state == "" {
		return
	}
	call("measurement of a connection", func() {
		t.counter.Add(context.Background(), n, s.options()...)
	})
}

// check ends the connection if it is closed.
func (t *trackedConnection) check() {
	if !t.checking.CompareAndSwap(false, true) {
		return // an earlier check is still at it
	}
	// A connection whose methods panic or end the goroutine is watched no
	// longer, and not known to be closed.
	state := fileUnknown
	defer func() {
		t.checking.Store(false)
		if state != fileOpen {
			t.end(state == fileClosed)
		}
	}()
	state = stateOf(t.file)
}

// end has the connection count no longer.
func (t *trackedConnection) end(closed bool) {
	t.mu.Lock()
	if t.gone {
		t.mu.Unlock()
		return
	}
	t.gone = true
	labels, duration := t.labels, t.duration
	measured := closed && t.responded && duration != nil
	t.mu.Unlock()
	t.pool.remove(t)
	if measured {
		open := time.Since(t.since)
		defer call("measurement of a connection", func() {
			duration.Record(context.Background(), open.Seconds(), metric.WithAttributes(labels.attributes()...))
		})
	}
	t.report()
}

// maxWrappedConnections is how many NetConn methods are followed. One may lead
// back to its own connection.
const maxWrappedConnections = 16

// fileOf returns the innermost of a connection and those that it wraps that has
// a file descriptor, or nil.
func fileOf(conn net.Conn) (file syscall.Conn) {
	for range maxWrappedConnections {
		if f, ok := conn.(syscall.Conn); ok {
			file = f
		}
		wrapper, ok := conn.(interface{ NetConn() net.Conn })
		if !ok {
			break
		}
		conn = wrapper.NetConn()
	}
	return file
}

type fileState int

const (
	fileUnknown fileState = iota
	fileOpen
	fileClosed
)

// stateOf returns fileUnknown if a method of the file panics.
func stateOf(file syscall.Conn) (state fileState) {
	call("check of a connection", func() {
		raw, err := file.SyscallConn()
		if err != nil || raw.Control(func(uintptr) {}) != nil {
			state = fileClosed
			return
		}
		state = fileOpen
	})
	return state
}
