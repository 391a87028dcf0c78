package otelhttpclient

import (
	"crypto/tls"
	"net/http/httptrace"
	"time"

	"go.opentelemetry.io/otel/attribute"
)

// WithConnectionTimings records what a request waited for as attributes of its
// span, in seconds. Each is present only if it took place:
//
//   - otelhttpclient.connection.reused: whether the connection was used before
//     (a boolean)
//   - otelhttpclient.connection.idle_time: how long it had been idle
//   - otelhttpclient.connection.wait_time: from asking for a connection until
//     it is obtained, including the dial; it shows an exhausted pool
//   - otelhttpclient.dns.duration, otelhttpclient.connect.duration,
//     otelhttpclient.tls.duration: the parts of establishing it
//   - otelhttpclient.first_byte.duration: from the span's start until the first
//     byte of the response
//
// base must call the hooks of [net/http/httptrace], as *http.Transport does.
func WithConnectionTimings() Option {
	return optionFunc(func(c *config) { c.connectionTimings = true })
}

const (
	connectionReusedKey   = attribute.Key("otelhttpclient.connection.reused")
	connectionIdleTimeKey = attribute.Key("otelhttpclient.connection.idle_time")
	connectionWaitTimeKey = attribute.Key("otelhttpclient.connection.wait_time")
	dnsDurationKey        = attribute.Key("otelhttpclient.dns.duration")
	connectDurationKey    = attribute.Key("otelhttpclient.connect.duration")
	tlsDurationKey        = attribute.Key("otelhttpclient.tls.duration")
	firstByteDurationKey  = attribute.Key("otelhttpclient.first_byte.duration")
)

// timings are what WithConnectionTimings records. A nil *timings records
// nothing. The lock of the connection guards it.
type timings struct {
	got, reused, wasIdle         bool
	idle                         time.Duration
	asked, gotAt, firstByte      time.Time
	dnsStart, dialStart, tlsFrom time.Time
	dns, dial, tls               time.Duration
}

// ask records that a connection is needed.
func (t *timings) ask() {
	if t == nil {
		return
	}
	// Until a connection is obtained, the request is still waiting for the
	// first: HTTP/2 asks again for a connection that another request has
	// established meanwhile.
	if t.got {
		*t = timings{}
	}
	if t.asked.IsZero() {
		t.asked = time.Now()
	}
}

// get records that a connection is obtained.
func (t *timings) get(info httptrace.GotConnInfo) {
	if t == nil {
		return
	}
	t.got, t.gotAt = true, time.Now()
	t.reused, t.wasIdle, t.idle = info.Reused, info.WasIdle, info.IdleTime
}

// timeInQueue returns how long the exchange waited for a connection, and whether
// it did.
func (c *connection) timeInQueue() (waited time.Duration, known bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.timings.wait()
}

// wait returns how long the request has waited for a connection, if at all.
func (t *timings) wait() (waited time.Duration, known bool) {
	if t == nil || t.asked.IsZero() {
		return 0, false
	}
	until := t.gotAt
	if !t.got {
		until = time.Now() // in vain
	}
	return max(0, until.Sub(t.asked)), true
}

// watchTimings adds the hooks that the timings need.
func (c *connection) watchTimings(trace *httptrace.ClientTrace) {
	t := c.timings
	// at runs a change, unless it is too late: a dial continues when the
	// request has obtained another connection.
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
	trace.DNSStart = func(httptrace.DNSStartInfo) { at(func(now time.Time) { t.dnsStart = now }) }
	trace.DNSDone = func(httptrace.DNSDoneInfo) { at(func(now time.Time) { t.dns += since(&t.dnsStart, now) }) }
	trace.ConnectStart = func(string, string) {
		at(func(now time.Time) {
			if t.dialStart.IsZero() { // with happy eyeballs there are several
				t.dialStart = now
			}
		})
	}
	trace.ConnectDone = func(_, _ string, err error) {
		at(func(now time.Time) {
			if err == nil {
				t.dial += since(&t.dialStart, now)
			}
		})
	}
	trace.TLSHandshakeStart = func() { at(func(now time.Time) { t.tlsFrom = now }) }
	trace.TLSHandshakeDone = func(tls.ConnectionState, error) {
		at(func(now time.Time) { t.tls += since(&t.tlsFrom, now) })
	}
	trace.GotFirstResponseByte = func() {
		now := time.Now()
		c.mu.Lock()
		defer c.mu.Unlock()
		if !c.ended && c.obtained {
			t.firstByte = now
		}
	}
}

// attributes appends what took place. started is when the span started.
func (t *timings) attributes(a []attribute.KeyValue, started time.Time) []attribute.KeyValue {
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
	if waited, known := t.wait(); known {
		a = append(a, connectionWaitTimeKey.Float64(waited.Seconds()))
	}
	if !t.reused {
		seconds(dnsDurationKey, t.dns)
		seconds(connectDurationKey, t.dial)
		seconds(tlsDurationKey, t.tls)
	}
	if !t.firstByte.IsZero() {
		seconds(firstByteDurationKey, t.firstByte.Sub(started))
	}
	return a
}
