package otelhttpclient

import (
	"context"
	"net/http"
	"slices"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/otelhttpclient/otelhttpclient/internal/body"
	"github.com/otelhttpclient/otelhttpclient/internal/exporters"
	"github.com/otelhttpclient/otelhttpclient/internal/hostport"
	"github.com/otelhttpclient/otelhttpclient/internal/inject"
	"github.com/otelhttpclient/otelhttpclient/internal/nested"
	"github.com/otelhttpclient/otelhttpclient/internal/scratch"
	"github.com/otelhttpclient/otelhttpclient/internal/semconv"
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
	asSent      sentRequest    // fields of sent; zero if in is nil
	memory      *body.Response // memory for the response, if it is allocated

	exchange *exchange       // nil: the request is not observed any further
	first    *attempt        // in place of exchange if an outer Transport observes the request
	own      *nested.Request // what inner Transports find in the context; nil if nothing
	outer    *nested.Request // the request of an outer Transport, if it passes through
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
	settings, outer := nested.From(ctx)
	if settings.Untraced {
		return
	}
	seen := req
	if req.URL != nil && req.URL.Opaque != "" {
		seen = hostport.OnWire(req)
	}
	if len(in.filters) > 0 && !in.accepts(seen) {
		return
	}
	if settings.PropagateOnly {
		p.sent = in.propagate(ctx, req, &inject.Carrier{})
		return
	}
	tracer := in.tracers.For(ctx, in.tracerProvider, in.guard)
	if tracer.MayRecord() && !trace.SpanContextFromContext(ctx).IsValid() && seen.URL != nil && exporters.CalledBySDK(seen.URL.Host, seen.URL.Path) {
		return // each recorded export would cause another
	}
	role := nested.RoleOf(settings, outer, req, p.transportID, tracer)
	meter := in.meters.For(ctx)
	if role.None {
		p.passThrough(outer, tracer, meter, &role)
		return
	}
	hooked := in.hooked()
	s := scratch.Get(tracer.Copies())
	defer s.Release()
	if meter == nil && !hooked && tracer.SkipsSpans() {
		p.sent = in.propagate(ctx, req, &s.Carrier)
		return
	}

	var d semconv.Start
	in.describe(&d, seen, &role)
	var started time.Time // zero: the span's start time is used
	if meter != nil || in.connectionTimings {
		started = time.Now()
	}
	spanCtx, span := in.startSpan(ctx, tracer, s, &d, in.nameOfSpan(&d.Request, seen), time.Time{})
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
			p.propagateDropped(spanCtx, tracer, role.Settings, d.ResendCount, s)
			return
		}
		role.Uncount()
		p.sent = in.propagate(spanCtx, req, &s.Carrier)
		return
	}

	x := &exchange{in: in, meter: meter, span: span, recording: recording, request: d.Request, response: &semconv.NoResponse, started: started}
	p.exchange, p.own = x, &x.context.Sending
	x.context.Init(spanCtx, tracer, role.Settings, d.ResendCount)
	p.own.Observer = x
	p.own.ActiveOuter = outer != nil && role.Measure(meter)
	if meter != nil && !p.own.ActiveOuter {
		meter.Begin(&x.context, &x.request)
	}
	if x.tellsHooksApart() {
		in.guard.Call("attributes of the span", func() { x.library = slices.Clone(attributesOf(span)) })
	}
	x.watchConnection()
	p.sent = x.copyRequest(req, s)
	if in.renamesLookups {
		x.nameLookups(p.sent.URL)
	}
}

// passThrough sends the request on for an outer Transport, which records it.
func (p *call) passThrough(outer *nested.Request, tracer *tracers.Tracer, meter *semconv.Instruments, role *nested.Role) {
	p.outer = outer
	excluded := !p.in.targets.Include(p.sent)
	if excluded {
		outer.Exclude()
	}
	if excluded || outer.LacksHeaders() {
		p.sent = p.in.propagate(p.sent.Context(), p.sent, &inject.Carrier{})
	}
	p.first = newAttempt(p.in, p.sent, outer, tracer, meter, role)
}

// dropped is the memory for a request whose span the sampler dropped, in one
// allocation.
type dropped struct {
	response body.Response
	context  nested.Context
}

// propagateDropped prepares the request of a span that the sampler dropped. Inner
// Transports must not sample the same request again.
func (p *call) propagateDropped(ctx context.Context, tracer *tracers.Tracer, settings *nested.Settings, resend int, s *scratch.Memory) {
	d := &dropped{}
	c := &d.context
	c.Init(ctx, tracer, settings, resend)
	c.Copy = *p.sent.WithContext(c)
	c.Complete(&p.in.injector, &c.Copy, &s.Carrier)
	p.sent, p.own, p.memory = &c.Copy, &c.Sending, &d.response
}

// finish handles base's result and returns the caller's.
func (p *call) finish(resp *http.Response, err error) (*http.Response, error) {
	p.inBase = false
	if p.outer != nil {
		p.outer.CameBack()
	}
	if p.own != nil {
		p.own.Returned.Store(true)
	}
	if p.exchange != nil || p.first != nil || p.sent != p.caller {
		resp = p.answer(resp, err)
	}
	p.returned = true
	if p.in != nil && resp != nil && resp.StatusCode/100 == 3 {
		nested.KeepRedirect(resp, p.caller)
	}
	return resp, err
}

// answer returns the caller's response: a copy with the caller's request, whose body
// ends the telemetry.
func (p *call) answer(resp *http.Response, err error) *http.Response {
	if resp == nil {
		p.answered(nil, err)
		return nil
	}
	own := p.memory
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

// answered returns the owner of the response's body, or nil.
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
