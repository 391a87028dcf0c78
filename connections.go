package otelhttpclient

import (
	"context"
	"net/http/httptrace"
	"net/url"
	"time"

	"github.com/otelhttpclient/otelhttpclient/internal/conntrace"
	"github.com/otelhttpclient/otelhttpclient/internal/hostport"
	"github.com/otelhttpclient/otelhttpclient/internal/semconv"
)

// WithConnectionTimings records the phases of a request as attributes of its
// span, in seconds. Each is present only if the phase took place:
//
//   - otelhttpclient.connection.reused: whether the connection was used before
//     (a boolean)
//   - otelhttpclient.connection.idle_time: how long it had been idle
//   - otelhttpclient.connection.wait_time: from requesting a connection until
//     it is obtained, including the dial; it shows an exhausted pool
//   - otelhttpclient.dns.duration, otelhttpclient.connect.duration,
//     otelhttpclient.tls.duration: the parts of establishing it
//   - otelhttpclient.stream.wait_time: from obtaining the connection until the
//     request is written, if that takes 10 ms or more; on HTTP/2 it shows the
//     server's limit of concurrent streams
//   - otelhttpclient.request.write.duration: writing a request with a body, until
//     the first byte of the response at the latest; it shows a slow upload
//   - otelhttpclient.first_byte.duration: from the span's start until the first
//     byte of the response
//   - otelhttpclient.unfinished_phase: the phase in which the request ended
//     without a response (a string): connection, dns, connect, tls, stream,
//     write or first_byte. The attribute of that phase above has the time until
//     the request ended. connection means an exhausted pool, or a dialer or
//     proxy that reports nothing further. A phase that itself failed is not
//     unfinished.
//
// base must call the hooks of [net/http/httptrace], as *http.Transport does.
func WithConnectionTimings() Option {
	return optionFunc(func(c *config) { c.connectionTimings = true })
}

// A ClientTraceFunc returns the hooks for a request, or nil. The context carries
// the request's span. It may be called concurrently, and may return the same
// trace each time: it is copied.
type ClientTraceFunc = func(context.Context) *httptrace.ClientTrace

// WithClientTrace registers the hooks that newTrace returns with net/http, in
// addition to those in the caller's context. Nil is ignored.
func WithClientTrace(newTrace ClientTraceFunc) Option {
	return optionFunc(func(c *config) {
		if newTrace != nil {
			c.clientTrace = newTrace
		}
	})
}

// watchConnection registers the exchange's hooks with net/http.
func (x *exchange) watchConnection() {
	if x.in.clientTrace != nil {
		x.addClientTrace()
	}
	var want conntrace.Want
	var metrics semconv.Metrics
	if x.recording {
		want = x.in.spanWants
	}
	if x.meter != nil {
		metrics = x.in.conventions.Metrics
		want |= x.in.meterWants
	}
	if !x.recording && want == 0 && metrics&(semconv.ConnectionMetrics|semconv.DNSLookups) == 0 {
		return
	}
	if metrics&semconv.DNSLookups != 0 {
		x.connection.MeasureLookups(x.recordLookup)
	}
	c := &x.context
	c.Context = x.connection.Start(c.Context, want, x.meter.ConnectionUse(&x.request), x.in.guard)
}

// addClientTrace registers the application's hooks.
func (x *exchange) addClientTrace() {
	c := &x.context
	var trace *httptrace.ClientTrace
	x.in.guard.Call("client trace", func() { trace = x.in.clientTrace(c.Context) })
	if trace != nil {
		own := *trace // WithClientTrace changes its argument
		c.Context = httptrace.WithClientTrace(c.Context, &own)
	}
}

func (x *exchange) recordLookup(name string, d time.Duration, err error) {
	x.in.guard.Call("measurement of a DNS lookup", func() { x.meter.RecordLookup(&x.context, name, d, err) })
}

// nameLookups sets the name to record for lookups of the request's host, if a URL
// filter changes the host.
func (x *exchange) nameLookups(target *url.URL) {
	target = hostport.Wire(target)
	if x.meter == nil || target == nil {
		return
	}
	if filtered := x.in.filterURL(target); filtered != nil && filtered.Host != target.Host {
		host, _ := hostport.Split(target.Host, "")
		alias, _ := hostport.Split(filtered.Host, "")
		x.connection.NameServer(host, alias)
	}
}
