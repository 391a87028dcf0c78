package otelhttpclient

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelhttpclient/otelhttpclient/internal/body"
	"github.com/otelhttpclient/otelhttpclient/internal/errortype"
	"github.com/otelhttpclient/otelhttpclient/internal/exporters"
	"github.com/otelhttpclient/otelhttpclient/internal/hostport"
	"github.com/otelhttpclient/otelhttpclient/internal/identity"
	"github.com/otelhttpclient/otelhttpclient/internal/inject"
	"github.com/otelhttpclient/otelhttpclient/internal/scratch"
	"github.com/otelhttpclient/otelhttpclient/internal/tracers"
)

// Life of a request: RoundTrip chooses base; start starts the span and copies the
// request with the propagator's headers; base sends the copy; finish describes the
// response and wraps its body; the end of the body, or whatever ends the request
// before, calls exchange.End.

// call is the state of one call of RoundTrip. It lives on its stack.
type call struct {
	in          *instrumentation // nil: the request is not observed
	base        http.RoundTripper
	caller      *http.Request  // as the caller made it
	sent        *http.Request  // as base gets it
	transportID any            // identifies this Transport to outer Transports
	asSent      sentRequest    // of sent; zero if in is nil
	room        *body.Response // for the response, if it was allocated before

	exchange *exchange // nil: the request is not observed any further
	first    *attempt  // instead, if an outer Transport observes the request
	own      *sending  // what inner Transports find in the context; nil if nothing
	outer    *sending  // of an outer Transport, whose request passes through
	inBase   bool
	returned bool
}

// start prepares the request for base and starts its telemetry. If it panics, the
// request is sent in the state it has reached.
func (p *call) start() {
	if p.in != nil {
		p.in.guard.Call("start of the span", p.observe)
		p.asSent = sentRequestOf(p.sent)
	}
	p.inBase = true
}

// observe determines what to observe of the request, starts its span, and
// copies the request for base.
func (p *call) observe() {
	in, req := p.in, p.sent
	ctx := req.Context()
	state, outer := stateFrom(ctx)
	if state.untraced {
		return
	}
	seen := hostport.OnWire(req)
	if !in.accepts(seen) {
		return
	}
	if state.unobserved {
		p.sent = in.propagate(ctx, req, &inject.Carrier{})
		return
	}
	tracer := in.tracers.For(ctx, in.tracerProvider, in.guard)
	if tracer.MayRecord() && !trace.SpanContextFromContext(ctx).IsValid() && seen.URL != nil && exporters.Send(seen.URL.Host, seen.URL.Path) {
		return // to record an export would need another export, without end
	}
	role := roleOf(state, outer, req, p.transportID, tracer)
	meter := in.instruments(ctx)
	if role.none {
		p.outer = outer
		excluded := !in.targets.Include(req)
		if excluded {
			outer.exclude()
		}
		if excluded || outer.lacksHeaders() {
			p.sent = in.propagate(ctx, req, &inject.Carrier{})
		}
		p.watch(outer, tracer, meter, role)
		return
	}
	hooked := in.hooked()
	s := scratch.Get(tracer.Copies())
	defer s.Release()
	if meter == nil && !hooked && tracer.SkipsSpans() {
		p.sent = in.propagate(ctx, req, &s.Carrier)
		return
	}

	var d description
	in.describe(&d, seen, role.state, role.ordinal)
	var started time.Time // the span has its own
	if meter != nil || in.connectionTimings {
		started = time.Now()
	}
	spanCtx, span := in.startSpan(tracer, s, seen, &d)
	recording := span.IsRecording()
	tracer.Learn(span, recording)
	own := recording || !tracers.PassesThrough(span, ctx)
	if !own && !hooked {
		// Services see the same span context as the caller's, whose span also has
		// its own provider.
		spanCtx = ctx
	}
	if !recording && meter == nil && !hooked {
		span.End() // not recording, but every started span must be ended
		if own {
			p.propagateDropped(spanCtx, tracer, role.state, d.resendCount, s)
			return
		}
		role.uncountAttempt()
		p.sent = in.propagate(spanCtx, req, &s.Carrier)
		return
	}

	x := &exchange{in: in, meter: meter, span: span, recording: recording, facts: d.facts, started: started}
	p.exchange, p.own = x, &x.context.sending
	x.context.init(spanCtx, tracer, role.state, d.resendCount)
	x.context.sending.exchange = x
	x.context.sending.activeOuter = role.measure(outer, meter)
	if meter != nil && !x.context.sending.activeOuter {
		meter.begin(&x.context, &x.facts)
	}
	x.watchConnection()
	p.sent = x.copyRequest(req, s)
}

