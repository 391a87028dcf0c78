package conntrace

import (
	"context"
	"net"
	"net/http/httptrace"
	"sync"
	"time"
)

// lookups are the DNS lookups of a request. One may outlast its request: a dial
// continues when another connection is obtained, or when the request has ended.
type lookups struct {
	record func(name string, d time.Duration, err error)

	mu      sync.Mutex
	host    string
	started time.Time
	running int
}

func (l *lookups) hooks() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		DNSStart: func(info httptrace.DNSStartInfo) {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.host, l.started = info.Host, time.Now()
			l.running++
		},
		DNSDone: func(info httptrace.DNSDoneInfo) { l.end(info.Err, false) },
	}
}

// timeOut records a lookup that the request has waited for until its deadline. It
// may never end. If it does, it is not recorded again.
func (l *lookups) timeOut() {
	if l != nil {
		l.end(&net.DNSError{IsTimeout: true}, true)
	}
}

// end records that a lookup ends, or that all do, if there is one.
func (l *lookups) end(err error, all bool) {
	l.mu.Lock()
	running, name, start := l.running, l.host, l.started
	if l.running = max(0, running-1); all {
		l.running = 0
	}
	l.mu.Unlock()
	if running > 0 {
		l.record(name, time.Since(start), err)
	}
}

// MeasureLookups returns a context whose DNS lookups are recorded.
func (t *Trace) MeasureLookups(ctx context.Context, record func(name string, d time.Duration, err error)) context.Context {
	l := &lookups{record: record}
	t.timings.lookups = l
	return httptrace.WithClientTrace(ctx, l.hooks())
}

// LookupsTimedOut records a lookup that the request has waited for until its
// deadline.
func (t *Trace) LookupsTimedOut() {
	t.mu.Lock()
	var l *lookups
	if t.timings != nil {
		l = t.timings.lookups
	}
	t.mu.Unlock()
	l.timeOut()
}
