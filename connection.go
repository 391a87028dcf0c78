package otelhttpclient

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// connection is what net/http reports about the connection that a round trip
// uses. Its callbacks come on any goroutine, and some when the round trip is
// long over. Where base uses two connections at the same time with one context,
// or reaches both through a proxy, the reports cannot be told apart, and the
// last one counts.
type connection struct {
	mu    sync.Mutex
	ended bool
	// base may ask for a connection to another server with the same context,
	// to fetch a token, say.
	asked     bool // for a connection to the request's server, or to a proxy
	targeted  bool // to the request's server
	elsewhere bool // for a connection to another server, which has not come
	obtained  bool // what happens on a connection happens on the request's

	sent      sentState
	continued bool // the server has asked for the body

	peer    net.Addr
	tracked *trackedConnection // nil unless connections are counted
	timings *timings           // nil unless they were asked for
}

// timings are what [WithConnectionTimings] records.
type timings struct {
	got, reused, wasIdle         bool
	idle                         time.Duration
	asked, gotAt, firstByte      time.Time
	dnsStart, dialStart, tlsFrom time.Time
	dns, dial, tls               time.Duration
}

// watchConnection has net/http tell about the connection, as far as anybody
// wants to know.
func (rt *roundTrip) watchConnection() {
	in := rt.in
	if in.clientTrace != nil {
		var ct *httptrace.ClientTrace
		call("client trace", func() { ct = in.clientTrace(rt.Context) })
		if ct != nil {
			// WithClientTrace composes in place, and the function may return
			// the same trace for each request.
			own := *ct
			rt.Context = httptrace.WithClientTrace(rt.Context, &own)
		}
	}
	wantsSize := in.wantsRequestSize() && (rt.recording || rt.measuring)
	if !rt.recording && !wantsSize && !(rt.measuring && in.metrics&optInConnectionMetrics != 0) {
		return
	}
	rt.trace.GetConn = rt.getConn
	rt.trace.GotConn = rt.gotConn
	if wantsSize {
		rt.watchRequestBody()
	}
	if in.connectionTimings && rt.recording {
		rt.watchTimings()
	}
	// Nearly always nobody else has hooks, and the round trip, which is a
	// context, can tell of its own. Then WithClientTrace would only cost.
	if clientTraceKey != nil && !in.connectionTimings && httptrace.ContextClientTrace(rt.Context) == nil {
		rt.traceHere = true
		return
	}
	rt.Context = httptrace.WithClientTrace(rt.Context, &rt.trace)
}

// clientTraceKey is the key by which net/http asks a context for its hooks, or
// nil if it does not ask by a key.
var clientTraceKey = func() any {
	probe := &keyProbe{Context: context.Background()}
	httptrace.ContextClientTrace(probe)
	return probe.key
}()

// keyProbe is a context that remembers what it was asked for.
type keyProbe struct {
	context.Context
	key any
}

func (p *keyProbe) Value(key any) any {
	p.key = key
	return nil
}

// getConn is called with the address of the server, or of a proxy, that a
// connection is needed to.
func (rt *roundTrip) getConn(hostPort string) {
	now := time.Now()
	c := &rt.connection
	var tracked *trackedConnection
	defer func() { tracked.release() }() // without the lock: it calls code of others
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return
	}
	c.asked = true
	targeted := addressMatches(hostPort, rt.sentURL())
	c.elsewhere, c.obtained = c.targeted && !targeted, false
	if c.elsewhere {
		return
	}
	c.targeted = targeted
	// net/http may try again on another connection, and base may have fetched
	// a token on this one. Neither says anything about the next.
	c.peer, c.sent, c.continued = nil, sentUnknown, false
	tracked, c.tracked = c.tracked, nil
	if t := c.timings; t != nil {
		// Until a connection is obtained it is still the first that is waited
		// for: HTTP/2 asks once more for a connection that another request has
		// established meanwhile.
		if t.got {
			*t = timings{}
		}
		if t.asked.IsZero() {
			t.asked = now
		}
	}
}