// dropped is what a request takes whose span the sampler dropped, in one
// allocation.
type dropped struct {
	response body.Response
	outgoing outgoing
}

// propagateDropped prepares the request of a span that the sampler dropped. Inner
// Transports must not sample the same request again.
func (p *call) propagateDropped(ctx context.Context, tracer *tracers.Tracer, state *contextState, ordinal int, s *scratch.Memory) {
	d := &dropped{}
	o := &d.outgoing
	o.init(ctx, tracer, state, ordinal)
	o.request = *p.sent.WithContext(o)
	o.complete(p.in, &o.request, &s.Carrier)
	p.sent, p.own, p.room = &o.request, &o.sending, &d.response
}

// finish takes what base returned and returns it to the caller.
func (p *call) finish(resp *http.Response, err error) (*http.Response, error) {
	p.inBase = false
	if p.outer != nil {
		p.outer.returnedOnce()
	}
	if p.own != nil {
		p.own.returned.Store(true)
	}
	if p.exchange != nil || p.first != nil || p.sent != p.caller {
		resp = p.answer(resp, err)
	}
	p.returned = true
	if p.in != nil {
		keepRedirect(resp, p.caller)
	}
	return resp, err
}

// answer returns the response that the caller gets: one of its own, which names
// the caller's request, and whose body ends the telemetry.
func (p *call) answer(resp *http.Response, err error) *http.Response {
	if resp == nil {
		p.answered(nil, err)
		return nil
	}
	own := p.room
	if own == nil {
		own = new(body.Response)
	}
	resp = own.Copy(resp)
	own.Wrap(p.answered(resp, err))
	if p.asSent.matches(resp.Request) {
		resp.Request = p.caller
	}
	return resp
}

// answered returns what the response's body ends, or nil.
func (p *call) answered(resp *http.Response, err error) body.Owner {
	switch {
	case p.exchange != nil && p.exchange.answered(&p.asSent, resp, err):
		return p.exchange
	case p.first != nil && p.first.answered(&p.asSent, resp, err):
		return p.first
	}
	return nil
}

// endUnlessReturned ends the exchange of a request that panics or whose
// goroutine exits, in base or in a callback. The panic continues.
func (p *call) endUnlessReturned() {
	if p.returned || p.exchange == nil && p.first == nil {
		return
	}
	var e body.End
	if p.inBase {
		e.Err = body.ErrPanic
	}
	if p.exchange == nil {
		p.first.End(e)
		return
	}
	p.exchange.End(e)
}

var errNoResponse = errors.New("base returned neither a response nor an error")

// exchange is a request that is observed, until its telemetry ends.
type exchange struct {
	in      *instrumentation
	meter   *instruments // nil: it is not measured
	span    trace.Span
	started time.Time // zero unless metrics or timings need it
	ended   atomic.Bool

	recording   bool
	bodyless    bool // the response has no body
	sizeUnknown bool // of the response's body, even when it has been read
	bodyBelow   bool // an inner Transport counts the body if it is abandoned

	context    outgoing // what base gets
	facts      facts    // known before it is sent
	outcome    outcome  // known when base has returned
	connection connection
	upload     *upload // nil: there is none, or its size is not recorded
	body.Progress
}

// copyRequest returns the request that base gets: the caller's with the span's
// context, and with the headers that hooks and propagator add.
func (x *exchange) copyRequest(req *http.Request, s *scratch.Memory) *http.Request {
	sent := &x.context.request
	if len(x.in.requestHooks) == 0 {
		*sent = *req.WithContext(&x.context) // without an allocation
	} else {
		sent = x.copyForHooks(req)
	}
	x.context.complete(x.in, sent, &s.Carrier)
	x.connection.aim(sent.URL)
	if x.in.connectionTimings && hasBody(sent) {
		x.connection.expectUpload()
	}
	if x.recording {
		if attrs := x.in.sentAttributes(sent); len(attrs) > 0 {
			x.set(attrs...)
		}
	}
	if x.observed() && x.in.wantsRequestSize() {
		x.upload = newUpload(sent)
	}
	return sent
}

