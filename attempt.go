package otelhttpclient

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelhttpclient/otelhttpclient/internal/body"
	"github.com/otelhttpclient/otelhttpclient/internal/errortype"
	"github.com/otelhttpclient/otelhttpclient/internal/hostport"
	"github.com/otelhttpclient/otelhttpclient/internal/scratch"
	"github.com/otelhttpclient/otelhttpclient/internal/tracers"
)

// attempt is the first sending of a request through an inner Transport. The outer
// Transport's span stands for it unless the request is sent again. Then the attempt
// gets a span and a measurement of its own, like all that follow, with its own
// times.
type attempt struct {
	in      *instrumentation
	outer   *sending
	tracer  *tracers.Tracer
	meter   *instruments // nil: it is not measured
	ctx     context.Context
	started time.Time

	// The caller may change the request once base has returned.
	description
	name       string
	target     url.URL
	bodySize   int64                // negative: unknown
	headers    []attribute.KeyValue // of the request, then of the response
	respLength int64

	outcome outcome
	body.Progress
	ended  atomic.Bool
	ending body.End // without an error that the status code or a cancellation stands for

	bodyless    bool
	sizeUnknown bool
	active      bool // it is counted as active
	always      bool // it is measured even if the request is not sent again
	late        bool // it is measured if the request is sent again

	connection atomic.Pointer[connection] // as it was when the request was sent again
	known      atomic.Int32               // its end, and that the request was sent again
}

// watch remembers what the call sends, in case it is sent again.
func (p *call) watch(outer *sending, tracer *tracers.Tracer, meter *instruments, role role) {
	if meter == nil && (tracer.SkipsSpans() || !outer.recording()) {
		return
	}
	in, req := p.in, p.sent
	a := &attempt{in: in, outer: outer, tracer: tracer, meter: meter, ctx: req.Context(), started: time.Now()}
	seen := hostport.OnWire(req)
	in.describe(&a.description, seen, role.state, role.ordinal)
	a.name = in.nameOfSpan(&a.facts, seen)
	a.headers = in.sentAttributes(req)
	if seen.URL != nil {
		a.target = *seen.URL
	}
	if hasBody(req) {
		a.bodySize = req.ContentLength
		if a.bodySize == 0 || strings.EqualFold(req.Header.Get("Expect"), "100-continue") {
			a.bodySize = -1
		}
	}
	role.passed.keep(a)
	if a.active {
		meter.begin(a.ctx, &a.facts)
	}
	p.first = a
}

// keep keeps the first attempt, and determines when it is measured: at once, if
// no outer Transport measures it with the same provider.
func (p *innerTransport) keep(a *attempt) {
	a.outer.mu.Lock()
	defer a.outer.mu.Unlock()
	p.first = a
	resent := a.outer.times > 1 // already, by a concurrent attempt
	if resent {
		a.known.Add(1)
	}
	if a.meter == nil || p.before.measured(a.meter.provider) != nil {
		return
	}
	a.active = a.outer.meter(a.meter.provider) == nil
	if a.always = a.active || resent; a.always {
		p.meter = a.meter
	}
}

// reveal returns the attempt that the entry is about, as the request is sent
// again. It is measured now unless it is measured already.
func (p *innerTransport) reveal() *attempt {
	if p == nil || p.first == nil {
		return nil
	}
	a := p.first
	if a.meter != nil && !a.always && p.before.measured(a.meter.provider) == nil {
		p.meter, a.late = a.meter, true
	}
	return a
}

// sentAgain records that the request is sent again, before anything is sent.
func (a *attempt) sentAgain(outer *sending) {
	if outer.exchange != nil {
		c := new(connection)
		outer.exchange.connection.copyTo(c)
		a.connection.Store(c)
	}
	if a.known.Add(1) == 2 {
		a.record()
	}
}

