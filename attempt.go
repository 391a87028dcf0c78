package otelhttpclient

import (
	"context"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/otelhttpclient/otelhttpclient/internal/body"
	"github.com/otelhttpclient/otelhttpclient/internal/conntrace"
	"github.com/otelhttpclient/otelhttpclient/internal/errortype"
	"github.com/otelhttpclient/otelhttpclient/internal/hostport"
	"github.com/otelhttpclient/otelhttpclient/internal/nested"
	"github.com/otelhttpclient/otelhttpclient/internal/scratch"
	"github.com/otelhttpclient/otelhttpclient/internal/semconv"
	"github.com/otelhttpclient/otelhttpclient/internal/tracers"
)

// attempt is the first attempt of a request in an inner Transport. The outer
// Transport's span represents it unless the request is sent again. Then the attempt
// gets its own span and measurement, with its own times, like all later attempts.
type attempt struct {
	in      *instrumentation
	outer   *nested.Request
	tracer  *tracers.Tracer
	meter   *semconv.Instruments // nil: it is not measured
	ctx     context.Context
	started time.Time

	// The caller may change the request once base has returned.
	semconv.Start
	name       string
	target     url.URL
	upload     *conntrace.Upload    // nil: there is none
	headers    []attribute.KeyValue // attributes of request headers, later also of response headers
	respLength int64
	ofResponse []attribute.KeyValue // the application's

	response *semconv.Response
	body.Progress
	ended  atomic.Bool
	ending body.End // Err is nil if the status code describes it, or the caller canceled

	bodyless    bool
	sizeUnknown bool
	timedOut    bool
	nested.Kept
	late bool // it is measured now that the request is sent again

	connection atomic.Pointer[conntrace.Trace] // as it was when the request was sent again
	known      atomic.Int32                    // counts two events: the end, and the second attempt
}

// newAttempt returns the attempt of a request that passes through, in case it is sent
// again. It returns nil if the attempt would have no telemetry.
func newAttempt(in *instrumentation, req *http.Request, outer *nested.Request, tracer *tracers.Tracer, meter *semconv.Instruments, role *nested.Role) *attempt {
	if meter == nil && (tracer.SkipsSpans() || !role.Observed()) {
		return nil
	}
	a := &attempt{in: in, outer: outer, tracer: tracer, meter: meter, ctx: req.Context(), started: time.Now(), response: &semconv.NoResponse}
	seen := hostport.OnWire(req)
	in.describe(&a.Start, seen, role)
	a.name = in.nameOfSpan(&a.Request, seen)
	a.headers = in.sentAttributes(req)
	if seen.URL != nil {
		a.target = *seen.URL
	}
	a.upload = conntrace.UncountedUpload(req)
	if a.Kept = role.Keep(a, meter); a.Resent {
		a.known.Add(1)
	}
	if a.Active {
		meter.Begin(a.ctx, &a.Request)
	}
	return a
}

// SentAgain is for [nested.Attempt].
func (a *attempt) SentAgain(outer *nested.Request, measured bool) {
	a.late = measured
	if x, ok := outer.Observer.(*exchange); ok {
		c := new(conntrace.Trace)
		x.connection.CopyTo(c)
		a.connection.Store(c)
	}
	if a.known.Add(1) == 2 {
		a.record()
	}
}