// copyForHooks returns a deep copy, which hooks may change. Only the trailer is
// still the caller's, who may fill it in while the body is sent.
func (x *exchange) copyForHooks(req *http.Request) *http.Request {
	sent := req.Clone(&x.context)
	sent.Trailer = req.Trailer
	if sent.Header == nil {
		sent.Header = http.Header{}
	}
	x.in.runRequestHooks(x.span, sent)
	if req.Header == nil && len(sent.Header) == 0 {
		sent.Header = nil
	}
	return sent
}

// answered takes what base returned. It ends the exchange, or reports that the
// response's body will.
func (x *exchange) answered(sent *sentRequest, resp *http.Response, err error) (open bool) {
	if err == nil && resp == nil {
		err = errNoResponse
	}
	hooked := len(x.in.responseHooks) > 0
	if resp != nil && (x.observed() || hooked) {
		x.in.guard.Call("description of the response", func() { x.describeResponse(sent, resp) })
	}
	if err != nil {
		x.failed(sent.request, err)
		return false
	}
	if hooked {
		x.in.runResponseHooks(x.span, sent.request, resp, nil)
	}
	x.bodyless = sent.method == http.MethodHead || body.Absent(resp)
	x.sizeUnknown = resp.Uncompressed
	if !x.observed() || x.bodyless || x.in.spanEnd == EndOnHeaders {
		x.End(body.End{})
		return false
	}
	x.bodyBelow = x.meter != nil && measuredBody(resp.Body, x.meter.provider)
	return true
}

// failed ends the exchange with the error of base. A response may have come
// with it, of which only the headers are recorded.
func (x *exchange) failed(sent *http.Request, err error) {
	x.sizeUnknown = true
	if len(x.in.responseHooks) == 0 {
		x.End(body.End{Err: err})
		return
	}
	x.in.guard.Call("description of the error", func() { x.describeError(err) })
	x.in.runResponseHooks(x.span, sent, nil, err)
	x.End(body.End{})
}

// observed reports whether anything is recorded. If not, the exchange is there
// for the hooks.
func (x *exchange) observed() bool { return x.recording || x.meter != nil }

// End ends the span and records the metrics. Nothing else does. The first
// call counts.
func (x *exchange) End(e body.End) {
	if !x.ended.CompareAndSwap(false, true) {
		return
	}
	// Each step runs even if the one before panics or exits the goroutine.
	guard := x.in.guard
	defer guard.Call("measurement", func() { x.measure(e) })
	defer guard.Call("end of the span", func() { x.endSpan(e.At) })
	if !x.observed() {
		return
	}
	if e.Err != nil {
		guard.Call("description of the error", func() { x.describeError(e.Err) })
	}
	guard.Call("description of the end", func() {
		x.connection.done()
		if o := &x.outcome; o.status == 0 && o.errorType != "" && !errortype.OfConnection(o.errorType) {
			x.connection.disown()
		}
		if x.recording {
			x.describeEnd(e)
		}
	})
}

// receivedBytes returns the size of the response body, if it is known: the span
// lasts until the body's end, net/http did not decompress it, and base did not
// return an error.
func (x *exchange) receivedBytes() (n int64, known bool) {
	if x.outcome.status == 0 || x.sizeUnknown {
		return 0, false
	}
	return x.Received(), x.bodyless || x.in.spanEnd == EndOnBody
}

// measuredBody reports whether a body belongs to an exchange that is measured with
// this provider.
func measuredBody(rc io.ReadCloser, provider metric.MeterProvider) bool {
	x, ok := body.OwnerOf(rc).(*exchange)
	return ok && x.meter != nil && identity.Same(x.meter.provider, provider)
}

func (x *exchange) measure(e body.End) {
	if x.meter == nil {
		return
	}
	m := measures{duration: x.duration(e.At), active: !x.context.sending.activeOuter, abandoned: e.Abandoned && !x.bodyBelow}
	m.requestSize.bytes, m.requestSize.known = x.upload.sentBytes(&x.connection, x.outcome.status)
	m.responseSize.bytes, m.responseSize.known = x.receivedBytes()
	m.timeInQueue, m.waited = x.connection.timeInQueue(e.At)
	if x.outcome.status == 0 && x.outcome.errorType == errortype.Timeout {
		x.connection.lookup().timeOut()
	}
	if m.below = x.context.sending.measuredInside(x.meter.provider); m.below == nil {
		m.below = &noInstruments
	}
	x.meter.record(&x.context, &x.facts, &x.outcome, m)
}