// sentURL is the URL of the request that base got.
func (rt *roundTrip) sentURL() *url.URL {
	if sent := rt.sending.request.Load(); sent != nil {
		return sent.URL
	}
	return nil
}

// addressMatches reports whether the address of a connection is that of the
// server of a URL. The address of a proxy is not.
func addressMatches(hostPort string, u *url.URL) bool {
	if u == nil {
		return false
	}
	host, port, err := net.SplitHostPort(hostPort)
	if err != nil {
		return false
	}
	want := u.Port()
	if want == "" {
		want = "80"
		if u.Scheme == "https" {
			want = "443"
		}
	}
	return port == want && strings.EqualFold(host, u.Hostname())
}

func (rt *roundTrip) gotConn(info httptrace.GotConnInfo) {
	// The connection may be a type of the application's own.
	defer contain("connection")
	if info.Conn == nil {
		return
	}
	peer := info.Conn.RemoteAddr()
	c := &rt.connection
	if c.got(info, peer) && rt.measuring && rt.in.metrics&optInConnectionMetrics != 0 {
		c.use(track(info, rt.connectionUser()))
	}
}

// got notes a connection, unless it comes too late.
func (c *connection) got(info httptrace.GotConnInfo, peer net.Addr) (inTime bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return false
	}
	if c.elsewhere {
		c.elsewhere = false
		return false
	}
	c.asked, c.obtained, c.peer = true, true, peer
	if t := c.timings; t != nil {
		t.got, t.gotAt = true, time.Now()
		t.reused, t.wasIdle, t.idle = info.Reused, info.WasIdle, info.IdleTime
	}
	return true
}

// use replaces the connection that the round trip is counted for. Measuring it
// calls code of others, and so is done without the lock, here and below.
func (c *connection) use(tracked *trackedConnection) {
	c.mu.Lock()
	if !c.ended {
		c.tracked, tracked = tracked, c.tracked
	}
	c.mu.Unlock()
	tracked.release()
}

// answered notes the protocol, which is known when the first response on a
// connection has come.
func (c *connection) answered(status int, p protocol) {
	c.mu.Lock()
	tracked := c.tracked
	c.mu.Unlock()
	tracked.answered(p.version)
	if status == http.StatusSwitchingProtocols {
		tracked.switchedProtocols()
	}
}

// done makes later callbacks no-ops.
func (c *connection) done() {
	c.mu.Lock()
	c.ended = true
	tracked := c.tracked
	c.tracked = nil
	c.mu.Unlock()
	tracked.release()
}

// watchTimings sets the hooks that the timings need in addition.
func (rt *roundTrip) watchTimings() {
	c, t := &rt.connection, &timings{}
	c.timings = t
	// at runs a change to the timings, unless it comes too late: a dial
	// goes on when the request has got another connection meanwhile.
	at := func(change func(now time.Time)) {
		now := time.Now()
		c.mu.Lock()
		defer c.mu.Unlock()
		if !c.ended && !c.elsewhere && !t.got {
			change(now)
		}
	}
	since := func(start *time.Time, now time.Time) (d time.Duration) {
		if !start.IsZero() {
			d = now.Sub(*start)
		}
		*start = time.Time{}
		return d
	}
	rt.trace.DNSStart = func(httptrace.DNSStartInfo) { at(func(now time.Time) { t.dnsStart = now }) }
	rt.trace.DNSDone = func(httptrace.DNSDoneInfo) { at(func(now time.Time) { t.dns += since(&t.dnsStart, now) }) }
	rt.trace.ConnectStart = func(string, string) {
		at(func(now time.Time) {
			// With happy eyeballs there are several, racing.
			if t.dialStart.IsZero() {
				t.dialStart = now
			}
		})
	}
	rt.trace.ConnectDone = func(_, _ string, err error) {
		at(func(now time.Time) {
			if err == nil {
				t.dial += since(&t.dialStart, now)
			}
		})
	}
	rt.trace.TLSHandshakeStart = func() { at(func(now time.Time) { t.tlsFrom = now }) }
	rt.trace.TLSHandshakeDone = func(tls.ConnectionState, error) {
		at(func(now time.Time) { t.tls += since(&t.tlsFrom, now) })
	}
	rt.trace.GotFirstResponseByte = func() {
		now := time.Now()
		c.mu.Lock()
		defer c.mu.Unlock()
		if !c.ended && c.obtained {
			t.firstByte = now
		}
	}
}

