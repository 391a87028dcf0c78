package otelhttpclient

import (
	"context"
	"maps"
	"net/http"
	"net/textproto"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// WithPropagators sets the propagator that writes the span's context, and what
// else it carries, into the headers of the request. The default, and the
// meaning of nil, is the global propagator that is installed when a request is
// made. A composite propagator writes with all its parts.
//
// A header of the same name is replaced. A header that is one of the
// propagator's fields, and that it does not write this time, is removed: a
// tracestate belongs to its traceparent. Baggage and all other headers are
// kept, and so are the fields where there is no span to propagate.
func WithPropagators(p propagation.TextMapPropagator) Option {
	return optionFunc(func(c *config) {
		if p != nil {
			c.propagator = p
		}
	})
}

// WithPropagationTargets restricts propagation to the hosts given: exact
// names, or "*.example.com" for every name below example.com (but not
// example.com itself). Requests to others, redirected ones included, get a
// span but no headers from the propagator.
//
// By default context is propagated to every host. Use it where requests leave
// your own systems: trace identifiers and baggage tell strangers about you.
//
// The host compared is that of the request's URL, where the request is sent,
// without port; names are compared without regard to case. Given more than
// once, the hosts add up. No host at all (a nil list) leaves the default in
// place; an empty list that is not nil trusts nobody. A host that cannot be
// one is reported to [otel.Handle] and trusted nothing.
func WithPropagationTargets(hosts ...string) Option {
	return optionFunc(func(c *config) {
		if !given(hosts) {
			return
		}
		if c.targets == nil {
			c.targets = &targets{exact: map[string]struct{}{}}
		}
		for _, h := range hosts {
			if !c.targets.add(h) {
				badOption("WithPropagationTargets", "%q is not a host name or *.suffix: write it without scheme, port and path", h)
			}
		}
	})
}

// targets are the hosts that context may be propagated to.
type targets struct {
	exact    map[string]struct{}
	suffixes []string // with the leading dot
}

func (t *targets) add(host string) bool {
	name := normalHost(strings.Trim(host, "[]"))
	suffix, wild := strings.CutPrefix(name, "*.")
	if suffix == "" || strings.ContainsAny(suffix, "/@*?# \t") || (strings.Contains(suffix, ":") && strings.Count(suffix, ":") < 2) {
		return false
	}
	if wild {
		t.suffixes = append(t.suffixes, "."+suffix)
	} else {
		t.exact[name] = struct{}{}
	}
	return true
}

func (t *targets) include(req *http.Request) bool {
	if t == nil {
		return true
	}
	if req.URL == nil {
		return false
	}
	host := normalHost(req.URL.Hostname())
	if _, ok := t.exact[host]; ok {
		return true
	}
	return slices.ContainsFunc(t.suffixes, func(s string) bool {
		return len(host) > len(s) && strings.HasSuffix(host, s)
	})
}

// normalHost is the form in which names are compared: in lower case, without
// the final dot of a fully qualified name.
func normalHost(host string) string {
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

func (c *config) propagatorNow() propagation.TextMapPropagator {
	if c.propagator != nil {
		return c.propagator
	}
	return otel.GetTextMapPropagator()
}

// inject makes the propagator write ctx into the carrier, and discards what it
// wrote if it panics halfway.
func (in *instrumentation) inject(ctx context.Context, carrier *headerCarrier) {
	defer contain("propagator")
	finished := false
	defer func() {
		if !finished {
			carrier.copied = nil
		}
	}()
	p := in.propagatorNow()
	known := in.propagators.of(p)
	if known.keepsNothing {
		p.Inject(ctx, carrier)
	} else {
		own := *carrier
		p.Inject(ctx, &own)
		*carrier = own
	}
	carrier.removeStale(ctx, known.fields)
	finished = true
}

// propagatorSource keeps what is known about the last propagator.
type propagatorSource struct {
	atomic.Pointer[knownPropagator]
}

type knownPropagator struct {
	propagator   propagation.TextMapPropagator
	fields       []string // in canonical form, without baggage
	keepsNothing bool     // it does not use the carrier after Inject has returned
	delegates    bool     // it is the API's default, whose fields are those of the one attached to it
}

func (s *propagatorSource) of(p propagation.TextMapPropagator) *knownPropagator {
	k := s.Load()
	if k == nil || k.delegates || !same(k.propagator, p) {
		k = newKnownPropagator(p)
		s.Store(k)
	}
	return k
}

func newKnownPropagator(p propagation.TextMapPropagator) *knownPropagator {
	k := &knownPropagator{
		propagator:   p,
		keepsNothing: isOpenTelemetry(p),
		delegates:    packageOf(p) == "go.opentelemetry.io/otel/internal/global",
	}
	if parts := reflect.ValueOf(p); k.keepsNothing && parts.Kind() == reflect.Slice {
		for i := range parts.Len() {
			k.keepsNothing = k.keepsNothing && isOpenTelemetry(parts.Index(i).Interface())
		}
	}
	var fields []string
	call("propagator", func() { fields = p.Fields() })
	for _, f := range fields {
		if f = textproto.CanonicalMIMEHeaderKey(f); f != baggageHeader {
			k.fields = append(k.fields, f)
		}
	}
	return k
}

const baggageHeader = "Baggage"

// headerCarrier is where a propagator writes. It copies the caller's header
// with the first value that is set, so that a propagator without anything to
// say costs nothing and the caller's header is never touched.
type headerCarrier struct {
	original http.Header
	copied   http.Header
	home     *outgoing // made with the first value, which needs room in it
	values   []string  // in home
	written  []string  // the keys that were set
	room     [3]string // for them
	sloppy   bool      // the caller has keys that are not in canonical form
}

func (h *headerCarrier) header() http.Header {
	if h.copied != nil {
		return h.copied
	}
	return h.original
}

func (h *headerCarrier) Get(key string) string { return h.header().Get(key) }

func (h *headerCarrier) Values(key string) []string { return h.header().Values(key) }

func (h *headerCarrier) Keys() []string { return slices.Collect(maps.Keys(h.header())) }

func (h *headerCarrier) Set(key, value string) {
	if h.original == nil {
		// net/http refuses a request without a header. That is for base
		// to say, so the header stays nil.
		return
	}
	h.copy()
	key = canonicalKey(key)
	if h.sloppy {
		h.deleteFolded(key)
	}
	h.values = append(h.values, value)
	last := len(h.values)
	h.copied[key] = h.values[last-1 : last : last]
	if h.written == nil {
		h.written = h.room[:0]
	}
	h.written = append(h.written, key)
}

func (h *headerCarrier) copy() {
	if h.copied != nil {
		return
	}
	h.copied = maps.Clone(h.original)
	if h.home == nil {
		h.home = &outgoing{}
	}
	h.values = h.home.values[:0]
	for k, vv := range h.copied {
		if cap(vv) > len(vv) {
			// An append to the copy must not write into the caller's array.
			h.copied[k] = slices.Clip(vv)
		}
		h.sloppy = h.sloppy || !isCanonical(k)
	}
}

// deleteFolded deletes the key in any other spelling of its case.
func (h *headerCarrier) deleteFolded(key string) {
	maps.DeleteFunc(h.copied, func(k string, _ []string) bool { return k != key && strings.EqualFold(k, key) })
}

// removeStale deletes the propagator's own fields that it has not written: a
// reverse proxy forwards those of the request that came in, and a tracestate
// must not go out beside a traceparent that it does not belong to. Where there
// is no span context to propagate, the caller's stay.
func (h *headerCarrier) removeStale(ctx context.Context, fields []string) {
	if len(h.original) == 0 || !h.wroteMoreThanBaggage() && !trace.SpanContextFromContext(ctx).IsValid() {
		return
	}
	for _, field := range fields {
		if slices.Contains(h.written, field) || !h.has(field) {
			continue
		}
		h.copy()
		delete(h.copied, field)
		h.deleteFolded(field)
	}
}

func (h *headerCarrier) wroteMoreThanBaggage() bool {
	return slices.ContainsFunc(h.written, func(key string) bool { return key != baggageHeader })
}

// has reports whether the header has the field in any spelling of its case.
func (h *headerCarrier) has(field string) bool {
	if _, ok := h.header()[field]; ok || h.copied != nil && !h.sloppy {
		return ok
	}
	for k := range h.header() {
		if strings.EqualFold(k, field) {
			return true
		}
	}
	return false
}

// canonicalKey is [textproto.CanonicalMIMEHeaderKey], which allocates for names
// that net/http does not know, without that for those that are set with every
// request.
func canonicalKey(key string) string {
	switch key {
	case "traceparent":
		return "Traceparent"
	case "tracestate":
		return "Tracestate"
	case "baggage":
		return "Baggage"
	}
	return textproto.CanonicalMIMEHeaderKey(key)
}

// isCanonical reports whether the header name has its capital letters at the
// beginning and behind dashes, and nowhere else.
func isCanonical(key string) bool {
	upper := true
	for i := range len(key) {
		c := key[i]
		if upper && 'a' <= c && c <= 'z' || !upper && 'A' <= c && c <= 'Z' {
			return false
		}
		upper = c == '-'
	}
	return true
}
