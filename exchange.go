package otelhttpclient

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelhttpclient/otelhttpclient/internal/body"
	"github.com/otelhttpclient/otelhttpclient/internal/conntrace"
	"github.com/otelhttpclient/otelhttpclient/internal/identity"
	"github.com/otelhttpclient/otelhttpclient/internal/nested"
	"github.com/otelhttpclient/otelhttpclient/internal/scratch"
	"github.com/otelhttpclient/otelhttpclient/internal/semconv"
)

var errNoResponse = errors.New("base returned neither a response nor an error")

// exchange is an observed request, until its telemetry ends.
type exchange struct {
	in      *instrumentation
	meter   *semconv.Instruments // nil: it is not measured
	span    trace.Span
	started time.Time // zero unless metrics or timings need it
	ended   atomic.Bool

	recording   bool
	bodyless    bool // the response has no body
	sizeUnknown bool // the size of the response's body is unknown even after its end
	gaveUp      bool // base failed for another reason than a connection
	timedOut    bool
	responded   bool // response hooks have run
	bodyBelow   bool // an inner Transport counts the body if it is abandoned

	context    nested.Context       // what base gets
	request    semconv.Request      // known before it is sent
	response   *semconv.Response    // known when base has returned
	ofResponse []attribute.KeyValue // the application's, from then on
	library    []attribute.KeyValue // the span's that are not from hooks, if they must be told apart
	connection conntrace.Trace
	upload     *conntrace.Upload // nil: there is none, or its size is not recorded
	body.Progress
}

// copyRequest returns the request that base gets: the caller's with the span's
// context, and with the headers that hooks and propagator add.
func (x *exchange) copyRequest(req *http.Request, s *scratch.Memory) *http.Request {
	sent := &x.context.Copy
	if len(x.in.requestHooks) == 0 {
		*sent = *req.WithContext(&x.context) // without an allocation
	} else {
		sent = x.copyForHooks(req)
	}
	x.context.Complete(&x.in.injector, sent, &s.Carrier)
	x.connection.Send(sent)
	if x.recording && x.in.describesSent {
		if attrs := x.in.sentAttributes(sent); len(attrs) > 0 {
			x.set(attrs...)
			if x.library != nil {
				x.library = append(x.library, attrs...)
			}
		}
	}
	if x.observed() && x.in.conventions.WantsRequestSize() {
		x.upload = conntrace.NewUpload(sent)
	}
	return sent
}

// copyForHooks returns a deep copy for the hooks to change. It shares only the
// trailer, whose values the caller may set while the body is sent.
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

// answered handles base's result. It ends the exchange, or reports that the response's
// body will end it.
func (x *exchange) answered(sent *sentRequest, resp *http.Response, err error) (open bool) {
	if err == nil && resp == nil {
		err = errNoResponse
	}
	hooked := len(x.in.responseHooks) > 0
	var ofHooks []attribute.KeyValue
	if x.tellsHooksApart() {
		ofHooks = x.ofHooks() // before the library sets more
	}
	if resp != nil && (x.observed() || hooked) {
		x.in.guard.Call("description of the response", func() { x.describeResponse(sent, resp) })
	}
	if len(x.in.responseAttributeFuncs) > 0 && x.observed() {
		x.in.guard.Call("attributes of the response", func() { x.describeOutcome(sent.request, resp, err, ofHooks) })
	}
	if err != nil {
		x.failed(sent.request, err)
		return false
	}
	if hooked {
		x.responded = true
		x.in.runResponseHooks(x.span, sent.request, resp, nil)
	}
	x.bodyless = sent.method == http.MethodHead || body.Absent(resp)
	x.sizeUnknown = resp.Uncompressed
	if !x.observed() || x.bodyless || x.in.endOnHeaders {
		x.End(body.End{})
		return false
	}
	x.bodyBelow = x.meter != nil && measuredBody(resp.Body, x.meter.Provider())
	return true
}