// Attributes of WithConnectionTimings.
const (
	connectionReusedKey   = attribute.Key("otelhttpclient.connection.reused")
	connectionIdleTimeKey = attribute.Key("otelhttpclient.connection.idle_time")
	connectionWaitTimeKey = attribute.Key("otelhttpclient.connection.wait_time")
	dnsDurationKey        = attribute.Key("otelhttpclient.dns.duration")
	connectDurationKey    = attribute.Key("otelhttpclient.connect.duration")
	tlsDurationKey        = attribute.Key("otelhttpclient.tls.duration")
	firstByteDurationKey  = attribute.Key("otelhttpclient.first_byte.duration")
)

// appendAttributes appends what is known about the connection.
func (c *connection) appendAttributes(a []attribute.KeyValue, rt *roundTrip) []attribute.KeyValue {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.peer != nil {
		if address, port := splitAddress(c.peer); address != "" {
			a = append(a, semconv.NetworkPeerAddress(address))
			if port != 0 {
				a = append(a, semconv.NetworkPeerPort(port))
			}
			if rt.in.oldNames {
				a = append(a, attribute.String("net.sock.peer.addr", address))
				if port != 0 {
					a = append(a, attribute.Int("net.sock.peer.port", port))
				}
			}
		}
		if rt.in.attributes&optInTransport != 0 {
			if transport := transportOf(c.peer); transport != "" {
				a = append(a, semconv.NetworkTransportKey.String(transport))
			}
		}
	}
	t := c.timings
	if t == nil {
		return a
	}
	seconds := func(key attribute.Key, d time.Duration) {
		if d > 0 {
			a = append(a, key.Float64(d.Seconds()))
		}
	}
	if t.got {
		a = append(a, connectionReusedKey.Bool(t.reused))
		if t.wasIdle {
			a = append(a, connectionIdleTimeKey.Float64(t.idle.Seconds()))
		}
	}
	if !t.asked.IsZero() {
		until := t.gotAt
		if !t.got {
			until = time.Now() // waited in vain
		}
		a = append(a, connectionWaitTimeKey.Float64(max(0, until.Sub(t.asked)).Seconds()))
	}
	if !t.reused {
		seconds(dnsDurationKey, t.dns)
		seconds(connectDurationKey, t.dial)
		seconds(tlsDurationKey, t.tls)
	}
	if !t.firstByte.IsZero() {
		seconds(firstByteDurationKey, t.firstByte.Sub(rt.startTime()))
	}
	return a
}

// startTime is when the span was started.
func (rt *roundTrip) startTime() time.Time {
	if s, ok := rt.span.(interface{ StartTime() time.Time }); ok {
		return s.StartTime()
	}
	return rt.started
}

func splitAddress(a net.Addr) (address string, port int) {
	switch a := a.(type) {
	case *net.TCPAddr:
		if a == nil {
			return "", 0
		}
		address = a.IP.String()
		if a.Zone != "" {
			address += "%" + a.Zone
		}
		return address, a.Port
	case *net.UnixAddr:
		if a == nil {
			return "", 0
		}
		return a.Name, 0
	}
	s := a.String()
	if host, digits, err := net.SplitHostPort(s); err == nil {
		port, _ = strconv.Atoi(digits)
		return host, port
	}
	return s, 0
}

// transportOf is the value of network.transport for an address's network.
func transportOf(a net.Addr) string {
	switch network := a.Network(); network {
	case "tcp", "tcp4", "tcp6":
		return "tcp"
	case "udp", "udp4", "udp6":
		return "udp"
	case "unix", "unixgram", "unixpacket":
		return "unix"
	default:
		return network
	}
}
