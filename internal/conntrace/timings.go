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

// streamWait is the minimum time before the headers are written that counts as a
// wait for a stream. net/http has no hook for that wait, and writing headers takes
// some time in any case.
const streamWait = 10 * time.Millisecond

// timings holds the times of a request and its connection. A nil *timings records
// nothing. Trace.mu protects it.
type timings struct {
	lookups   *lookups // nil unless lookups are measured
	upload    bool     // the request has a body
	responded bool     // there is a response

	connectionTimes
}

// connectionTimes holds the times of the latest connection that base requested.
type connectionTimes struct {
	obtained, reused, wasIdle bool
	failed                    bool // the latest phase has failed, and not because the request ended
	idle                      time.Duration
	waitStart, waitEnd        time.Time

	// A start is zero unless the phase is running. A duration is the sum of the ended
	// phases.
	dnsStart, dialStart, tlsStart time.Time
	dialing                       int
	dns, dial, tls                time.Duration

	headersWritten, requestWritten, firstByte time.Time
}

// startWait records that base requests a connection.
func (t *timings) startWait() {
	if t == nil {
		return
	}
	// Until a connection is obtained, a further request for one continues the wait:
	// HTTP/2 requests it again after another request has established it.
	if t.obtained {
		t.connectionTimes = connectionTimes{}
	}
	if t.waitStart.IsZero() {
		t.waitStart = time.Now()
	}
}

// endWait records that a connection is obtained.
func (t *timings) endWait(info httptrace.GotConnInfo) {
	if t == nil {
		return
	}
	t.obtained, t.waitEnd, t.failed = true, time.Now(), false
	t.reused, t.wasIdle, t.idle = info.Reused, info.WasIdle, info.IdleTime
	// HTTP/2 may write the request again without requesting a connection again.
	t.headersWritten, t.requestWritten, t.firstByte = time.Time{}, time.Time{}, time.Time{}
}

// TimeInQueue returns how long the request waited for a connection. known is false
// if it requested none. end is the end of the request; zero means now.
func (t *Trace) TimeInQueue(end time.Time) (waited time.Duration, known bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.timings.timeInQueue(end)
}

// AppendTimings appends the attributes of the timings. started and end are the start
// and the end of the span. A zero end means now.
func (t *Trace) AppendTimings(a []attribute.KeyValue, started, end time.Time) []attribute.KeyValue {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.timings.appendAttributes(a, started, end)
}

// timeInQueue is [Trace.TimeInQueue].
func (t *timings) timeInQueue(end time.Time) (waited time.Duration, known bool) {
	if t == nil || t.waitStart.IsZero() {
		return 0, false
	}
	until := t.waitEnd
	if !t.obtained {
		until = orNow(end) // no connection was obtained
	}
	return max(0, until.Sub(t.waitStart)), true
}

// watchTimings adds the hooks for the phases of the connection. ctx is the request's
// context: a phase that fails after its end has not failed by itself.
func (t *Trace) watchTimings(ctx context.Context) {
	times, hooks := t.timings, &t.hooks
	// at applies change unless the request has ended, or has obtained another
	// connection while the dial continues.
	at := func(change func(now time.Time)) {
		now := time.Now()
		t.mu.Lock()
		defer t.mu.Unlock()
		if !t.ended && t.state != stateElsewhere && !times.obtained {
			change(now)
		}
	}
	start := func(start *time.Time) { at(func(now time.Time) { *start, times.failed = now, false }) }
	done := func(sum *time.Duration, start *time.Time, err error) {
		at(func(now time.Time) {
			if err == nil || ctx.Err() == nil {
				*sum += takeElapsed(start, now)
				times.failed = err != nil
			}
		})
	}
	lookup, lookedUp := hooks.DNSStart, hooks.DNSDone // set by MeasureLookups
	hooks.DNSStart = func(info httptrace.DNSStartInfo) {
		if lookup != nil {
			lookup(info)
		}
		start(&times.dnsStart)
	}
	hooks.DNSDone = func(info httptrace.DNSDoneInfo) {
		if lookedUp != nil {
			lookedUp(info)
		}
		done(&times.dns, &times.dnsStart, info.Err)
	}
	hooks.TLSHandshakeStart = func() { start(&times.tlsStart) }
	hooks.TLSHandshakeDone = func(_ tls.ConnectionState, err error) { done(&times.tls, &times.tlsStart, err) }
	hooks.ConnectStart = func(string, string) {
		at(func(now time.Time) {
			if times.dialing++; times.dialing == 1 { // Happy Eyeballs dials several addresses
				times.dialStart, times.failed = now, false
			}
		})
	}
	hooks.ConnectDone = func(_, _ string, err error) {
		at(func(now time.Time) {
			if err != nil && ctx.Err() != nil {
				return
			}
			if times.dialing = max(0, times.dialing-1); err == nil || times.dialing == 0 {
				times.dial += takeElapsed(&times.dialStart, now)
				times.failed = err != nil
			}
		})
	}
	t.watchExchange(ctx)
}