// answered takes what base returned, as [exchange.answered] does.
func (a *attempt) answered(sent *sentRequest, resp *http.Response, err error) (open bool) {
	if err == nil && resp == nil {
		err = errNoResponse
	}
	if resp != nil {
		a.in.guard.Call("description of the response", func() {
			a.in.describeResponse(&a.outcome, resp)
			if a.host == "" {
				a.resolve(sent, resp)
			}
			a.headers = a.in.responseHeaders.attributes(a.headers, resp.Header, a.in.redaction, &a.target)
		})
		a.respLength = resp.ContentLength
	}
	if err != nil {
		a.sizeUnknown = true
		a.End(body.End{Err: err})
		return false
	}
	a.sizeUnknown = resp.Uncompressed
	a.bodyless = sent.method == http.MethodHead || body.Absent(resp)
	if a.bodyless || a.in.spanEnd == EndOnHeaders {
		a.End(body.End{})
		return false
	}
	return true
}

// StartTime is for [body.Owner].
func (a *attempt) StartTime() time.Time { return a.started }

// End records how the attempt ended. The first call counts.
func (a *attempt) End(e body.End) {
	if !a.ended.CompareAndSwap(false, true) {
		return
	}
	if e.At.IsZero() {
		e.At = time.Now()
	}
	a.ending = e
	if e.Err != nil {
		// At once: the context may be canceled afterwards.
		a.in.guard.Call("description of the error", func() { a.describeError(e.Err) })
	}
	if a.always {
		a.in.guard.Call("measurement", func() { a.exchange(a.meter).measure(a.ending) })
	}
	if a.known.Add(1) == 2 {
		a.record()
	}
}

func (a *attempt) describeError(err error) {
	if a.outcome.errorType != "" || errortype.CancelledByCaller(a.ctx, err) {
		a.ending.Err = nil
		return
	}
	a.outcome.errorType = a.in.errorType(a.ctx, a.scheme, err)
}

// record creates the span, and records the metrics that are still due.
func (a *attempt) record() {
	a.in.guard.Call("telemetry of an earlier attempt", func() {
		var meter *instruments
		if a.late {
			meter = a.meter
		}
		x := a.exchange(meter)
		a.startSpan(x)
		if x.recording {
			a.describeSpan(x)
		}
		x.End(body.End{At: a.ending.At, Abandoned: a.ending.Abandoned})
	})
}

// exchange returns the attempt as an exchange that is about to end.
func (a *attempt) exchange(meter *instruments) *exchange {
	x := &exchange{in: a.in, meter: meter, facts: a.facts, started: a.started, outcome: a.outcome,
		bodyless: a.bodyless, sizeUnknown: a.sizeUnknown}
	x.context.init(a.ctx, a.tracer, &noState, a.resendCount)
	x.context.sending.activeOuter = !a.active
	x.Progress.Add(a.Received())

	c := &x.connection
	c.guard, c.target = a.in.guard, &a.target
	if then := a.connection.Load(); then != nil {
		then.copyTo(c)
	} else if a.outer.exchange != nil {
		a.outer.exchange.connection.copyTo(c)
	}
	if a.bodySize < 0 {
		c.sent = sentInPart
	}
	if a.bodySize != 0 {
		x.upload = &upload{length: a.bodySize}
	}
	return x
}

func (a *attempt) startSpan(x *exchange) {
	s := scratch.Get(a.tracer.Copies())
	defer s.Release()
	s.Attributes = a.in.creationAttributes(s.Attributes, &a.description)
	options := append(s.StartOptions(a.in.spanOptions), trace.WithTimestamp(a.started))
	x.context.Context, x.span = a.tracer.Start(a.ctx, a.name, options...)
	x.recording = x.span.IsRecording()
}

func (a *attempt) describeSpan(x *exchange) {
	x.set(a.headers...)
	if a.outcome.status != 0 {
		attrs := a.in.responseAttributes(nil, &a.outcome, &http.Response{ContentLength: a.respLength}, &a.target)
		x.connection.answered(a.outcome.status, a.outcome.protocol)
		x.set(x.connection.attributes(attrs, a.in, a.started, a.ending.At)...)
	}
	switch {
	case a.ending.Err != nil:
		x.setError(a.ending.Err, false)
	case a.outcome.errorType != "":
		x.setErrorStatus("")
	}
}
