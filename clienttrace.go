package otelhttpclient

import (
	"context"
	"net/http/httptrace"
)

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

// watchConnection registers the hooks that this exchange needs with net/http.
func (x *exchange) watchConnection() {
	ctx := &x.context
	if x.in.clientTrace != nil {
		var trace *httptrace.ClientTrace
		x.in.guard.Call("client trace", func() { trace = x.in.clientTrace(ctx.Context) })
		if trace != nil {
			own := *trace // WithClientTrace changes it
			ctx.Context = httptrace.WithClientTrace(ctx.Context, &own)
		}
	}
	measured := func(m optInMetrics) bool { return x.meter != nil && x.in.optInMetrics&m != 0 }
	size := x.observed() && x.in.wantsRequestSize()
	if !x.recording && !size && !measured(optInConnectionMetrics|optInTimeInQueue|optInDNSLookup) {
		return
	}
	c := &x.connection
	c.guard = x.in.guard
	trace := &c.hooks
	trace.GetConn, trace.GotConn = c.getConn, c.gotConn
	if size {
		trace.WroteRequest, trace.Got100Continue = c.wroteRequest, c.got100Continue
	}
	if x.recording && x.in.wantsUserAgent() {
		trace.WroteHeaderField = c.wroteHeaderField
	}
	if measured(optInConnectionMetrics) && x.meter.connections != nil {
		c.user = x.meter.connectionUse(&x.facts)
	}
	timed := x.in.connectionTimings && x.recording
	if timed || measured(optInTimeInQueue|optInDNSLookup) {
		c.timings = &timings{}
	}
	if timed {
		c.watchTimings(ctx, trace)
	}
	ctx.Context = httptrace.WithClientTrace(ctx.Context, trace)
	if measured(optInDNSLookup) {
		c.timings.lookups = &lookups{record: x.recordLookup}
		ctx.Context = httptrace.WithClientTrace(ctx.Context, c.timings.lookups.hooks())
	}
}
