package otelhttpclient

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// instrumentation is what one Transport does to every request: its
// configuration, and the tracer and instruments that belong to it.
type instrumentation struct {
	config
	tracers     tracerSource
	meters      meterSource
	propagators propagatorSource
}

func newInstrumentation(opts []Option) *instrumentation {
	in := &instrumentation{config: *newConfig(opts)}
	in.tracers.configured = in.tracerProvider
	in.meters.explicit = in.meterProvider
	return in
}

// defaultInstrumentation serves every zero Transport.
var defaultInstrumentation = sync.OnceValue(func() *instrumentation { return newInstrumentation(nil) })

// outgoing is the request that base gets, with all that it is made of in one
// allocation. It is also the context that base sees: with the span in it, and
// known to Transports below this one.
type outgoing struct {
	context.Context
	state   contextState
	sending sending
	request http.Request // unless there are hooks
	values  [3]string    // of the headers that the propagator has set
}

func (o *outgoing) Value(key any) any {
	if key == (contextKey{}) {
		return &o.state
	}
	return o.Context.Value(key)
}

// String names the context as those of the standard library name themselves.
// It prints nothing of the request, which holds credentials.
func (o *outgoing) String() string {
	parent := "context"
	if s, ok := o.Context.(fmt.Stringer); ok {
		parent = s.String()
	} else if o.Context != nil {
		parent = reflect.TypeOf(o.Context).String()
	}
	return parent + ".otelhttpclient"
}

// Format prints String for every verb: %#v would print the request.
func (o *outgoing) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, o.String()) }

// roundTrip is one request under way that is observed: everything that its
// span and its metrics need until they end.
type roundTrip struct {
	outgoing

	in        *instrumentation
	tracer    *providedTracer
	meter     *instruments
	span      trace.Span
	recording bool
	measuring bool
	traceHere bool // Value tells of trace
	facts     facts
	started   time.Time // zero where the span tells the time itself

	trace       httptrace.ClientTrace
	connection  connection
	requestBody atomic.Pointer[requestBody] // the last one that base got, where its size was asked for

	// Set when base has answered, before the body is handed on.
	protocol     protocol
	errorType    string
	status       int
	bodyless     bool // there is no response body
	unknownSize  bool // the body was decompressed below
	ended        atomic.Bool
	received     atomic.Int64 // bytes of the response body
	bodyStarted  time.Time
	lastActivity atomic.Int64 // nanoseconds since bodyStarted
}

// Value tells net/http of the hooks for the connection, too.
func (rt *roundTrip) Value(key any) any {
	if rt.traceHere && key == clientTraceKey {
		return &rt.trace
	}
	return rt.outgoing.Value(key)
}

// begin starts the telemetry of a request. It returns the round trip and the
// request to send. Without a round trip there is nothing to observe: the
// request then goes to base, and its response to the caller, untouched.
//
// The request passes through this Transport as passer, by which Transports
// above tell those below them apart. A request that passes untouched for a
// Transport above is reported to its sending when base has returned.
func (in *instrumentation) begin(req *http.Request, passer any) (rt *roundTrip, passing *sending, sent *http.Request) {
	// Whatever fails in here, the request is sent as the caller made it.
	sent = req
	prepared := false
	defer func() {
		if v := recover(); v != nil {
			reportPanic("start of the span", v)
		} else if rt != nil && !prepared {
			// A callback has ended the goroutine: nobody will send the request.
			rt.finish(ending{})
		}
	}()

	state := stateFrom(req.Context())
	if state.untraced || !in.accepts(req) {
		return nil, nil, req
	}
	tracer := in.tracers.of(req.Context())
	meter := in.meters.now(&in.config)
	measuring := meter.enabled(req.Context())
	ordinal := unknownOrdinal
	if above := state.above; above != nil {
		switch relation, times := above.relation(req, passer); relation {
		case firstSending:
			if above.recording || same(above.tracer.provider, tracer.provider) {
				passing = above
				if above.unheralded() {
					return nil, passing, in.propagate(req.Context(), req, &headerCarrier{original: req.Header})
				}
				return nil, passing, req
			}
			// The Transport above makes nothing but what nobody sees.
			measuring = measuring && !above.measuring
			ordinal, state = above.resends, above.caller.saidBy(state)
		case sentAgain:
			ordinal, state = times, above.caller.saidBy(state)
			if state.attempts != nil {
				ordinal = unknownOrdinal // it counts with the others
			}
		}
	}

	s := tracer.scratch()
	defer s.release()
	hooked := len(in.requestHooks)+len(in.responseHooks) > 0 || in.clientTrace != nil
	s.carrier = headerCarrier{original: req.Header}
	if !measuring && !hooked && tracer.makesNoSpan() {
		// What is left is to propagate the context that the caller has.
		return nil, nil, in.propagate(req.Context(), req, &s.carrier)
	}

	var f facts
	in.describe(&f, req, state, ordinal)
	s.attributes = in.creationAttributes(s.attributes, &f)
	var started time.Time
	if measuring || in.connectionTimings {
		started = time.Now()
	}
	ctx, span := tracer.Start(req.Context(), in.name(&f, req), s.startOptions(in)...)
	recording := span.IsRecording()
	tracer.observe(span, recording)
	ours := recording || !passesThrough(span, req.Context())
	if !ours && !hooked {
		// The span in the caller's context is the better one: it is the same
		// to services, and it has the provider that it came from.
		ctx = req.Context()
	}
	if !recording && !measuring && !hooked {
		span.End() // not recording, but every started span must be ended
		if !ours {
			if state.attempts != nil && ordinal == unknownOrdinal {
				state.attempts.Add(-1) // a Transport below may count it
			}
			return nil, nil, in.propagate(ctx, req, &s.carrier)
		}
		sent = in.propagateDecision(ctx, req, tracer, &f, s)
		return nil, nil, sent
	}

	rt = &roundTrip{
		in:        in,
		tracer:    tracer,
		meter:     meter,
		span:      span,
		recording: recording,
		measuring: measuring,
		facts:     f,
		started:   started,
	}
	rt.Context = ctx
	rt.state.above = &rt.sending
	rt.sending.begin(tracer, &f, &rt.values)
	rt.sending.recording, rt.sending.measuring = recording, measuring
	s.carrier.home = &rt.outgoing
	if measuring {
		meter.begin(rt)
	}
	rt.watchConnection()
	copied := rt.copyRequest(req, &s.carrier)
	prepared = true
	return rt, nil, copied
}

