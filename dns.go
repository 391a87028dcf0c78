package otelhttpclient

import (
	"net"
	"net/http/httptrace"
	"strings"
	"sync"
	"time"

	"github.com/otelhttpclient/otelhttpclient/internal/hostport"
	"github.com/otelhttpclient/otelhttpclient/internal/redact"
)

// lookups are the DNS lookups of a request. One may outlast its request: a dial
// continues when another connection is obtained, or when the request is over.
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

// lookup returns the lookups of the request, or nil if they are not measured.
func (c *connection) lookup() *lookups {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.timings == nil {
		return nil
	}
	return c.timings.lookups
}

func (x *exchange) recordLookup(name string, d time.Duration, err error) {
	x.in.guard.Call("measurement of a DNS lookup", func() {
		x.meter.RecordLookup(&x.context, x.recordedName(name), d, err)
	})
}

// recordedName returns what is recorded of a name that is looked up. If a URL
// filter changes the host of the request, it is the host that the filter returns.
func (x *exchange) recordedName(name string) string {
	target := redact.Wire(x.connection.aimedAt())
	if target == nil || len(x.in.urlFilters) == 0 {
		return name
	}
	if host, _ := hostport.Split(target.Host, ""); !strings.EqualFold(host, name) {
		return name // of a proxy, or of another server
	}
	if filtered := x.in.filterURL(target); filtered != nil && filtered.Host != target.Host {
		name, _ = hostport.Split(filtered.Host, "")
	}
	return name
}
