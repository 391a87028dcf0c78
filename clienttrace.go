package otelhttpclient

import (
	"context"
	"net/http/httptrace"

	"github.com/otelhttpclient/otelhttpclient/internal/semconv"
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
	measured := func(m semconv.Metrics) bool { return x.meter != nil && x.in.conventions.Metrics&m != 0 }
	size := x.observed() && x.in.conventions.WantsRequestSize()
	if !x.recording && !size && !measured(semconv.ConnectionMetrics|semconv.TimeInQueue|semconv.DNSLookups) {
		return
	}
	c := &x.connection
	c.guard = x.in.guard
	trace := &c.hooks
	trace.GetConn, trace.GotConn = c.getConn, c.gotConn
	if size {
		trace.WroteRequest, trace.Got100Continue = c.wroteRequest, c.got100Continue
	}
	if x.recording && x.in.conventions.WantsUserAgent() {
		trace.WroteHeaderField = c.wroteHeaderField
	}
	if x.meter != nil {
		c.user = x.meter.ConnectionUse(&x.request)
	}
	timed := x.in.connectionTimings && x.recording
	if timed || measured(semconv.TimeInQueue|semconv.DNSLookups) {
		c.timings = &timings{}
	}
	if timed {
		c.watchTimings(ctx, trace)
	}
	ctx.Context = httptrace.WithClientTrace(ctx.Context, trace)
	if measured(semconv.DNSLookups) {
		c.timings.lookups = &lookups{record: x.recordLookup}
		ctx.Context = httptrace.WithClientTrace(ctx.Context, c.timings.lookups.hooks())
	}
}