// propagate returns the request with the headers that the propagator writes,
// and the caller's own where it writes none.
func (in *instrumentation) propagate(ctx context.Context, req *http.Request, carrier *headerCarrier) *http.Request {
	if in.targets.include(req) {
		in.inject(ctx, carrier)
	}
	if carrier.copied == nil {
		return req
	}
	o := carrier.home
	o.request = *req.WithContext(ctx)
	o.request.Header = carrier.copied
	return &o.request
}

// propagateDecision is propagate for a span that the sampler has dropped.
// Transports below make no other decision for the same sending.
func (in *instrumentation) propagateDecision(ctx context.Context, req *http.Request, tracer *providedTracer, f *facts, s *scratch) *http.Request {
	o := &outgoing{Context: ctx}
	o.state.above = &o.sending
	o.sending.begin(tracer, f, &o.values)
	s.carrier.home = o
	o.sending.withheld = !in.targets.include(req)
	if in.propagate(o, req, &s.carrier) == req {
		o.request = *req.WithContext(o)
	}
	o.sending.request.Store(&o.request)
	return &o.request
}

// copyRequest makes the request that base gets: the caller's, with the span's
// context, and with the headers that hooks and propagator add.
func (rt *roundTrip) copyRequest(req *http.Request, carrier *headerCarrier) *http.Request {
	in := rt.in
	var sent *http.Request
	if len(in.requestHooks) == 0 {
		rt.request = *req.WithContext(rt) // which allocates no copy, used so
		sent = &rt.request
	} else {
		// Hooks may change what they like: they get a deep copy. Only the
		// trailer stays the caller's, who may fill it in while the body
		// is being sent.
		sent = req.Clone(rt)
		sent.Trailer = req.Trailer
		if sent.Header == nil {
			sent.Header = http.Header{}
		}
		in.runRequestHooks(rt.span, sent)
		if req.Header == nil && len(sent.Header) == 0 {
			sent.Header = nil
		}
		*carrier = headerCarrier{original: sent.Header, home: &rt.outgoing}
	}
	if in.targets.include(sent) {
		in.inject(sent.Context(), carrier)
	} else {
		rt.sending.withheld = true
	}
	if carrier.copied != nil {
		sent.Header = carrier.copied
	}
	rt.sending.request.Store(sent)
	if rt.recording {
		if attrs := in.sentAttributes(sent); len(attrs) > 0 {
			rt.span.SetAttributes(attrs...)
		}
	}
	if (rt.recording || rt.measuring) && in.wantsRequestSize() {
		rt.countRequestBody(sent)
	}
	return sent
}

// send has base send the request, and hands its answer on.
func (rt *roundTrip) send(base http.RoundTripper, req, sent *http.Request) (*http.Response, error) {
	e := ending{err: errPanic}
	returned := false
	defer func() {
		if !returned {
			// base panicked, or it or a hook ended the goroutine. The panic
			// goes on.
			rt.finish(e)
		}
	}()
	resp, err := base.RoundTrip(sent)
	rt.sending.returned.Store(true)
	e.err = nil

	if err != nil || resp == nil {
		rt.fail(sent, err)
	} else {
		resp = rt.answer(sent, resp)
	}
	returned = true
	return restoreRequest(resp, sent, req), err
}

// restoreRequest has the response name the request that the caller made, and
// not the copy that was sent.
func restoreRequest(resp *http.Response, sent, req *http.Request) *http.Response {
	if resp != nil && sent != req && (resp.Request == sent || isCopy(resp.Request, sent)) {
		resp.Request = req
	}
	return resp
}

