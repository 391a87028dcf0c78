package faults

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

// faultsHTTP2 returns the faults of a handler, all on one connection.
func faultsHTTP2() []*fault {
	hello := func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, "hello")
	}
	// begun sends the header and a byte, and then calls then.
	begun := func(header string, then func(http.ResponseWriter, *http.Request)) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if header != "" {
				w.Header().Set("Content-Length", header)
			}
			_, _ = io.WriteString(w, "h")
			w.(http.Flusher).Flush()
			then(w, r)
		}
	}
	abort := func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	hang := func(_ http.ResponseWriter, r *http.Request) {
		arrived(r)
		<-r.Context().Done()
	}
	done := func(http.ResponseWriter, *http.Request) {}
	return []*fault{
		{name: "none", handler: hello},
		{name: "none, upload", method: "POST", upload: 64 << 10, handler: hello},
		{name: "none, HEAD", method: "HEAD", handler: hello},
		{name: "no body", handler: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }},
		{name: "reset before the header", handler: abort},
		{name: "reset before the header, upload", method: "POST", upload: 1000, handler: func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			abort(w, r)
		}},
		{name: "reset in the body", handler: begun("", abort)},
		{name: "reset in a body with a length", handler: begun("5", abort)},
		{name: "length too long", handler: begun("5", done)},
		{name: "length too short", handler: begun("1", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ello") })},
		{name: "no gzip", handler: func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			hello(w, r)
		}},
		{name: "trickle", handler: begun("5", func(w http.ResponseWriter, _ *http.Request) {
			for _, c := range "ello" {
				time.Sleep(time.Millisecond)
				_, _ = io.WriteString(w, string(c))
				w.(http.Flusher).Flush()
			}
		})},
		{name: "redirect", handler: func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/there" {
				hello(w, r)
				return
			}
			http.Redirect(w, r, "/there", http.StatusFound)
		}},
		{name: "redirect without end", handler: func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/again", http.StatusFound) }},
		{name: "early answer to an upload", method: "POST", upload: 1 << 20, handler: func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
			_, _ = io.WriteString(w, "hello")
		}},
		{name: "cancelled before", user: cancelledBefore, handler: hello},
		{name: "cancelled while it waits", user: cancelledAtServer, handler: hang},
		{name: "cancelled while it waits, upload", method: "POST", upload: 1 << 20, user: cancelledAtServer, handler: hang},
		{name: "cancelled in the body", user: cancelsInBody, handler: begun("", hang)},
		{name: "closed in the body", user: closesEarly, handler: begun("", hang)},
		{name: "deadline while it waits", user: hasDeadline, handler: hang},
		{name: "deadline in the body", user: hasDeadline, or: "deadline while it waits", handler: begun("", hang)},
		{name: "time-out while it waits", user: hasClientTimeout, handler: hang},
		{name: "time-out in the body", user: hasClientTimeout, or: "time-out while it waits", handler: begun("", hang)},
	}
}

// startHTTP2 starts one HTTP/2 server for all faults, which share a connection.
// base returns transports that trust it.
func startHTTP2(faults []*fault) (base func() *http.Transport, stop func()) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var n int
		_, _ = fmt.Sscanf(r.Header.Get("X-Fault"), "%d", &n)
		faults[n].handler(w, r)
	}))
	s.EnableHTTP2 = true
	s.Config.ErrorLog = oteltest.Quiet
	s.StartTLS()
	for _, f := range faults {
		f.url = s.URL + "/"
	}
	return func() *http.Transport { return s.Client().Transport.(*http.Transport).Clone() }, func() {
		s.Client().CloseIdleConnections()
		s.CloseClientConnections()
		s.Close()
	}
}
