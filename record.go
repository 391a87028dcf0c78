package otelhttpclient

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelhttpclient/otelhttpclient/internal/body"
	"github.com/otelhttpclient/otelhttpclient/internal/errortype"
	"github.com/otelhttpclient/otelhttpclient/internal/foreign"
	"github.com/otelhttpclient/otelhttpclient/internal/hostport"
	"github.com/otelhttpclient/otelhttpclient/internal/nested"
	"github.com/otelhttpclient/otelhttpclient/internal/scratch"
	"github.com/otelhttpclient/otelhttpclient/internal/semconv"
)

// The data that span and metrics record, in order: at the start of the span, of the
// request as it is sent, of the response, of an error, and at the end.

// describe describes a request for its span and metrics.
func (in *instrumentation) describe(d *semconv.Start, req *http.Request, role *nested.Role) {
	full, host := in.recordedURL(req)
	d.URL = full
	d.Endpoint = in.describer.Endpoint(req.Method, schemeOf(req), host)
	d.ResendCount = role.Count(req)
	settings := role.Settings
	if settings.Template != "" || in.templater != nil {
		d.Template = in.template(req, settings.Template)
	}
	d.Own = settings.Attributes
	if len(in.attributeFuncs) > 0 {
		d.Own = in.ownAttributes(req, settings.Attributes)
	}
}

// schemeOf returns the scheme of a request. It is "" for a scheme other than http and
// https in a redirect: the server could choose any number of values.
func schemeOf(req *http.Request) string {
	if req.URL == nil {
		return ""
	}
	scheme := req.URL.Scheme
	if scheme != "https" && scheme != "http" && req.Response != nil {
		return ""
	}
	return scheme
}

// ownAttributes returns the application's attributes for a request: those of
// WithAttributes, then those of its context.
func (in *instrumentation) ownAttributes(req *http.Request, ofContext []attribute.KeyValue) []attribute.KeyValue {
	var own []attribute.KeyValue
	for _, attributes := range in.attributeFuncs {
		in.guard.Call("WithAttributes function", func() { own = append(own, attributes(req)...) })
	}
	foreign.Attributes(own)
	return append(own, ofContext...)
}

// attributesOfResponse returns the application's attributes for what base returned.
func (in *instrumentation) attributesOfResponse(sent *http.Request, resp *http.Response, err error) (own []attribute.KeyValue) {
	for _, attributes := range in.responseAttributeFuncs {
		in.guard.Call("WithResponseAttributes function", func() { own = append(own, attributes(sent, resp, err)...) })
	}
	foreign.Attributes(own)
	return own
}

// startSpan starts a span as a child of the span in the context, now or, for an earlier
// attempt, at another time.
func (in *instrumentation) startSpan(ctx context.Context, tracer trace.Tracer, s *scratch.Memory, d *semconv.Start, name string, at time.Time) (context.Context, trace.Span) {
	s.Attributes = in.conventions.AppendRequest(s.Attributes, d)
	options := s.StartOptions(in.spanOptions)
	if !at.IsZero() {
		options = append(slices.Clip(options), trace.WithTimestamp(at))
	}
	return tracer.Start(ctx, name, options...)
}

func (in *instrumentation) nameOfSpan(r *semconv.Request, req *http.Request) (name string) {
	if in.spanName != nil && in.guard.Call("span name formatter", func() { name = in.spanName(req) }) && name != "" {
		return foreign.Text(name)
	}
	method := r.Method
	if method == semconv.OtherMethod {
		method = "HTTP"
	}
	if r.Template == "" {
		return method
	}
	return method + " " + r.Template
}

// sentAttributes returns the attributes of the request as it is sent, with the
// headers that hooks and propagator set.
func (in *instrumentation) sentAttributes(sent *http.Request) []attribute.KeyValue {
	var a []attribute.KeyValue
	if in.conventions.WantsUserAgent() {
		a = in.appendUserAgent(nil, sent.Header.Get("User-Agent"))
	}
	a = in.conventions.AppendSent(a, sent.ContentLength)
	return in.requestHeaders.Append(a, sent.Header, in.redaction, sent.URL)
}

func (in *instrumentation) appendUserAgent(a []attribute.KeyValue, agent string) []attribute.KeyValue {
	if agent == "" {
		return a
	}
	return in.conventions.AppendUserAgent(a, in.redaction.Text(agent))
}

func (in *instrumentation) isError(resp *http.Response) (isError bool) {
	if in.errorCheck != nil && in.guard.Call("error check", func() { isError = in.errorCheck(resp) }) {
		return isError
	}
	return resp.StatusCode < 100 || resp.StatusCode >= 400
}

