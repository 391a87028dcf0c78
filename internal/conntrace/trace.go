// Package conntrace records what [net/http/httptrace] reports about the connection of
// one request: its peer, the time of each phase, DNS lookups, and how much of the
// request was written. It is given what is wanted, and hands out facts. It does not
// know spans, metrics or options.
package conntrace

import (
	"context"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync"

	"github.com/otelhttpclient/otelhttpclient/internal/callback"
	"github.com/otelhttpclient/otelhttpclient/internal/hostport"
	"github.com/otelhttpclient/otelhttpclient/internal/openconns"
)

// Want says what a [Trace] records beside the peer.
type Want uint8

// What a Trace may record.
const (
	Sizes     Want = 1 << iota // how much of the request was written
	UserAgent                  // as it is written
	Timings                    // of all phases
	Queue                      // the time until a connection is obtained
)

// Trace is what net/http reports about the connection of a request. Its hooks run on
// any goroutine, and some after the request has ended. If base uses two connections
// at a time with one context, or reaches two servers through one proxy, the reports
// cannot be told apart, and the latest counts.
type Trace struct {
	hooks httptrace.ClientTrace
	use   *openconns.Use // nil unless connections are counted
	guard callback.Guard

	target *url.URL // of the request; written under mu

	mu    sync.Mutex
	ended bool
	state state
	// With the same context, base may also ask for a connection to another
	// server, for example to fetch a token.
	targeted bool // the latest connection is one to the request's server

	sent      sentState
	continued bool   // the server has asked for the body
	agent     string // User-Agent as it is written, if it is watched

	peer    net.Addr
	tracked *openconns.Conn // nil unless connections are counted
	timings *timings        // nil unless they are wanted
}

// state is the state of a request's connection.
type state uint8

const (
	idle      state = iota // not asked for
	wanted                 // one to the request's server, or to a proxy
	elsewhere              // one to another server, which is not obtained yet
	obtained               // later reports are about the request's connection
)

// sentState is what is known about the writing of a request.
type sentState uint8

const (
	sentUnknown sentState = iota
	sentNothing
	sentInPart
	sentWhole
)

// Start registers the hooks for what is wanted, and returns the context that has
// them. use describes the request as the user of a connection, or is nil.
func (t *Trace) Start(ctx context.Context, want Want, use *openconns.Use, guard callback.Guard) context.Context {
	t.use, t.guard = use, guard
	h := &t.hooks
	h.GetConn, h.GotConn = t.getConn, t.gotConn
	if want != 0 {
		t.startWanted(ctx, want)
	}
	return httptrace.WithClientTrace(ctx, h)
}

func (t *Trace) startWanted(ctx context.Context, want Want) {
	h := &t.hooks
	if want&Sizes != 0 {
		h.WroteRequest, h.Got100Continue = t.wroteRequest, t.got100Continue
	}
	if want&UserAgent != 0 {
		h.WroteHeaderField = t.wroteHeaderField
	}
	if want&(Timings|Queue) != 0 && t.timings == nil {
		t.timings = &timings{}
	}
	if want&Timings != 0 {
		t.watchTimings(ctx)
	}
}

// Send sets the request as base gets it. A request hook may have sent other requests
// with the same context before, which can still be under way.
func (t *Trace) Send(req *http.Request) {
	t.mu.Lock()
	t.target = req.URL
	if t.timings != nil {
		t.timings.upload = hasBody(req)
	}
	t.mu.Unlock()
}

func hasBody(r *http.Request) bool { return r.Body != nil && r.Body != http.NoBody }

// Aim sets the URL of the request, where base has chosen it.
func (t *Trace) Aim(target *url.URL) {
	t.mu.Lock()
	t.target = target
	t.mu.Unlock()
}

// Target returns the URL of the request, or nil before it is known. Only the
// goroutine that calls Send and Aim may call it, and others after the last of those
// calls. Hooks run at any time, and use the field with the lock.
func (t *Trace) Target() *url.URL { return t.target }

// getConn runs when a connection to a server or a proxy is needed.
func (t *Trace) getConn(hostPort string) {
	t.mu.Lock()
	tracked := t.ask(hostPort)
	t.mu.Unlock()
	tracked.Release() // without the lock: it may call an instrument
}

// ask records that a connection is needed. It returns the one before, if that was
// the request's.
func (t *Trace) ask(hostPort string) (before *openconns.Conn) {
	if t.ended {
		return nil
	}
	targeted := hostport.IsServer(hostPort, t.target)
	if t.targeted && !targeted {
		t.state = elsewhere
		return nil
	}
	t.targeted = targeted
	// net/http may try again on another connection, and base may have fetched
	// a token on this one: what follows describes another connection.
	t.forget(wanted)
	before, t.tracked = t.tracked, nil
	t.timings.ask()
	return before
}

