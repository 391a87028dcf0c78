package conntrace

import (
	"context"
	"crypto/tls"
	"net/http/httptrace"
	"time"

	"go.opentelemetry.io/otel/attribute"
)

const (
	connectionReusedKey   = attribute.Key("otelhttpclient.connection.reused")
	connectionIdleTimeKey = attribute.Key("otelhttpclient.connection.idle_time")
	connectionWaitTimeKey = attribute.Key("otelhttpclient.connection.wait_time")
	dnsDurationKey        = attribute.Key("otelhttpclient.dns.duration")
	connectDurationKey    = attribute.Key("otelhttpclient.connect.duration")
	tlsDurationKey        = attribute.Key("otelhttpclient.tls.duration")
	streamWaitTimeKey     = attribute.Key("otelhttpclient.stream.wait_time")
	writeDurationKey      = attribute.Key("otelhttpclient.request.write.duration")
	firstByteDurationKey  = attribute.Key("otelhttpclient.first_byte.duration")
	unfinishedPhaseKey    = attribute.Key("otelhttpclient.unfinished_phase")
)

// phase is the value of otelhttpclient.unfinished_phase.
type phase string

const (
	phaseNone       phase = ""
	phaseConnection phase = "connection"
	phaseDNS        phase = "dns"
	phaseConnect    phase = "connect"
	phaseTLS        phase = "tls"
	phaseStream     phase = "stream"
	phaseWrite      phase = "write"
	phaseFirstByte  phase = "first_byte"
)

// streamWait is the shortest time that is a wait for a stream. net/http has no hook
// for it, and takes a moment to write a header in any case.
const streamWait = 10 * time.Millisecond

// timings are the times of a request and its connection. A nil *timings records
// nothing. The lock of the Trace protects it.
type timings struct {
	lookups  *lookups // nil unless they are measured
	upload   bool     // the request has a body
	answered bool     // there is a response

	waits
}

// waits are of the latest connection that base has asked for.
type waits struct {
	got, reused, wasIdle bool
	failed               bool // what was under way last, by itself
	idle                 time.Duration
	asked, gotAt         time.Time

	// A start is zero before it and after the end. A duration is the sum of what
	// has ended.
	dnsStart, dialStart, tlsFrom time.Time
	dialing                      int
	dns, dial, tls               time.Duration

	headers, written, firstByte time.Time
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
		t.waits = waits{}
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
	t.got, t.gotAt, t.failed = true, time.Now(), false
	t.reused, t.wasIdle, t.idle = info.Reused, info.WasIdle, info.IdleTime
	// HTTP/2 may write the request again without asking again.
	t.headers, t.written, t.firstByte = time.Time{}, time.Time{}, time.Time{}
}

// TimeInQueue returns how long the request waited for a connection, and whether
// it did. end is when the request ended; zero means now.
func (t *Trace) TimeInQueue(end time.Time) (waited time.Duration, known bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.timings.wait(end)
}

// AppendTimings appends the attributes of the timings. started is when the span
// started, and end when it ended; zero means now.
func (t *Trace) AppendTimings(a []attribute.KeyValue, started, end time.Time) []attribute.KeyValue {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.timings.attributes(a, started, end)
}

// wait returns how long the request has waited for a connection, if at all.
func (t *timings) wait(end time.Time) (waited time.Duration, known bool) {
	if t == nil || t.asked.IsZero() {
		return 0, false
	}
	until := t.gotAt
	if !t.got {
		until = orNow(end) // no connection was obtained
	}
	return max(0, until.Sub(t.asked)), true
}

// watchTimings adds the hooks that the timings need. ctx is the request's: what
// fails when it is done has not failed by itself.
func (r *Trace) watchTimings(ctx context.Context) {
	t, hooks := r.timings, &r.hooks
	// at applies a change unless the request has ended or has obtained another
	// connection, while the dial continues.
	at := func(change func(now time.Time)) {
		now := time.Now()
		r.mu.Lock()
		defer r.mu.Unlock()
		if !r.ended && r.state != elsewhere && !t.got {
			change(now)
		}
	}
	start := func(start *time.Time) { at(func(now time.Time) { *start, t.failed = now, false }) }
	done := func(sum *time.Duration, start *time.Time, err error) {
		at(func(now time.Time) {
			if err == nil || ctx.Err() == nil {
				*sum += since(start, now)
				t.failed = err != nil
			}
		})
	}
	lookup, lookedUp := hooks.DNSStart, hooks.DNSDone // of MeasureLookups
	hooks.DNSStart = func(info httptrace.DNSStartInfo) {
		if lookup != nil {
			lookup(info)
		}
		start(&t.dnsStart)
	}
	hooks.DNSDone = func(info httptrace.DNSDoneInfo) {
		if lookedUp != nil {
			lookedUp(info)
		}
		done(&t.dns, &t.dnsStart, info.Err)
	}
	hooks.TLSHandshakeStart = func() { start(&t.tlsFrom) }
	hooks.TLSHandshakeDone = func(_ tls.ConnectionState, err error) { done(&t.tls, &t.tlsFrom, err) }
	hooks.ConnectStart = func(string, string) {
		at(func(now time.Time) {
			if t.dialing++; t.dialing == 1 { // with happy eyeballs there are several
				t.dialStart, t.failed = now, false
			}
		})
	}
	hooks.ConnectDone = func(_, _ string, err error) {
		at(func(now time.Time) {
			if err != nil && ctx.Err() != nil {
				return
			}
			if t.dialing = max(0, t.dialing-1); err == nil || t.dialing == 0 {
				t.dial += since(&t.dialStart, now)
				t.failed = err != nil
			}
		})
	}
	r.watchExchange(ctx)
}

