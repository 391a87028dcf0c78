package otelhttpclient

import (
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/otelhttpclient/otelhttpclient/internal/callback"
	"github.com/otelhttpclient/otelhttpclient/internal/hostport"
	"github.com/otelhttpclient/otelhttpclient/internal/openconns"
)

// connection is what net/http reports about the connection of an exchange. Its
// hooks run on any goroutine, and some after the exchange has ended. If base
// uses two connections at a time with one context, or reaches two servers
// through one proxy, the reports cannot be told apart, and the latest counts.
type connection struct {
	hooks  httptrace.ClientTrace
	target *url.URL       // of the request
	user   *openconns.Use // nil unless connections are counted
	guard  callback.Guard

	mu    sync.Mutex
	ended bool
	// With the same context, base may also ask for a connection to another
	// server, for example to fetch a token.
	asked     bool // for a connection to the request's server, or to a proxy
	targeted  bool // to the request's server
	elsewhere bool // for a connection to another server, which is not obtained yet
	obtained  bool // later reports are about the request's connection

	sent      sentState
	continued bool   // the server has asked for the body
	agent     string // User-Agent as it is written, if it is watched

	peer    net.Addr
	tracked *openconns.Conn // nil unless connections are counted
	timings *timings        // nil unless WithConnectionTimings is set
}

// aim sets the URL of the request. A request hook may have sent other requests
// with the same context before, which can still be under way.
func (c *connection) aim(target *url.URL) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.target = target
}

// aimedAt returns the URL of the request, or nil before it is known.
func (c *connection) aimedAt() *url.URL {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.target
}

// getConn runs when a connection to a server or a proxy is needed.
func (c *connection) getConn(hostPort string) {
	var tracked *openconns.Conn
	defer func() { tracked.Release() }() // not under the lock: it may call an instrument
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return
	}
	c.asked = true
	targeted := hostport.IsServer(hostPort, c.target)
	c.elsewhere, c.obtained = c.targeted && !targeted, false
	if c.elsewhere {
		return
	}
	c.targeted = targeted
	// net/http may try again on another connection, and base may have fetched
	// a token on this one. Neither tells anything about the next.
	c.peer, c.sent, c.continued, c.agent = nil, sentUnknown, false, ""
	tracked, c.tracked = c.tracked, nil
	c.timings.ask()
}

// gotConn runs when a connection is obtained.
func (c *connection) gotConn(info httptrace.GotConnInfo) {
	if info.Conn == nil { // base does not tell which
		c.got(info, nil)
		return
	}
	// The connection may be of an application's type.
	c.guard.Call("connection", func() {
		peer := info.Conn.RemoteAddr()
		if !c.got(info, peer) || c.user == nil {
			return
		}
		c.use(c.user.Track(info, peer))
	})
}

// got records a connection, unless it is too late or another server's.
func (c *connection) got(info httptrace.GotConnInfo, peer net.Addr) (used bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return false
	}
	if c.elsewhere {
		c.elsewhere = false
		return false
	}
	c.asked, c.obtained, c.peer = true, true, peer
	c.timings.get(info)
	return true
}

// use replaces the connection that the exchange is counted for. It
// releases the other without the lock, as release may call an instrument.
func (c *connection) use(tracked *openconns.Conn) {
	c.mu.Lock()
	if !c.ended {
		c.tracked, tracked = tracked, c.tracked
	}
	c.mu.Unlock()
	tracked.Release()
}

// relabel replaces the labels that were known when the connection was obtained.
func (c *connection) relabel(labels openconns.Labels) {
	c.mu.Lock()
	tracked := c.tracked
	c.mu.Unlock()
	tracked.Relabel(labels)
}

// answered records the protocol, which is known with the first response on a
// connection.
func (c *connection) answered(status int, version string) {
	c.mu.Lock()
	tracked := c.tracked
	if c.timings != nil {
		c.timings.answered = true
	}
	c.mu.Unlock()
	tracked.Answered(version)
	if status == http.StatusSwitchingProtocols {
		tracked.Upgraded()
	}
}

// done makes later hooks no-ops.
func (c *connection) done() {
	c.mu.Lock()
	c.ended = true
	tracked := c.tracked
	c.tracked = nil
	c.mu.Unlock()
	tracked.Release()
}

// copyTo copies what is known at present.
func (c *connection) copyTo(to *connection) {
	c.mu.Lock()
	defer c.mu.Unlock()
	to.asked, to.targeted, to.obtained, to.sent, to.continued, to.agent, to.peer = c.asked, c.targeted, c.obtained, c.sent, c.continued, c.agent, c.peer
	if c.timings != nil {
		t := *c.timings
		t.lookups = nil
		to.timings = &t
	}
}

// disown forgets a connection to a server that the request does not name, if base
// has failed for another reason than a connection. A proxy's cannot be told from
// that of a token server, but then it is the latter's: base has given up before it
// asked for a connection of the request.
func (c *connection) disown() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.targeted || !c.obtained {
		return
	}
	c.asked, c.peer, c.sent, c.continued, c.agent = false, nil, sentUnknown, false, ""
	c.timings = nil
}

func (c *connection) wroteRequest(info httptrace.WroteRequestInfo) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended || !c.obtained {
		return
	}
	c.sent = sentWhole
	if info.Err != nil {
		c.sent = sentInPart
	}
}

func (c *connection) wroteHeaderField(name string, values []string) {
	if len(values) == 0 || !strings.EqualFold(name, "User-Agent") {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.ended && c.obtained {
		c.agent = values[0]
	}
}

func (c *connection) got100Continue() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.continued = c.continued || c.obtained
}

// written returns what is known about the writing of a request, which may ask
// before it sends its body, and which may have a response.
func (c *connection) written(asksFirst, responded bool) sentState {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.asked && !c.obtained && !responded:
		return sentNothing
	case asksFirst && !c.continued:
		return sentUnknown // net/http reports it as written without its body, too
	}
	return c.sent
}

// attributes appends the attributes of the connection. started is when the span
// started, and end when it ended; zero means now.
func (c *connection) attributes(a []attribute.KeyValue, in *instrumentation, started, end time.Time) []attribute.KeyValue {
	a, agent := c.reported(a, in, started, end)
	// Without the lock: redaction runs the application's URL filters.
	return in.appendUserAgent(a, agent)
}

// reported appends the attributes that need no redaction, and returns the user
// agent.
func (c *connection) reported(a []attribute.KeyValue, in *instrumentation, started, end time.Time) (_ []attribute.KeyValue, agent string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	a = in.conventions.AppendPeer(a, c.peer)
	if in.connectionTimings {
		a = c.timings.attributes(a, started, end)
	}
	return a, c.agent
}
