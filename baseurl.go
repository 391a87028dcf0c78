package otelhttpclient

import (
	"net/http"
	"net/url"

	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/otelhttpclient/otelhttpclient/internal/hostport"
)

// A base may resolve each request's URL against a base URL, so that callers
// write /items/1. Such a request names no host. What it is addressed to is known
// from the request that the response names.

// resolved returns the request that base made of a request without a host, or
// nil. If base followed redirects, it is the first of them.
func resolved(sent *sentRequest, resp *http.Response) *http.Request {
	req := resp.Request
	if sent.matches(req) {
		req = &http.Request{URL: sent.url, Host: sent.host} // a request hook has set the host
	}
	for n := 0; req != nil && req.Response != nil && req.Response != sent.request.Response && n < mostRedirects; n++ {
		req = req.Response.Request
	}
	if req == nil || req.URL == nil || req.URL.Host == "" {
		return nil
	}
	return req
}

// resolve sets what the facts lack of a request without a host, and returns what
// is recorded of its URL.
func (in *instrumentation) resolve(f *facts, req *http.Request) (full string) {
	full, host := in.recordedURL(hostport.OnWire(req))
	if f.scheme == "" {
		f.scheme = req.URL.Scheme
	}
	f.host, f.port = hostport.Split(host, f.scheme)
	return full
}

// resolve records the address of a request that named no host.
func (x *exchange) resolve(sent *sentRequest, resp *http.Response) {
	req := resolved(sent, resp)
	if req == nil {
		return
	}
	target := *req.URL // the caller may change it
	x.connection.aim(&target)
	active := x.meter != nil && !x.context.sending.activeOuter
	if active {
		x.meter.leave(&x.context, &x.facts)
	}
	d := description{url: x.in.resolve(&x.facts, req)}
	if active {
		x.meter.begin(&x.context, &x.facts)
	}
	if x.connection.user != nil {
		x.connection.relabel(x.meter.connectionUse(&x.facts).Labels)
	}
	if x.recording {
		d.facts = x.facts
		x.setResolved(&d)
	}
}

// setResolved sets the attributes that have come to be known. What hooks have
// set stays, but not the URL without a host.
func (x *exchange) setResolved(d *description) {
	a := appendServer(nil, d.host, d.port)
	if d.url != "" {
		a = append(a, semconv.URLFull(d.url))
	}
	if x.in.optInAttributes&optInScheme != 0 && d.scheme != "" {
		a = append(a, semconv.URLScheme(d.scheme))
	}
	if x.in.oldNames {
		a = without(appendOldRequest(a, d), []attribute.KeyValue{{Key: "http.method"}})
	}
	a = without(a, x.in.spanAttributes)
	a = without(a, x.facts.own)
	for _, has := range attributesOf(x.span) {
		isURL := has.Key == semconv.URLFullKey || has.Key == "http.url"
		if u, err := url.Parse(has.Value.AsString()); !isURL || err == nil && u.Host != "" {
			a = without(a, []attribute.KeyValue{has})
		}
	}
	x.span.SetAttributes(a...)
}

// resolve is as that of an exchange.
func (a *attempt) resolve(sent *sentRequest, resp *http.Response) {
	req := resolved(sent, resp)
	if req == nil {
		return
	}
	a.target = *req.URL
	if a.active {
		a.meter.leave(a.ctx, &a.facts)
	}
	a.url = a.in.resolve(&a.facts, req)
	if a.active {
		a.meter.begin(a.ctx, &a.facts)
	}
}
