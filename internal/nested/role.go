package nested

import (
	"net/http"

	"github.com/otelhttpclient/otelhttpclient/internal/semconv"
	"github.com/otelhttpclient/otelhttpclient/internal/tracers"
)

// Role says which telemetry of a request a Transport records.
type Role struct {
	// None: an outer Transport records everything, unless the request is sent again.
	None     bool
	Settings *Settings // of the request, and of the outer one

	resend  int      // its number, or uncounted
	outer   *Request // whose request it is
	passage *passage // nil: no outer Transport sends the request
}

// uncounted is the number of a resend that [Role.Count] counts.
const uncounted = -1

// RoleOf returns the role of a Transport that gets a request with these settings in
// its context. outer is what an outer Transport sends with it, or nil. The ID
// identifies the Transport.
func RoleOf(s *Settings, outer *Request, req *http.Request, transportID any, tracer *tracers.Tracer) Role {
	r := Role{resend: uncounted, Settings: s}
	if outer == nil {
		return r
	}
	relation, resend, p := outer.relation(req, transportID)
	if relation == unrelated {
		return r
	}
	r.resend, r.Settings, r.outer, r.passage = resend, outer.caller.merge(s), outer, p
	switch {
	case relation == firstSending:
		// If not, the outer span is not recorded, and this one may be.
		r.None = outer.recording() || outer.Tracer.Same(tracer)
	case r.Settings.RoundTrips != nil:
		r.resend = uncounted // ContextWithRetries counts it
	}
	return r
}

// Count counts the attempt, and returns how many were sent before it.
func (r *Role) Count(req *http.Request) int {
	if r.resend == uncounted {
		return r.Settings.ResendCount(req)
	}
	return r.resend
}

// Uncount uncounts an attempt whose span is not used, so that an inner Transport can
// count it.
func (r *Role) Uncount() {
	if r.Settings.RoundTrips != nil && r.resend == uncounted {
		r.Settings.RoundTrips.Add(-1)
	}
}

// Measure records that the Transport measures the request with these instruments. It
// reports whether an outer Transport counts it as active with instruments of the
// same provider.
func (r *Role) Measure(m *semconv.Instruments) (active bool) {
	if r.passage == nil || m == nil {
		return false
	}
	r.outer.mu.Lock()
	r.passage.meter = m
	r.outer.mu.Unlock()
	outer := r.outer.meter(m.Provider())
	return outer != nil && outer.CountsActive()
}

// Kept says what a first attempt has to record.
type Kept struct {
	Resent   bool // the request was sent again already, by a concurrent attempt
	Active   bool // count it as active
	Measured bool // measure it when it ends
}

// Keep keeps the first attempt, in case the request is sent again. It is measured at
// once if no outer Transport measures it with the provider of its instruments.
func (r *Role) Keep(first Attempt, m *semconv.Instruments) (k Kept) {
	outer, p := r.outer, r.passage
	outer.mu.Lock()
	defer outer.mu.Unlock()
	p.first = first
	k.Resent = outer.sendings > 1
	if m == nil || p.before.measured(m.Provider()) != nil {
		return k
	}
	k.Active = outer.meter(m.Provider()) == nil
	if k.Measured = k.Active || k.Resent; k.Measured {
		p.meter = m
	} else {
		p.firstMeter = m
	}
	return k
}

// Observed reports whether the outer Transport records the span.
func (r *Role) Observed() bool { return r.outer.recording() }