// describeResponse records the response on the span, and keeps the data for the
// metrics.
func (x *exchange) describeResponse(sent *sentRequest, resp *http.Response) {
	x.response = x.in.describer.Response(resp, false)
	if x.in.isError(resp) { // the application's check may exit the goroutine
		x.response = x.in.describer.Response(resp, true)
	}
	if x.request.Host == "" {
		x.resolve(sent, resp)
	}
	x.connection.Answered(x.response.Status, x.response.Protocol.Version)
	if !x.recording {
		return
	}
	s := scratch.Get(x.context.Sending.Tracer.Copies())
	defer s.Release()
	a := x.in.conventions.AppendResponse(s.Attributes, x.response, resp.ContentLength)
	a = x.in.responseHeaders.Append(a, resp.Header, x.in.redaction, x.connection.Target())
	a = x.appendConnection(a, time.Time{})
	x.set(a...)
	s.Attributes = a
	if x.response.ErrorType != "" {
		x.setErrorStatus("")
	}
}

// appendConnection appends the attributes of the connection. end is when the span
// ended; zero means now.
func (x *exchange) appendConnection(a []attribute.KeyValue, end time.Time) []attribute.KeyValue {
	peer, agent := x.connection.Report()
	a = x.in.describer.AppendPeer(a, peer)
	if x.in.connectionTimings {
		a = x.connection.AppendTimings(a, x.StartTime(), end)
	}
	if agent != "" {
		a = x.in.appendUserAgent(a, agent)
	}
	return a
}

// A base may resolve each request's URL against a base URL, so that callers write
// /items/1. Such a request has no host. Its address is known from Response.Request.

// resolved returns the request that base made of a request without a host, or
// nil. If base followed redirects, it is the first of them.
func resolved(sent *sentRequest, resp *http.Response) *http.Request {
	req := resp.Request
	if sent.matches(req) {
		req = &http.Request{URL: sent.url, Host: sent.host} // a request hook has set the host
	}
	for n := 0; req != nil && req.Response != nil && req.Response != sent.request.Response && n < nested.MostRedirects; n++ {
		req = req.Response.Request
	}
	if req == nil || req.URL == nil || req.URL.Host == "" {
		return nil
	}
	return req
}

// resolve sets the URL and the endpoint of a request without a host, after the
// response.
func (in *instrumentation) resolve(d *semconv.Start, req *http.Request) {
	full, host := in.recordedURL(hostport.OnWire(req))
	scheme := d.Scheme
	if scheme == "" {
		scheme = req.URL.Scheme
	}
	d.URL, d.Endpoint = full, in.describer.Moved(d.Endpoint, scheme, host)
}

// resolve records the address of a request without a host, after the response.
func (x *exchange) resolve(sent *sentRequest, resp *http.Response) {
	req := resolved(sent, resp)
	if req == nil {
		return
	}
	target := *req.URL // the caller may change it
	x.connection.Aim(&target)
	d := semconv.Start{Request: x.request}
	x.in.resolve(&d, req)
	active := x.meter != nil && !x.context.Sending.ActiveOuter
	if active {
		x.meter.Leave(&x.context, &x.request)
	}
	x.request = d.Request
	if active {
		x.meter.Begin(&x.context, &x.request)
	}
	if use := x.meter.ConnectionUse(&x.request); use != nil {
		x.connection.Relabel(use.Labels)
	}
	if x.recording {
		x.setResolved(&d)
	}
}

// setResolved sets the attributes that resolve has found. Attributes from hooks are
// kept, except a URL without a host.
func (x *exchange) setResolved(d *semconv.Start) {
	a := x.in.conventions.AppendResolved(nil, d)
	a = without(a, x.in.spanAttributes)
	a = without(a, x.request.Own)
	for _, has := range attributesOf(x.span) {
		isURL := has.Key == semconv.URLFullKey || has.Key == semconv.OldURLFullKey
		if u, err := url.Parse(has.Value.AsString()); !isURL || err == nil && u.Host != "" {
			a = without(a, []attribute.KeyValue{has})
		}
	}
	x.span.SetAttributes(a...)
}

// set sets attributes on the span. The application's own keep their values.
func (x *exchange) set(a ...attribute.KeyValue) {
	if len(x.in.spanAttributes) > 0 {
		a = without(a, x.in.spanAttributes)
	}
	if x.responded || len(x.in.requestHooks) > 0 || x.in.clientTrace != nil {
		// Hooks may have set any of these, also from another goroutine and later.
		a = without(a, attributesOf(x.span))
	}
	override(a, x.request.Own)
	override(a, x.ofResponse)
	x.span.SetAttributes(a...)
}

// describeOutcome gets the application's attributes for what base returned. On the
// span they override all others but those of hooks.
func (x *exchange) describeOutcome(sent *http.Request, resp *http.Response, err error, ofHooks []attribute.KeyValue) {
	x.ofResponse = x.in.attributesOfResponse(sent, resp, err)
	if x.recording && len(x.ofResponse) > 0 {
		x.span.SetAttributes(without(slices.Clone(x.ofResponse), ofHooks)...)
	}
}

// ofHooks returns the attributes that hooks have set: the span's that x.library does
// not have. The span may be of another SDK's.
func (x *exchange) ofHooks() (a []attribute.KeyValue) {
	x.in.guard.Call("attributes of the span", func() {
		a = slices.DeleteFunc(slices.Clone(attributesOf(x.span)), func(kv attribute.KeyValue) bool { return slices.Contains(x.library, kv) })
	})
	return a
}