// watchExchange adds the hooks for the phases after a connection is obtained.
func (t *Trace) watchExchange(ctx context.Context) {
	times, hooks := t.timings, &t.hooks
	at := func(change func(now time.Time)) {
		now := time.Now()
		t.mu.Lock()
		defer t.mu.Unlock()
		if !t.ended && t.state == stateObtained {
			change(now)
		}
	}
	field, wrote := hooks.WroteHeaderField, hooks.WroteRequest
	hooks.WroteHeaderField = func(name string, values []string) {
		at(func(now time.Time) {
			if times.headersWritten.IsZero() {
				times.headersWritten = now
			}
		})
		if field != nil {
			field(name, values)
		}
	}
	hooks.WroteRequest = func(info httptrace.WroteRequestInfo) {
		at(func(now time.Time) {
			if info.Err == nil || ctx.Err() == nil {
				times.requestWritten, times.failed = now, info.Err != nil
			}
		})
		if wrote != nil {
			wrote(info)
		}
	}
	hooks.GotFirstResponseByte = func() { at(func(now time.Time) { times.firstByte = now }) }
}

// takeElapsed returns the time from *start to now, and clears *start.
func takeElapsed(start *time.Time, now time.Time) (d time.Duration) {
	if !start.IsZero() {
		d = now.Sub(*start)
	}
	*start = time.Time{}
	return d
}

// unfinishedPhase returns the running phase.
func (t *timings) unfinishedPhase() phase {
	switch {
	case t.waitStart.IsZero() || t.failed || t.responded || !t.firstByte.IsZero():
		return phaseNone
	case !t.requestWritten.IsZero():
		return phaseFirstByte
	case !t.headersWritten.IsZero():
		return phaseWrite
	case t.obtained:
		return phaseStream
	case !t.tlsStart.IsZero():
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

// appendAttributes is [Trace.AppendTimings].
func (t *timings) appendAttributes(a []attribute.KeyValue, started, end time.Time) []attribute.KeyValue {
	if t == nil {
		return a
	}
	seconds := func(key attribute.Key, d time.Duration) {
		if d > 0 {
			a = append(a, key.Float64(d.Seconds()))
		}
	}
	end = orNow(end)
	running := t.unfinishedPhase()
	// until adds the time since start to ended if the phase is running.
	until := func(p phase, ended time.Duration, start time.Time) time.Duration {
		if p == running {
			ended += end.Sub(start)
		}
		return ended
	}
	if t.obtained {
		a = append(a, connectionReusedKey.Bool(t.reused))
		if t.wasIdle {
			a = append(a, connectionIdleTimeKey.Float64(t.idle.Seconds()))
		}
	}
	if waited, known := t.timeInQueue(end); known {
		a = append(a, connectionWaitTimeKey.Float64(waited.Seconds()))
	}
	if !t.reused {
		seconds(dnsDurationKey, until(phaseDNS, t.dns, t.dnsStart))
		seconds(connectDurationKey, until(phaseConnect, t.dial, t.dialStart))
		seconds(tlsDurationKey, until(phaseTLS, t.tls, t.tlsStart))
	}
	if running == phaseStream {
		seconds(streamWaitTimeKey, end.Sub(t.waitEnd))
	} else if waited := t.headersWritten.Sub(t.waitEnd); waited >= streamWait {
		seconds(streamWaitTimeKey, waited)
	}
	if !t.headersWritten.IsZero() && (t.upload || running == phaseWrite) {
		seconds(writeDurationKey, t.writeEnd(end).Sub(t.headersWritten))
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

// writeEnd returns when the request was written, at the latest the first byte of the
// response. Without either it returns end.
func (t *timings) writeEnd(end time.Time) time.Time {
	switch {
	case !t.firstByte.IsZero() && (t.requestWritten.IsZero() || t.firstByte.Before(t.requestWritten)):
		return t.firstByte
	case !t.requestWritten.IsZero():
		return t.requestWritten
	}
	return end
}
