package openconns

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

	"github.com/otelhttpclient/otelhttpclient/internal/callback"
)

// Conn is an open connection. The methods of a nil *Conn do nothing.
type Conn struct {
	set      *set
	opened   time.Time
	guard    callback.Guard
	checking atomic.Bool

	mu        sync.Mutex
	key       any          // key in set.connections
	file      syscall.Conn // the connection, or one that it wraps; nil if upgraded
	requests  int          // requests that use it
	responded bool         // the first response was received
	discarded bool
	counted   bool
	labels    Labels
	duration  metric.Float64Histogram
}

// Labels are the attributes of both metrics. Zero fields are left out.
type Labels struct {
	Host    string
	Port    int
	Version string
	Scheme  string
	Peer    string
}

func (l Labels) attributes() []attribute.KeyValue {
	a := make([]attribute.KeyValue, 0, 6)
	if l.Host != "" {
		a = append(a, semconv.ServerAddress(l.Host))
	}
	if l.Port != 0 {
		a = append(a, semconv.ServerPort(l.Port))
	}
	if l.Version != "" {
		a = append(a, semconv.NetworkProtocolVersion(l.Version))
	}
	if l.Scheme != "" {
		a = append(a, semconv.URLScheme(l.Scheme))
	}
	if l.Peer != "" {
		a = append(a, semconv.NetworkPeerAddress(l.Peer))
	}
	return a
}

// clone returns labels that share no memory with a request.
func (l Labels) clone() Labels {
	l.Host, l.Version, l.Scheme, l.Peer = strings.Clone(l.Host), strings.Clone(l.Version), strings.Clone(l.Scheme), strings.Clone(l.Peer)
	return l
}

// addRequest counts a request. It returns nil if the connection was discarded.
func (c *Conn) addRequest(u *Use, labels Labels) *Conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.discarded {
		return nil
	}
	c.requests++
	labels.Version = c.labels.Version
	c.setLabels(labels)
	// The first Transport may lack a metric.
	c.counted = c.counted || u.Counted
	if c.duration == nil {
		c.duration = u.Duration
	}
	return c
}

// setLabels copies the labels, which outlive their request.
func (c *Conn) setLabels(labels Labels) {
	if labels != c.labels {
		c.labels = labels.clone()
	}
}

// Relabel replaces the labels except the protocol version and the peer.
func (c *Conn) Relabel(labels Labels) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	labels.Version, labels.Peer = c.labels.Version, c.labels.Peer
	c.setLabels(labels)
}

// SetVersion records the protocol version of the first response. Further calls do
// nothing.
func (c *Conn) SetVersion(version string) {
	if c != nil {
		c.setFirstVersion(version)
	}
}

func (c *Conn) setFirstVersion(version string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.responded {
		labels := c.labels
		labels.Version = version
		c.responded = true
		c.setLabels(labels)
	}
}

// Upgraded records that the application has taken over the connection, which then
// counts as open until the request is released. The Conn drops its reference to it,
// so that the garbage collector can close a connection that the application
// forgets.
func (c *Conn) Upgraded() {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.set.connections.CompareAndDelete(c.key, c) {
		c.key, c.file = c, nil
		c.set.connections.Store(c, c)
	}
}

// Release ends the use of the connection by a request.
func (c *Conn) Release() {
	if c != nil {
		c.release() // so that the test is inlined
	}
}

func (c *Conn) release() {
	c.mu.Lock()
	c.requests--
	closed := c.file == nil && c.requests == 0
	c.mu.Unlock()
	if closed {
		c.discard(true)
	}
}

// countedAs returns the labels and the state that the connection is counted with. ok
// is false if it is not counted.
func (c *Conn) countedAs() (labels Labels, active, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.labels, c.requests > 0, c.counted && c.responded && !c.discarded
}

// discardIfClosed discards the connection if it is closed.
func (c *Conn) discardIfClosed() {
	c.mu.Lock()
	file := c.file
	c.mu.Unlock()
	if file == nil || !c.checking.CompareAndSwap(false, true) {
		return // an earlier check is still running
	}
	// A connection whose methods panic or exit the goroutine is discarded, too. Then
	// it is not known to be closed.
	open, known := false, false
	defer func() {
		c.checking.Store(false)
		if !open {
			c.discard(known)
		}
	}()
	open, known = probe(file, c.guard)
}

// discard removes the connection from its set. If it is known to be closed, it
// records how long it was open.
func (c *Conn) discard(closed bool) {
	c.mu.Lock()
	if c.discarded {
		c.mu.Unlock()
		return
	}
	c.discarded = true
	key, labels, duration := c.key, c.labels, c.duration
	now := time.Now()
	sameClock := hasNoMonotonicClock(now) == hasNoMonotonicClock(c.opened) // else opened is a time of another bubble
	measured := closed && c.responded && duration != nil && sameClock
	c.mu.Unlock()
	c.set.remove(key, c)
	if measured {
		c.guard.Call("measurement of a connection", func() {
			duration.Record(context.Background(), now.Sub(c.opened).Seconds(), metric.WithAttributes(labels.attributes()...))
		})
	}
}

// maxWrapped limits the number of NetConn calls: NetConn may return its own
// receiver.
const maxWrapped = 16

// fileOf returns the innermost wrapped connection that has a file descriptor, or
// nil.
func fileOf(conn net.Conn) (file syscall.Conn) {
	for range maxWrapped {
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

// probe reports whether a file is open. known is false if its methods panic.
func probe(file syscall.Conn, guard callback.Guard) (open, known bool) {
	guard.Call("check of a connection", func() {
		raw, err := file.SyscallConn()
		open = err == nil && raw.Control(func(uintptr) {}) == nil
		known = true
	})
	return open, known
}