// isCopy reports whether a request is a copy of the one that was sent that
// differs in its body alone. net/http's HTTP/2 client names one in the response
// to an upload on a connection that was used before. What base itself has made
// of the request is no copy, and stays.
func isCopy(r, sent *http.Request) bool {
	return r != nil && r.URL == sent.URL && r.Method == sent.Method && r.Host == sent.Host &&
		reflect.ValueOf(r.Header).Pointer() == reflect.ValueOf(sent.Header).Pointer() &&
		same(r.Context(), sent.Context())
}

var (
	errPanic      = errors.New("base panicked")
	errNoResponse = errors.New("base returned neither a response nor an error")
)

// fail ends a round trip that has brought no response.
func (rt *roundTrip) fail(sent *http.Request, err error) {
	if err == nil {
		err = errNoResponse
	}
	if len(rt.in.responseHooks) == 0 {
		rt.finish(ending{err: err})
		return
	}
	call("description of the error", func() { rt.describeFailure(err) })
	rt.in.runResponseHooks(rt.span, sent, nil, err)
	rt.finish(ending{})
}

// answer takes note of a response, and hands on its body such that the span
// ends with it.
func (rt *roundTrip) answer(sent *http.Request, resp *http.Response) *http.Response {
	if !rt.recording && !rt.measuring && len(rt.in.responseHooks) == 0 {
		rt.finish(ending{})
		return resp
	}
	call("description of the response", func() { rt.describeResponse(resp) })
	rt.in.runResponseHooks(rt.span, sent, resp, nil)

	rt.bodyless = sent.Method == http.MethodHead || hasNoBody(resp)
	rt.unknownSize = resp.Uncompressed
	if rt.bodyless || rt.in.spanEnd == EndOnHeaders || (!rt.recording && !rt.measuring) {
		rt.finish(ending{})
		return resp
	}
	return rt.wrapResponse(resp)
}

// hasNoBody reports whether a response is known to have no body: then the caller
// need not do anything for the span to end. net/http's HTTP/2 client does not
// use http.NoBody, but says 0 for the length only where it is 0. The length of a
// 304 is that of what was not sent. Another base may leave the length at 0
// whatever the body.
func hasNoBody(resp *http.Response) bool {
	return resp.Body == nil || resp.Body == http.NoBody ||
		resp.ProtoMajor == 2 && (resp.ContentLength == 0 || resp.StatusCode == http.StatusNotModified) && isHTTP2s(resp.Body)
}

// isHTTP2s reports whether the body is one of the HTTP/2 client's of net/http or
// of golang.org/x/net/http2.
func isHTTP2s(body io.ReadCloser) bool {
	path := packageOf(body)
	return path == "net/http" || strings.HasPrefix(path, "net/http/") || path == "golang.org/x/net/http2"
}

// ending is how a round trip ends, as far as that is known only then.
type ending struct {
	err       error     // of base, or of reading the body
	at        time.Time // zero: now
	abandoned bool      // the body was neither read to its end nor closed
}

// finish ends the span and records the metrics. It is the one place that does,
// and does it once, whoever comes first.
func (rt *roundTrip) finish(e ending) {
	if !rt.ended.CompareAndSwap(false, true) {
		return
	}
	// Each step takes place whatever becomes of the one before: a panic in it is
	// contained, and a callback may end the goroutine.
	defer contain("measurement")
	defer rt.measure(e)
	defer contain("end of the span")
	defer rt.endSpan(e)
	if !rt.recording && !rt.measuring {
		return
	}
	defer contain("description of the end")
	if e.err != nil {
		call("description of the error", func() { rt.describeFailure(e.err) })
	}
	rt.connection.done()
	if rt.recording {
		rt.describeEnd(e)
	}
}

func (rt *roundTrip) endSpan(e ending) {
	if e.at.IsZero() {
		rt.span.End()
	} else {
		rt.span.End(trace.WithTimestamp(e.at))
	}
}

func (rt *roundTrip) measure(e ending) {
	if rt.measuring {
		rt.meter.record(rt, rt.duration(e.at))
	}
}

// describeFailure puts an error on the span, and notes its type for the
// metrics, unless the caller has cancelled the request on purpose. What a
// response has already said about the error stands.
func (rt *roundTrip) describeFailure(err error) {
	if cancelledByCaller(rt.Context, err) {
		return
	}
	if rt.errorType == "" {
		rt.errorType = errorType(rt.Context, rt.facts.scheme, err)
	}
	if rt.recording {
		rt.span.SetAttributes(errorTypeKey.String(rt.errorType))
		if rt.errorType == statusText(rt.status) {
			return
		}
		rt.span.SetStatus(codes.Error, rt.in.record.errorText(err, rt.sending.request.Load()))
	}
}

// duration is how long the round trip took: exactly what the span says, where
// the span can be asked.
func (rt *roundTrip) duration(at time.Time) time.Duration {
	if s, ok := rt.span.(interface {
		StartTime() time.Time
		EndTime() time.Time
	}); ok {
		if end := s.EndTime(); !end.IsZero() {
			return max(0, end.Sub(s.StartTime()))
		}
	}
	if at.IsZero() {
		return time.Since(rt.started)
	}
	return max(0, at.Sub(rt.started))
}
