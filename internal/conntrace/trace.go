// Package conntrace records what [net/http/httptrace] reports about the connection of
// one request: its peer, the time of each phase, DNS lookups, and how much of the
// request was written. It is given what to record, and returns values and
// attributes. It does not know spans, metrics or options.
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

// Want is a set of data that a [Trace] records in addition to the peer.
type Want uint8

// Elements of Want.
const (
	Sizes     Want = 1 << iota // how much of the request was written
	UserAgent                  // the header as it was written
	Timings                    // the times of all phases
	Queue                      // the time until a connection is obtained
)

// Trace records what net/http reports about the connection of a request. Its hooks
// run on any goroutine, some of them after the request has ended. If base uses two
// connections at a time with one context, or reaches two servers through one proxy,
// the reports cannot be distinguished, and the latest counts.
type Trace struct {
	hooks httptrace.ClientTrace
	use   *openconns.Use // nil unless connections are counted
	guard callback.Guard

	target *url.URL // URL of the request; protected by mu

	mu    sync.Mutex
	ended bool
	state state
	// With the same context, base may also request a connection to another server,
	// for example to fetch a token.
	targeted bool // the latest connection is to the request's server

	sent      sentState
	continued bool   // the server has sent 100 Continue
	userAgent string // User-Agent as it was written, if it is recorded

	peer    net.Addr
	tracked *openconns.Conn // nil unless connections are counted
	timings *timings        // nil unless timings are recorded
}

// state is the state of a request's connection.
type state uint8

const (
	stateIdle      state = iota // not requested
	stateWanted                 // waiting for a connection to the request's server, or to a proxy
	stateElsewhere              // waiting for a connection to another server
	stateObtained               // the later reports are about the request's connection
)

// sentState describes how much of a request was written.
type sentState uint8

const (
	sentUnknown sentState = iota
	sentNothing
	sentInPart
	sentWhole
)

// Start registers the hooks that want requires, and returns a context with them.
// use describes the request for the metrics of connections, or is nil.
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

// Send sets the request as base gets it. Other requests with the same context, sent
// by a request hook, may be in flight.
func (t *Trace) Send(req *http.Request) {
	t.mu.Lock()
	t.target = req.URL
	if t.timings != nil {
		t.timings.upload = hasBody(req)
	}
	t.mu.Unlock()
}

func hasBody(r *http.Request) bool { return r.Body != nil && r.Body != http.NoBody }

// Aim sets the URL of the request if base has chosen it.
func (t *Trace) Aim(target *url.URL) {
	t.mu.Lock()
	t.target = target
	t.mu.Unlock()
}

// Target returns the URL of the request, or nil before it is set. Only the
// goroutine that calls Send and Aim may call it, and others after the last of those
// calls. Hooks run at any time, and lock t.mu to read the field.
func (t *Trace) Target() *url.URL { return t.target }

// getConn is the GetConn hook. hostPort is the address of a server or a proxy.
func (t *Trace) getConn(hostPort string) {
	t.mu.Lock()
	tracked := t.connectionWanted(hostPort)
	t.mu.Unlock()
	tracked.Release() // not under the lock: it may call an instrument
}

// connectionWanted records that base requests a connection. It returns the request's
// previous connection, or nil.
func (t *Trace) connectionWanted(hostPort string) (before *openconns.Conn) {
	if t.ended {
		return nil
	}
	targeted := hostport.IsServer(hostPort, t.target)
	if t.targeted && !targeted {
		t.state = stateElsewhere
		return nil
	}
	t.targeted = targeted
	// net/http may retry on another connection, or base may have fetched a token on
	// this one: the later reports are about another connection.
	t.forget(stateWanted)
	before, t.tracked = t.tracked, nil
	t.timings.startWait()
	return before
}

// forget clears the records of a connection.
func (t *Trace) forget(s state) {
	t.state, t.peer, t.sent, t.continued, t.userAgent = s, nil, sentUnknown, false, ""
}