// answered handles base's result, as [exchange.answered] does.
func (a *attempt) answered(sent *sentRequest, resp *http.Response, err error) (open bool) {
	if err == nil && resp == nil {
		err = errNoResponse
	}
	if resp != nil {
		a.in.guard.Call("description of the response", func() {
			a.response = a.in.describer.Response(resp, false)
			if a.in.isError(resp) { // the application's check may exit the goroutine
				a.response = a.in.describer.Response(resp, true)
			}
			if a.Host == "" {
				a.resolve(sent, resp)
			}
			a.headers = a.in.responseHeaders.Append(a.headers, resp.Header, a.in.redaction, &a.target)
		})
		a.respLength = resp.ContentLength
	}
	a.ofResponse = a.in.attributesOfResponse(sent.request, resp, err)
	if err != nil {
		a.sizeUnknown = true
		a.End(body.End{Err: err})
		return false
	}
	a.sizeUnknown = resp.Uncompressed
	a.bodyless = sent.method == http.MethodHead || body.Absent(resp)
	if a.bodyless || a.in.endOnHeaders {
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
	// Deferred: each step runs even if the one before exits the goroutine.
	defer func() {
		if a.known.Add(1) == 2 {
			a.record()
		}
	}()
	if a.Measured {
		defer a.in.guard.Call("measurement", func() { a.exchange(a.meter).measure(a.ending) })
	}
	if e.Err != nil {
		// Not in record: the context may be canceled before.
		a.in.guard.Call("description of the error", func() { a.describeError(e.Err) })
	}
}

func (a *attempt) describeError(err error) {
	kind, cancelled := a.in.classify(a.ctx, a.Scheme, err)
	a.timedOut = kind == errortype.Timeout
	if cancelled || a.response.ErrorType != "" || !a.in.isFailure(err) {
		a.ending.Err = nil
		return
	}
	a.response = a.response.WithError(kind)
}

// record creates the span, and records the metrics that End did not.
func (a *attempt) record() {
	a.in.guard.Call("telemetry of an earlier attempt", func() {
		var meter *semconv.Instruments
		if a.late {
			meter = a.meter
		}
		x := a.exchange(meter)
		s := scratch.Get(a.tracer.Copies())
		defer s.Release()
		x.context.Context, x.span = a.in.startSpan(a.ctx, a.tracer, s, &a.Start, a.name, a.started)
		x.recording = x.span.IsRecording()
		// Deferred: the span ends even if the SDK panics in its description.
		defer x.End(body.End{At: a.ending.At, Abandoned: a.ending.Abandoned})
		if x.recording {
			a.describeSpan(x)
		}
	})
}

// exchange converts the attempt to an exchange that is about to end.
func (a *attempt) exchange(meter *semconv.Instruments) *exchange {
	x := &exchange{in: a.in, meter: meter, request: a.Request, started: a.started, response: a.response, ofResponse: a.ofResponse,
		bodyless: a.bodyless, sizeUnknown: a.sizeUnknown, timedOut: a.timedOut, upload: a.upload}
	x.context.Init(a.ctx, a.tracer, &nested.NoSettings, a.ResendCount)
	x.context.Sending.ActiveOuter = !a.Active
	x.Progress.Add(a.Received())

	x.connection.Aim(&a.target)
	if then := a.connection.Load(); then != nil {
		then.CopyTo(&x.connection)
	} else if outer, ok := a.outer.Observer.(*exchange); ok {
		outer.connection.CopyTo(&x.connection)
	}
	return x
}

func (a *attempt) describeSpan(x *exchange) {
	x.set(a.headers...)
	if a.response.Status != 0 {
		attrs := a.in.conventions.AppendResponse(nil, a.response, a.respLength)
		x.connection.Answered(a.response.Status, a.response.Protocol.Version)
		x.set(x.appendConnection(attrs, a.ending.At)...)
	}
	if len(x.ofResponse) > 0 {
		x.span.SetAttributes(x.ofResponse...)
	}
	switch {
	case a.ending.Err != nil:
		x.setError(a.ending.Err, false)
	case a.response.ErrorType != "":
		x.setErrorStatus("")
	}
}

// resolve is [exchange.resolve] for an attempt.
func (a *attempt) resolve(sent *sentRequest, resp *http.Response) {
	req := resolved(sent, resp)
	if req == nil {
		return
	}
	a.target = *req.URL
	before := a.Request
	a.in.resolve(&a.Start, req)
	if a.Active {
		a.meter.Leave(a.ctx, &before)
		a.meter.Begin(a.ctx, &a.Request)
	}
}