// tellsHooksApart reports whether attributes of hooks must be told from those of the
// library.
func (x *exchange) tellsHooksApart() bool {
	return len(x.in.responseAttributeFuncs) > 0 && x.recording && x.in.hooked()
}

// override replaces the attributes whose keys the application's have.
func override(a, own []attribute.KeyValue) {
	for _, o := range own {
		for i := range a {
			if a[i].Key == o.Key {
				a[i] = o
			}
		}
	}
}

// without removes the attributes whose keys others have.
func without(a, others []attribute.KeyValue) []attribute.KeyValue {
	return slices.DeleteFunc(a, func(kv attribute.KeyValue) bool {
		return slices.ContainsFunc(others, func(o attribute.KeyValue) bool { return o.Key == kv.Key })
	})
}

// setErrorStatus sets the span's status to Error, unless a hook has set one.
func (x *exchange) setErrorStatus(description string) {
	if !x.in.hooked() || !hasStatus(x.span) {
		x.span.SetStatus(codes.Error, description)
	}
}

// describeError records an error on the span, and its type for the metrics,
// unless the caller canceled the request. It keeps the error.type of an error
// response.
func (x *exchange) describeError(err error) {
	kind, cancelled := x.in.classify(x.context.Context, x.request.Scheme, err)
	if cancelled {
		return
	}
	x.gaveUp, x.timedOut = !errortype.OfConnection(kind), kind == errortype.Timeout
	if !x.in.isFailure(err) {
		return
	}
	ofStatus := x.response.ErrorType != ""
	if !ofStatus {
		x.response = x.response.WithError(kind)
	}
	x.setError(err, ofStatus)
}

// isFailure reports whether an error is recorded: unless the application's check
// excludes it.
func (in *instrumentation) isFailure(err error) bool {
	failure := true
	return in.failureCheck == nil || err == body.ErrPanic || !in.guard.Call("failure check", func() { failure = in.failureCheck(err) }) || failure
}

// classify returns the error.type of an error of base, or of reading a response body,
// or that the caller has canceled the request. An error whose methods panic is _OTHER.
func (in *instrumentation) classify(ctx context.Context, scheme string, err error) (kind string, cancelled bool) {
	kind = errortype.Other
	in.guard.Call("error", func() {
		if cancelled = errortype.CancelledByCaller(ctx, err); !cancelled {
			kind = in.errorType(ctx, scheme, err)
		}
	})
	return kind, cancelled
}

// errorType returns the error.type of an error. One with a method ErrorType chooses its
// own. So does the cause of an expired deadline, which net/http returns on HTTP/1.1 only.
func (in *instrumentation) errorType(ctx context.Context, scheme string, err error) string {
	var named interface{ ErrorType() string }
	if errors.As(err, &named) || errortype.Expired(ctx, err) && errors.As(context.Cause(ctx), &named) {
		name := ""
		if in.guard.Call("ErrorType method", func() { name = named.ErrorType() }) && name != "" {
			return foreign.Copy(name)
		}
	}
	return errortype.Of(ctx, scheme, err)
}

// setError records an error on the span. ofStatus: the error.type is the status
// code's.
func (x *exchange) setError(err error, ofStatus bool) {
	if !x.recording {
		return
	}
	x.set(semconv.ErrorTypeKey.String(x.response.ErrorType))
	if !ofStatus {
		text := ""
		x.in.guard.Call("error", func() { text = x.in.redaction.Error(err, x.connection.Target()) })
		x.setErrorStatus(text)
	}
}

// describeEnd records on the span the data that are known only at the end.
func (x *exchange) describeEnd(e body.End) {
	if x.response.Status != 0 && !e.Abandoned && !x.in.conventions.WantsSizes() {
		return // usually
	}
	var a []attribute.KeyValue
	if e.Abandoned {
		a = append(a, semconv.AbandonedKey.Bool(true))
	}
	if x.response.Status == 0 {
		a = x.appendConnection(a, e.At)
	}
	if x.in.conventions.WantsSizes() {
		request, response := x.sizes()
		a = x.in.conventions.AppendSizes(a, request, response)
	}
	if len(a) > 0 {
		x.set(a...)
	}
}

func (x *exchange) endSpan(at time.Time) {
	if at.IsZero() {
		x.span.End()
	} else {
		x.span.End(trace.WithTimestamp(at))
	}
}

// StartTime returns when the span started.
func (x *exchange) StartTime() time.Time {
	if s, ok := x.span.(interface{ StartTime() time.Time }); ok {
		return s.StartTime()
	}
	return x.started
}

// duration returns the duration of the exchange: exactly the span's, if the
// span has a method for it.
func (x *exchange) duration(at time.Time) time.Duration {
	if s, ok := x.span.(interface {
		StartTime() time.Time
		EndTime() time.Time
	}); ok {
		if end := s.EndTime(); !end.IsZero() {
			return max(0, end.Sub(s.StartTime()))
		}
	}
	if at.IsZero() {
		return time.Since(x.started)
	}
	return max(0, at.Sub(x.started))
}
