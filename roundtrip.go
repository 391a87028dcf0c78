package otelhttpclient

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptrace"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// instrumentation is what one Transport does to every request: its
// configuration, and the tracer and instruments that belong to it.
type instrumentation struct {
	config
	tracers tracerSource
	meters  meterSource
}

func newInstrumentation(opts []Option) *instrumentation {
	in := &instrumentation{config: *newConfig(opts)}
	in.tracers.explicit = in.tracerProvider
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
	request http.Request // unless there are hooks
	values  [3]string    // of the headers that the propagator has set
}

func (o *outgoing) Value(key any) any {
	if key == (contextKey{}) {
		return &o.state
	}
	return o.Context.Value(key)
}

// roundTrip is one request under way that is observed: everything that its
// span and its metrics need until they end.
type roundTrip struct {
	outgoing

	in        *instrumentation
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
	lastActivity atomic.Int64 // nanoseconds since epoch
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
func (in *instrumentation) begin(req *http.Request) (rt *roundTrip, sent *http.Request) {
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
	if state.excludes(req) || !in.accepts(req) {
		return nil, req
	}

	tracer, silent := in.tracers.now()
	meter := in.meters.now(&in.config)
	measuring := meter.enabled(req.Context())

	s := newScratch()
	defer s.release()

	hooked := len(in.requestHooks)+len(in.responseHooks) > 0 || in.clientTrace != nil
	s.carrier = headerCarrier{original: req.Header}
	if silent && !measuring && !hooked {
		// Nobody would see the span. What is left is to propagate the
		// context that the caller has, as a span without an SDK does.
		return in.propagate(req.Context(), req, s)
	}

	var f facts
	in.describe(&f, req, state)
	s.attributes = in.creationAttributes(s.attributes, &f)
	var started time.Time
	if measuring || in.connectionTimings {
		started = time.Now()
	}
	ctx, span := tracer.Start(req.Context(), in.name(&f, req), s.startOptions(in)...)
	recording := span.IsRecording()
	in.tracers.observe(req.Context(), span, recording)
	if !recording && !measuring && !hooked {
		span.End() // which nobody sees, but each span that was started is ended
		return in.propagate(ctx, req, s)
	}

	rt = &roundTrip{
		in:        in,
		meter:     meter,
		span:      span,
		recording: recording,
		measuring: measuring,
		facts:     f,
		started:   started,
	}
	rt.Context = ctx
	rt.state.request = req
	s.carrier.home = &rt.outgoing
	if measuring {
		meter.begin(rt)
	}
	rt.watchConnection()
	copied := rt.copyRequest(req, &s.carrier)
	prepared = true
	return rt, copied
}

// propagate prepares a request that nothing but the propagator has to do with.
// If that has nothing to say either, the request goes on as it is.
func (in *instrumentation) propagate(ctx context.Context, req *http.Request, s *scratch) (*roundTrip, *http.Request) {
	if in.targets.include(req) {
		in.inject(ctx, &s.carrier)
	}
	if s.carrier.copied == nil {
		return nil, req
	}
	o := s.carrier.home
	o.Context = ctx
	o.state.request = req
	o.request = *req.WithContext(o)
	o.request.Header = s.carrier.copied
	return nil, &o.request
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
		rt.state.request = sent
		if req.Header == nil && len(sent.Header) == 0 {
			sent.Header = nil
		}
		*carrier = headerCarrier{original: sent.Header, home: &rt.outgoing}
	}
	if in.targets.include(sent) {
		in.inject(sent.Context(), carrier)
	}
	if carrier.copied != nil {
		sent.Header = carrier.copied
	}
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
// 304 is that of what was not sent.
func hasNoBody(resp *http.Response) bool {
	return resp.Body == nil || resp.Body == http.NoBody ||
		resp.ProtoMajor == 2 && (resp.ContentLength == 0 || resp.StatusCode == http.StatusNotModified)
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
		rt.errorType = errorType(rt.Context, err)
	}
	if rt.recording {
		rt.span.SetAttributes(errorTypeKey.String(rt.errorType))
		if rt.errorType == statusText(rt.status) {
			return
		}
		rt.span.SetStatus(codes.Error, rt.in.record.errorText(err, rt.state.request))
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

// tracerSource gives the tracer to use: that of the provider that was
// configured, or of the one that is the global one now.
type tracerSource struct {
	explicit trace.TracerProvider
	cached   atomic.Pointer[cachedTracer]
}

type cachedTracer struct {
	provider trace.TracerProvider
	tracer   trace.Tracer
	// silent is set once the global provider was seen to make no spans of
	// its own: no SDK is installed. It holds for as long as that provider is
	// the global one, but for a look now and then: an instrumentation from
	// outside the process may attach to it.
	silent  atomic.Bool
	skipped atomic.Uint32
}

// looksEvery is how many silent requests there are to one that looks whether
// the provider is silent still.
const looksEvery = 64

func (s *tracerSource) now() (tracer trace.Tracer, silent bool) {
	c := s.cached.Load()
	provider := s.explicit
	if provider == nil {
		provider = otel.GetTracerProvider()
	} else if c != nil {
		return c.tracer, false
	}
	if c == nil || !same(c.provider, provider) {
		c = &cachedTracer{provider: provider, tracer: newTracer(provider)}
		s.cached.Store(c)
	}
	return c.tracer, c.silent.Load() && c.skipped.Add(1)%looksEvery != 0
}

// observe learns from a span whether there is an SDK: every SDK gives each span
// an id of its own, sampled or not, while the API alone hands on its parent's.
func (s *tracerSource) observe(parent context.Context, span trace.Span, recording bool) {
	if s.explicit != nil {
		return
	}
	c := s.cached.Load()
	silent := !recording && span.SpanContext().SpanID() == trace.SpanContextFromContext(parent).SpanID()
	if c.silent.Load() != silent {
		c.silent.Store(silent)
	}
}

// scratch is the room that starting a span needs, reused from request to
// request. It is safe to reuse because those who see it copy: options can be
// read only by NewSpanStartConfig, which copies attributes, and spans copy
// those that they are given. A tracer that keeps options to read them after
// Start has returned would read another request's.
type scratch struct {
	attributes []attribute.KeyValue // in room, or beyond it if there are many
	room       [16]attribute.KeyValue
	// withRoom are the options that give a span the first n attributes in
	// room. They are made once: an option is an allocation.
	withRoom [17]trace.SpanStartOption
	options  []trace.SpanStartOption
	carrier  headerCarrier
}

var scratches = sync.Pool{New: func() any {
	s := &scratch{}
	s.attributes = s.room[:0]
	return s
}}

func newScratch() *scratch { return scratches.Get().(*scratch) }

func (s *scratch) release() {
	// Not more is cleared than was used: s.attributes is at its longest.
	clear(s.room[:min(len(s.attributes), len(s.room))])
	s.attributes = s.room[:0]
	clear(s.options)
	s.options = s.options[:0]
	s.carrier = headerCarrier{}
	scratches.Put(s)
}

var spanKindClient = trace.WithSpanKind(trace.SpanKindClient)

func (s *scratch) startOptions(in *instrumentation) []trace.SpanStartOption {
	s.options = s.options[:0]
	if n := len(s.attributes); n > len(s.room) {
		s.options = append(s.options, trace.WithAttributes(s.attributes...))
	} else if n > 0 {
		if s.withRoom[n] == nil {
			s.withRoom[n] = trace.WithAttributes(s.room[:n]...)
		}
		s.options = append(s.options, s.withRoom[n])
	}
	s.options = append(s.options, in.spanOptions...)
	s.options = append(s.options, spanKindClient)
	return s.options
}
