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
	since    time.Time
	guard    callback.Guard
	checking atomic.Bool

	mu        sync.Mutex
	key       any          // in the set
	file      syscall.Conn // the connection, or what it wraps; nil if it is upgraded
	users     int          // requests that use it
	responded bool         // the first response has come
	gone      bool
	counted   bool
	labels    Labels
	duration  metric.Float64Histogram
}

// Labels are the attributes of both metrics. Zero fields are no attributes.
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

// clone returns labels that keep no piece of a request.
func (l Labels) clone() Labels {
	l.Host, l.Version, l.Scheme, l.Peer = strings.Clone(l.Host), strings.Clone(l.Version), strings.Clone(l.Scheme), strings.Clone(l.Peer)
	return l
}

// use counts a request. It returns nil if the connection is known to be closed.
func (c *Conn) use(u *Use, labels Labels) *Conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone {
		return nil
	}
	c.users++
	labels.Version = c.labels.Version
	c.label(labels)
	// The first Transport may lack a metric.
	c.counted = c.counted || u.Counted
	if c.duration == nil {
		c.duration = u.Duration
	}
	return c
}

// label sets the labels, which are used for longer than the request.
func (c *Conn) label(labels Labels) {
	if labels != c.labels {
		c.labels = labels.clone()
	}
}

// Relabel replaces the labels but for the protocol version and the peer.
func (c *Conn) Relabel(labels Labels) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	labels.Version, labels.Peer = c.labels.Version, c.labels.Peer
	c.label(labels)
}

// Answered records the protocol version of the first response.
func (c *Conn) Answered(version string) {
	if c != nil {
		c.answered(version)
	}
}

func (c *Conn) answered(version string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.responded {
		labels := c.labels
		labels.Version = version
		c.responded = true
		c.label(labels)
	}
}

// Upgraded records that the application has taken the connection over. It is open
// until the request is released. Nothing here refers to it: the garbage collector
// closes a connection that the application forgets.
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
	c.users--
	closed := c.file == nil && c.users == 0
	c.mu.Unlock()
	if closed {
		c.end(true)
	}
}

// state returns what the connection is counted as, if it is.
func (c *Conn) state() (labels Labels, active, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.labels, c.users > 0, c.counted && c.responded && !c.gone
}

// check ends the connection if it is closed.
func (c *Conn) check() {
	c.mu.Lock()
	file := c.file
	c.mu.Unlock()
	if file == nil || !c.checking.CompareAndSwap(false, true) {
		return // an earlier check is still running
	}
	// A connection whose methods panic or exit the goroutine is removed. It is
	// not known to be closed.
	open, known := false, false
	defer func() {
		c.checking.Store(false)
		if !open {
			c.end(known)
		}
	}()
	open, known = probe(file, c.guard)
}

// end removes the connection. If it is known to be closed, how long it was open is
// recorded.
func (c *Conn) end(closed bool) {
	c.mu.Lock()
	if c.gone {
		c.mu.Unlock()
		return
	}
	c.gone = true
	key, labels, duration := c.key, c.labels, c.duration
	now := time.Now()
	sameClock := hasNoMonotonicClock(now) == hasNoMonotonicClock(c.since) // else it is of another bubble
	measured := closed && c.responded && duration != nil && sameClock
	c.mu.Unlock()
	c.set.remove(key, c)
	if measured {
		c.guard.Call("measurement of a connection", func() {
			duration.Record(context.Background(), now.Sub(c.since).Seconds(), metric.WithAttributes(labels.attributes()...))
		})
	}
}

// maxWrapped limits the NetConn methods that are followed: one may return its own
// connection.
const maxWrapped = 16

// fileOf returns the innermost of the wrapped connections that has a file
// descriptor, or nil.
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

// probe reports whether a file is open, and whether that is known: it is not if a
// method panics.
func probe(file syscall.Conn, guard callback.Guard) (open, known bool) {
	guard.Call("check of a connection", func() {
		raw, err := file.SyscallConn()
		open = err == nil && raw.Control(func(uintptr) {}) == nil
		known = true
	})
	return open, known
}
