package otelhttpclient

import (
	"context"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/otelhttpclient/otelhttpclient/internal/bounded"
	"github.com/otelhttpclient/otelhttpclient/internal/callback"
)

// trackedConnection is an open connection in a pool.
type trackedConnection struct {
	pool     *pool
	conn     net.Conn
	file     syscall.Conn // conn, or what it wraps
	since    time.Time
	guard    callback.Guard
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

// connectionLabels are the attributes of both metrics.
type connectionLabels struct {
	host    string
	port    int
	version string
	scheme  string // Opt-In, as the peer's address
	peer    string
}

func (l connectionLabels) attributes() []attribute.KeyValue {
	a := appendServer(make([]attribute.KeyValue, 0, 6), l.host, l.port)
	if l.version != "" {
		a = append(a, semconv.NetworkProtocolVersion(l.version))
	}
	if l.scheme != "" {
		a = append(a, semconv.URLScheme(l.scheme))
	}
	if l.peer != "" {
		a = append(a, semconv.NetworkPeerAddress(l.peer))
	}
	return a
}

// clone returns labels that keep no piece of a request.
func (l connectionLabels) clone() connectionLabels {
	l.host, l.scheme, l.peer = strings.Clone(l.host), strings.Clone(l.scheme), strings.Clone(l.peer)
	return l
}

// connectionState is what a connection is counted as.
type connectionState struct {
	connectionLabels
	state string // of http.connection.state; "" if it is not counted
}

// connectionOptions serves all pools. Creating the options is the greater part of
// the cost here.
var connectionOptions bounded.Cache[connectionState, []metric.AddOption]

func (s connectionState) options() []metric.AddOption {
	options, ok := connectionOptions.Get(s)
	if !ok {
		s.connectionLabels = s.clone()
		a := append(s.attributes(), semconv.HTTPConnectionStateKey.String(s.state))
		options = []metric.AddOption{metric.WithAttributeSet(attribute.NewSet(a...))}
		connectionOptions.Put(s, options)
	}
	return options
}

// use counts a request. It returns nil if the connection is known to be closed.
func (t *trackedConnection) use(u *connectionUser) *trackedConnection {
	t.mu.Lock()
	if t.gone {
		t.mu.Unlock()
		return nil
	}
	t.users++
	version := t.labels.version
	t.labels = u.labels
	t.labels.version = version
	// A connection keeps its instruments. The first Transport may lack one.
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

// relabel replaces the labels but for the protocol version and the peer.
func (t *trackedConnection) relabel(labels connectionLabels) {
	if t == nil {
		return
	}
	t.mu.Lock()
	labels.version, labels.peer = t.labels.version, t.labels.peer
	t.labels = labels
	t.mu.Unlock()
	t.report()
}

// answered records the protocol version of the first response.
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

// switchedProtocols removes a connection that the application has taken over. It
// counts until the request is released. The pool must not refer to it: the
// garbage collector closes a connection that the application forgets.
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

// state returns what the connection should be counted as.
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

// report updates the counter. One goroutine at a time does, until there is
// nothing left to do, so that the calls are in order without a lock.
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
	// Each +1 has its -1, even if the counter panics: it may have counted
	// before it panicked.
	defer t.count(to, 1)
	t.count(from, -1)
	return true
}

func (t *trackedConnection) count(s connectionState, n int64) {
	if s.state == "" {
		return
	}
	t.guard.Call("measurement of a connection", func() {
		t.counter.Add(context.Background(), n, s.options()...)
	})
}

// check ends the connection if it is closed.
func (t *trackedConnection) check() {
	if !t.checking.CompareAndSwap(false, true) {
		return // an earlier check is still running
	}
	// A connection whose methods panic or exit the goroutine is removed. It is
	// not known to be closed.
	state := fileUnknown
	defer func() {
		t.checking.Store(false)
		if state != fileOpen {
			t.end(state == fileClosed)
		}
	}()
	state = t.fileState()
}

// end stops counting the connection.
func (t *trackedConnection) end(closed bool) {
	t.mu.Lock()
	if t.gone {
		t.mu.Unlock()
		return
	}
	t.gone = true
	labels, duration := t.labels, t.duration
	now := time.Now()
	sameClock := hasNoMonotonicClock(now) == hasNoMonotonicClock(t.since) // else it is of another bubble
	measured := closed && t.responded && duration != nil && sameClock
	t.mu.Unlock()
	t.pool.remove(t)
	if measured {
		open := now.Sub(t.since)
		defer t.guard.Call("measurement of a connection", func() {
			duration.Record(context.Background(), open.Seconds(), metric.WithAttributes(labels.attributes()...))
		})
	}
	t.report()
}

// maxWrappedConnections limits the NetConn methods that are followed: one may
// return its own connection.
const maxWrappedConnections = 16

// fileOf returns the innermost of the wrapped connections that has a file
// descriptor, or nil.
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

// fileState returns fileUnknown if a method of the file panics.
func (t *trackedConnection) fileState() (state fileState) {
	t.guard.Call("check of a connection", func() {
		raw, err := t.file.SyscallConn()
		if err != nil || raw.Control(func(uintptr) {}) != nil {
			state = fileClosed
			return
		}
		state = fileOpen
	})
	return state
}