// forget removes what was reported about a connection.
func (t *Trace) forget(s state) {
	t.state, t.peer, t.sent, t.continued, t.agent = s, nil, sentUnknown, false, ""
}

// gotConn runs when a connection is obtained.
func (t *Trace) gotConn(info httptrace.GotConnInfo) {
	if info.Conn == nil { // base does not say which
		t.got(info, nil)
		return
	}
	// The connection may be of an application's type.
	t.guard.Call("connection", func() {
		peer := info.Conn.RemoteAddr()
		if t.got(info, peer) && t.use != nil {
			t.track(t.use.Track(info, peer))
		}
	})
}

// got records a connection unless the request has ended or the connection is to
// another server.
func (t *Trace) got(info httptrace.GotConnInfo, peer net.Addr) (used bool) {
	t.mu.Lock()
	switch {
	case t.ended:
	case t.state == elsewhere:
		t.state = wanted
	default:
		used = true
		t.state, t.peer = obtained, peer
		t.timings.get(info)
	}
	t.mu.Unlock()
	return used
}

// track replaces the connection that the request is counted for. It
// releases the other without the lock, as Release may call an instrument.
func (t *Trace) track(tracked *openconns.Conn) {
	t.mu.Lock()
	if !t.ended {
		t.tracked, tracked = tracked, t.tracked
	}
	t.mu.Unlock()
	tracked.Release()
}

// Relabel replaces the labels that were known when the connection was obtained.
func (t *Trace) Relabel(labels openconns.Labels) {
	t.mu.Lock()
	tracked := t.tracked
	t.mu.Unlock()
	tracked.Relabel(labels)
}

// Answered records the protocol, which is known with the first response on a
// connection.
func (t *Trace) Answered(status int, version string) {
	t.mu.Lock()
	tracked := t.tracked
	if t.timings != nil {
		t.timings.answered = true
	}
	t.mu.Unlock()
	tracked.Answered(version)
	if status == http.StatusSwitchingProtocols {
		tracked.Upgraded()
	}
}

// Done makes later hooks no-ops. gaveUp means that base has failed without a response
// and for another reason than a connection. Then a connection to a server that the
// request does not name is forgotten. A proxy's cannot be told from that of a token
// server, but then it is the latter's: base has given up before it asked for a
// connection of the request.
func (t *Trace) Done(gaveUp bool) {
	t.mu.Lock()
	t.ended = true
	tracked := t.tracked
	t.tracked = nil
	if gaveUp && !t.targeted && t.state == obtained {
		t.forget(idle)
		t.timings = nil
	}
	t.mu.Unlock()
	tracked.Release()
}

// CopyTo copies to an unused Trace, which gets no hooks, what is known at present.
func (t *Trace) CopyTo(to *Trace) {
	t.mu.Lock()
	defer t.mu.Unlock()
	to.state, to.targeted, to.sent, to.continued, to.agent, to.peer = t.state, t.targeted, t.sent, t.continued, t.agent, t.peer
	if t.timings != nil {
		timings := *t.timings
		timings.lookups = nil
		to.timings = &timings
	}
}

func (t *Trace) wroteRequest(info httptrace.WroteRequestInfo) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended || t.state != obtained {
		return
	}
	t.sent = sentWhole
	if info.Err != nil {
		t.sent = sentInPart
	}
}

func (t *Trace) wroteHeaderField(name string, values []string) {
	if len(values) == 0 || !strings.EqualFold(name, "User-Agent") {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.ended && t.state == obtained {
		t.agent = values[0]
	}
}

func (t *Trace) got100Continue() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.continued = t.continued || t.state == obtained
}

// written reports how much of the request was written. asksFirst: it has Expect:
// 100-continue. responded: there is a response.
func (t *Trace) written(asksFirst, responded bool) sentState {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case !responded && (t.state == wanted || t.state == elsewhere):
		return sentNothing
	case asksFirst && !t.continued:
		return sentUnknown // net/http reports it as written without its body, too
	}
	return t.sent
}

// Report returns the peer of the connection, or nil, and the user agent as it was
// written.
func (t *Trace) Report() (peer net.Addr, agent string) {
	t.mu.Lock()
	peer, agent = t.peer, t.agent
	t.mu.Unlock()
	return peer, agent
}
