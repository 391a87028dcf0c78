package conntrace

import (
	"net"
	"net/http/httptrace"
	"strings"
	"time"
)

// Record records a DNS lookup of a name.
type Record func(name string, d time.Duration, err error)

// lookups measures the DNS lookups of a request. A lookup may outlast its request: a
// dial continues when another connection is obtained, or when the request has ended.
// Trace.mu protects it.
type lookups struct {
	record  Record
	host    string
	server  string // its host; "" before the request is sent
	alias   string // the name to record for it
	started time.Time
	running int
}

// MeasureLookups adds the hooks for DNS lookups. Call it before Start.
func (t *Trace) MeasureLookups(record Record) {
	l := &lookups{record: record}
	t.timings = &timings{lookups: l}
	t.hooks.DNSStart = func(info httptrace.DNSStartInfo) {
		t.mu.Lock()
		defer t.mu.Unlock()
		l.host, l.started = info.Host, time.Now()
		l.running++
	}
	t.hooks.DNSDone = func(info httptrace.DNSDoneInfo) { t.endLookup(l, info.Err, false) }
}

// NameServer sets the name to record for lookups of the server's host. A lookup may
// outlast its request, whose URL must not be read then.
func (t *Trace) NameServer(host, alias string) {
	t.mu.Lock()
	t.timings.lookups.server, t.timings.lookups.alias = host, alias
	t.mu.Unlock()
}

// LookupsTimedOut records the running lookups as timed out at the request's
// deadline. Lookups that end later are not recorded again.
func (t *Trace) LookupsTimedOut() {
	t.mu.Lock()
	var l *lookups
	if t.timings != nil {
		l = t.timings.lookups
	}
	t.mu.Unlock()
	if l != nil {
		t.endLookup(l, &net.DNSError{IsTimeout: true}, true)
	}
}

// endLookup records the end of one lookup, or of all, if any is running.
func (t *Trace) endLookup(l *lookups, err error, all bool) {
	t.mu.Lock()
	running, name, start := l.running, l.host, l.started
	if l.server != "" && strings.EqualFold(name, l.server) {
		name = l.alias
	}
	if l.running = max(0, running-1); all {
		l.running = 0
	}
	t.mu.Unlock()
	if running > 0 {
		l.record(name, time.Since(start), err)
	}
}
