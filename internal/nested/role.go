package nested

import (
	"net/http"

	"github.com/otelhttpclient/otelhttpclient/internal/semconv"
	"github.com/otelhttpclient/otelhttpclient/internal/tracers"
)

// Role determines which telemetry of a request a Transport records.
type Role struct {
	// None: an outer Transport records everything, unless the request is sent again.
	None     bool
	Settings *Settings // settings of the request, merged with the outer one's

	resend int             // the request's number as a resend, or uncounted
	outer  *Request        // what the outer Transport is sending
	inner  *innerTransport // nil: no outer Transport sends the request
}

// uncounted is the value of Role.resend until [Role.Count] counts the attempt.
const uncounted = -1

// RoleOf returns the role of a Transport that gets a request with these settings in
// its context. outer is the request that an outer Transport is sending, or nil.
// transportID identifies the Transport.
func RoleOf(s *Settings, outer *Request, req *http.Request, transportID any, tracer *tracers.Tracer) Role {
	r := Role{resend: uncounted, Settings: s}
	if outer == nil {
		return r
	}
	relation, resend, p := outer.relate(req, transportID)
	if relation == unrelated {
		return r
	}
	r.resend, r.Settings, r.outer, r.inner = resend, outer.settings.merge(s), outer, p
	switch {
	case relation == firstAttempt:
		// Else the outer span is not recording, and this one may be.
		r.None = outer.recording() || outer.Tracer.Same(tracer)
	case r.Settings.RoundTrips != nil:
		r.resend = uncounted // ContextWithRetries counts it
	}
	return r
}

// Count counts the attempt, and returns the number of earlier attempts.
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

// Measure records that the Transport measures the request with these instruments.
// active reports whether an outer Transport counts the request as active with
// instruments of the same provider.
func (r *Role) Measure(m *semconv.Instruments) (active bool) {
	if r.inner == nil || m == nil {
		return false
	}
	r.outer.mu.Lock()
	r.inner.meter = m
	r.outer.mu.Unlock()
	outer := r.outer.instrumentsOf(m.Provider())
	return outer != nil && outer.CountsActive()
}

// Kept determines the telemetry of a first attempt.
type Kept struct {
	Resent   bool // a concurrent attempt has sent the request again
	Active   bool // count it as active
	Measured bool // measure it when it ends
}

// Keep keeps the first attempt in case the request is sent again. Kept.Measured is
// true unless an outer Transport measures the attempt with the same provider.
func (r *Role) Keep(first Attempt, m *semconv.Instruments) (k Kept) {
	outer, p := r.outer, r.inner
	outer.mu.Lock()
	defer outer.mu.Unlock()
	p.attempt = first
	k.Resent = outer.sentCount > 1
	if m == nil || p.outward.measuredWith(m.Provider()) != nil {
		return k
	}
	k.Active = outer.instrumentsOf(m.Provider()) == nil
	if k.Measured = k.Active || k.Resent; k.Measured {
		p.meter = m
	} else {
		p.attemptMeter = m
	}
	return k
}

// Observed reports whether the outer Transport's span is recording.
func (r *Role) Observed() bool { return r.outer.recording() }