// watchExchange adds the hooks of the timings after a connection is obtained.
func (r *Trace) watchExchange(ctx context.Context) {
	t, hooks := r.timings, &r.hooks
	at := func(change func(now time.Time)) {
		now := time.Now()
		r.mu.Lock()
		defer r.mu.Unlock()
		if !r.ended && r.state == obtained {
			change(now)
		}
	}
	field, wrote := hooks.WroteHeaderField, hooks.WroteRequest
	hooks.WroteHeaderField = func(name string, values []string) {
		at(func(now time.Time) {
			if t.headers.IsZero() {
				t.headers = now
			}
		})
		if field != nil {
			field(name, values)
		}
	}
	hooks.WroteRequest = func(info httptrace.WroteRequestInfo) {
		at(func(now time.Time) {
			if info.Err == nil || ctx.Err() == nil {
				t.written, t.failed = now, info.Err != nil
			}
		})
		if wrote != nil {
			wrote(info)
		}
	}
	hooks.GotFirstResponseByte = func() { at(func(now time.Time) { t.firstByte = now }) }
}

// since returns how long something has taken until now, and ends it.
func since(start *time.Time, now time.Time) (d time.Duration) {
	if !start.IsZero() {
		d = now.Sub(*start)
	}
	*start = time.Time{}
	return d
}

// unfinished returns what is under way.
func (t *timings) unfinished() phase {
	switch {
	case t.asked.IsZero() || t.failed || t.answered || !t.firstByte.IsZero():
		return phaseNone
	case !t.written.IsZero():
		return phaseFirstByte
	case !t.headers.IsZero():
		return phaseWrite
	case t.got:
		return phaseStream
	case !t.tlsFrom.IsZero():
		return phaseTLS
	case !t.dialStart.IsZero():
		return phaseConnect
	case !t.dnsStart.IsZero():
		return phaseDNS
	}
	return phaseConnection
}

func orNow(t time.Time) time.Time {
	if t.IsZero() {
		return time.Now()
	}
	return t
}

// attributes appends what took place. started is when the span started, and end
// when it ended; zero means now.
func (t *timings) attributes(a []attribute.KeyValue, started, end time.Time) []attribute.KeyValue {
	if t == nil {
		return a
	}
	seconds := func(key attribute.Key, d time.Duration) {
		if d > 0 {
			a = append(a, key.Float64(d.Seconds()))
		}
	}
	end = orNow(end)
	running := t.unfinished()
	// until returns what has ended of a phase, and what of it is under way.
	until := func(p phase, ended time.Duration, start time.Time) time.Duration {
		if p == running {
			ended += end.Sub(start)
		}
		return ended
	}
	if t.got {
		a = append(a, connectionReusedKey.Bool(t.reused))
		if t.wasIdle {
			a = append(a, connectionIdleTimeKey.Float64(t.idle.Seconds()))
		}
	}
	if waited, known := t.wait(end); known {
		a = append(a, connectionWaitTimeKey.Float64(waited.Seconds()))
	}
	if !t.reused {
		seconds(dnsDurationKey, until(phaseDNS, t.dns, t.dnsStart))
		seconds(connectDurationKey, until(phaseConnect, t.dial, t.dialStart))
		seconds(tlsDurationKey, until(phaseTLS, t.tls, t.tlsFrom))
	}
	if running == phaseStream {
		seconds(streamWaitTimeKey, end.Sub(t.gotAt))
	} else if waited := t.headers.Sub(t.gotAt); waited >= streamWait {
		seconds(streamWaitTimeKey, waited)
	}
	if !t.headers.IsZero() && (t.upload || running == phaseWrite) {
		seconds(writeDurationKey, t.wroteAt(end).Sub(t.headers))
	}
	if !t.firstByte.IsZero() {
		seconds(firstByteDurationKey, t.firstByte.Sub(started))
	} else if running == phaseFirstByte {
		seconds(firstByteDurationKey, end.Sub(started))
	}
	if running != phaseNone {
		a = append(a, unfinishedPhaseKey.String(string(running)))
	}
	return a
}

// wroteAt returns when the request was written, or when that no longer mattered.
func (t *timings) wroteAt(end time.Time) time.Time {
	switch {
	case !t.firstByte.IsZero() && (t.written.IsZero() || t.firstByte.Before(t.written)):
		return t.firstByte
	case !t.written.IsZero():
		return t.written
	}
	return end
}