// gotConn is the GotConn hook.
func (t *Trace) gotConn(info httptrace.GotConnInfo) {
	if info.Conn == nil { // base does not report the connection
		t.connectionObtained(info, nil)
		return
	}
	// The methods of the connection may be the application's.
	t.guard.Call("connection", func() {
		peer := info.Conn.RemoteAddr()
		if t.connectionObtained(info, peer) && t.use != nil {
			t.track(t.use.Track(info, peer))
		}
	})
}

// connectionObtained records a connection unless the request has ended or the
// connection is to another server.
func (t *Trace) connectionObtained(info httptrace.GotConnInfo, peer net.Addr) (used bool) {
	t.mu.Lock()
	switch {
	case t.ended:
	case t.state == stateElsewhere:
		t.state = stateWanted
	default:
		used = true
		t.state, t.peer = stateObtained, peer
		t.timings.endWait(info)
	}
	t.mu.Unlock()
	return used
}

// track replaces the connection that counts the request. It releases the previous
// one after unlocking, as Release may call an instrument.
func (t *Trace) track(tracked *openconns.Conn) {
	t.mu.Lock()
	if !t.ended {
		t.tracked, tracked = tracked, t.tracked
	}
	t.mu.Unlock()
	tracked.Release()
}

// Relabel replaces the labels that the connection was obtained with.
func (t *Trace) Relabel(labels openconns.Labels) {
	t.mu.Lock()
	tracked := t.tracked
	t.mu.Unlock()
	tracked.Relabel(labels)
}

// Answered records the response's status and protocol version: the labels of a
// connection lack the version until its first response.
func (t *Trace) Answered(status int, version string) {
	t.mu.Lock()
	tracked := t.tracked
	if t.timings != nil {
		t.timings.responded = true
	}
	t.mu.Unlock()
	tracked.SetVersion(version)
	if status == http.StatusSwitchingProtocols {
		tracked.Upgraded()
	}
}

// Done makes later hooks no-ops. gaveUp means that base has failed without a response,
// and for another reason than its connection. Then the records of a connection that is
// not to the request's server are cleared: it is to a proxy or to another server, such
// as a token server, and if base failed before it requested a connection for the
// request, it is the latter.
func (t *Trace) Done(gaveUp bool) {
	t.mu.Lock()
	t.ended = true
	tracked := t.tracked
	t.tracked = nil
	if gaveUp && !t.targeted && t.state == stateObtained {
		t.forget(stateIdle)
		t.timings = nil
	}
	t.mu.Unlock()
	tracked.Release()
}

// CopyTo copies the records so far, without the hooks, to an unused Trace.
func (t *Trace) CopyTo(to *Trace) {
	t.mu.Lock()
	defer t.mu.Unlock()
	to.state, to.targeted, to.sent, to.continued, to.userAgent, to.peer = t.state, t.targeted, t.sent, t.continued, t.userAgent, t.peer
	if t.timings != nil {
		timings := *t.timings
		timings.lookups = nil
		to.timings = &timings
	}
}

func (t *Trace) wroteRequest(info httptrace.WroteRequestInfo) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended || t.state != stateObtained {
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
	if !t.ended && t.state == stateObtained {
		t.userAgent = values[0]
	}
}

func (t *Trace) got100Continue() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.continued = t.continued || t.state == stateObtained
}

// writtenPart reports how much of the request was written. expectsContinue: it has
// Expect: 100-continue. responded: there is a response.
func (t *Trace) writtenPart(expectsContinue, responded bool) sentState {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case !responded && (t.state == stateWanted || t.state == stateElsewhere):
		return sentNothing
	case expectsContinue && !t.continued:
		return sentUnknown // net/http calls WroteRequest without the body, too
	}
	return t.sent
}

// Report returns the peer of the connection, or nil, and the user agent as
// written.
func (t *Trace) Report() (peer net.Addr, agent string) {
	t.mu.Lock()
	peer, agent = t.peer, t.userAgent
	t.mu.Unlock()
	return peer, agent
}