// failed ends the exchange with base's error. If base also returned a response, its
// headers are recorded.
func (x *exchange) failed(sent *http.Request, err error) {
	x.sizeUnknown = true
	if len(x.in.responseHooks) == 0 {
		x.End(body.End{Err: err})
		return
	}
	x.in.guard.Call("description of the error", func() { x.describeError(err) })
	x.responded = true
	x.in.runResponseHooks(x.span, sent, nil, err)
	x.End(body.End{})
}

// observed reports whether telemetry is recorded. If not, the exchange exists for the
// hooks.
func (x *exchange) observed() bool { return x.recording || x.meter != nil }

// End ends the span and records the metrics. Nothing else does. The first
// call counts.
func (x *exchange) End(e body.End) {
	if !x.ended.CompareAndSwap(false, true) {
		return
	}
	// Each step runs even if the one before panics or exits the goroutine.
	guard := x.in.guard
	if x.meter != nil {
		defer guard.Call("measurement", func() { x.measure(e) })
	}
	defer guard.Call("end of the span", func() { x.endSpan(e.At) })
	if !x.observed() {
		return
	}
	defer guard.Call("description of the end", func() {
		x.connection.Done(x.response.Status == 0 && x.gaveUp)
		if x.recording {
			x.describeEnd(e)
		}
	})
	if e.Err != nil {
		guard.Call("description of the error", func() { x.describeError(e.Err) })
	}
}

// sizes returns the sizes of the bodies, if known. The response's is known if the span
// lasts until the body's end, net/http did not decompress the body, and base did not
// return an error.
func (x *exchange) sizes() (request, response semconv.Size) {
	request.Bytes, request.Known = x.upload.Sent(&x.connection, x.response.Status)
	if x.response.Status != 0 && !x.sizeUnknown {
		response = semconv.Size{Bytes: x.Received(), Known: x.bodyless || !x.in.endOnHeaders}
	}
	return request, response
}

// measuredBody reports whether a body belongs to an exchange that is measured with
// this provider.
func measuredBody(rc io.ReadCloser, provider metric.MeterProvider) bool {
	x, ok := body.OwnerOf(rc).(*exchange)
	return ok && x.meter.IsOf(provider)
}

// Recording and Instruments are for inner Transports: [nested.Observer].
func (x *exchange) Recording() bool                   { return x.recording }
func (x *exchange) Instruments() *semconv.Instruments { return x.meter }

func (x *exchange) measure(e body.End) {
	v := semconv.Values{Own: x.ofResponse, Duration: x.duration(e.At), Active: !x.context.Sending.ActiveOuter, Abandoned: e.Abandoned && !x.bodyBelow}
	v.RequestSize, v.ResponseSize = x.sizes()
	v.TimeInQueue, v.Waited = x.connection.TimeInQueue(e.At)
	if x.response.Status == 0 && x.timedOut {
		x.connection.LookupsTimedOut()
	}
	v.Inner = x.context.Sending.MeasuredInside(x.meter.Provider())
	x.meter.Record(&x.context, &x.request, x.response, &v)
}

// sentRequest has the fields of a request at the time when base got it. base may
// change the request, even after it has returned.
type sentRequest struct {
	request *http.Request
	context context.Context
	url     *url.URL
	method  string
	host    string
	header  http.Header
}

func sentRequestOf(r *http.Request) sentRequest {
	return sentRequest{r, r.Context(), r.URL, r.Method, r.Host, r.Header}
}

// matches reports whether a response is one to this request, or to the request
// with another body: after an upload on a reused connection, net/http's HTTP/2
// client names such a copy in the response. A request that base itself derived
// from this one does not match.
func (i *sentRequest) matches(r *http.Request) bool {
	return r != nil && (r == i.request ||
		r.URL == i.url && r.Method == i.method && r.Host == i.host && sameHeader(r.Header, i.header) &&
			identity.Same(r.Context(), i.context))
}

// sameHeader reports whether two headers are one map.
func sameHeader(a, b http.Header) bool {
	return reflect.ValueOf(a).Pointer() == reflect.ValueOf(b).Pointer()
}
