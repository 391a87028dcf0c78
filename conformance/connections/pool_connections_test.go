package connections

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/instrumented"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

// poolLoop is a connection whose NetConn returns itself.
type poolLoop struct{ *net.TCPConn }

func (c *poolLoop) NetConn() net.Conn { return c }

// poolConn is a connection with a SyscallConn of its own.
type poolConn struct {
	net.Conn
	file func(net.Conn) (syscall.RawConn, error)
}

func (c *poolConn) SyscallConn() (syscall.RawConn, error) { return c.file(c.Conn) }

// Requests on connections of the application's own types neither hang nor fail.
func TestPoolOfCustomConnections(t *testing.T) {
	oteltest.HandleErrors(t)
	own := func(file func(net.Conn) (syscall.RawConn, error)) func(net.Conn) net.Conn {
		return func(c net.Conn) net.Conn { return &poolConn{c, file} }
	}
	for _, row := range []struct {
		name    string
		wrap    func(net.Conn) net.Conn
		counted bool
	}{
		{"NetConn returns itself", func(c net.Conn) net.Conn { return &poolLoop{c.(*net.TCPConn)} }, true},
		{"no file", func(c net.Conn) net.Conn { return struct{ net.Conn }{c} }, false},
		{"SyscallConn returns an error", own(func(net.Conn) (syscall.RawConn, error) { return nil, errors.New("no file") }), false},
		{"SyscallConn panics", own(func(net.Conn) (syscall.RawConn, error) { panic("no file") }), false},
		{"SyscallConn returns nothing", own(func(net.Conn) (syscall.RawConn, error) { return nil, nil }), false},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := oteltest.NewServer(t, "1.1", oteltest.Handler(http.StatusOK, "fine"))
			w.Base.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
				c, err := (&net.Dialer{}).DialContext(ctx, network, address)
				if err != nil {
					return nil, err
				}
				return row.wrap(c), nil
			}
			tel := oteltest.New(t)
			rt := instrumented.Transport(tel, w.Base, poolBoth)
			oteltest.Get(t, t.Context(), rt, w.URL)
			oteltest.Get(t, t.Context(), rt, w.URL)
			want, durations := poolState{}, uint64(0)
			if row.counted {
				want, durations = poolState{idle: 1}, 1
			}
			wantPool(t, tel, "after the requests", want)
			w.Base.CloseIdleConnections()
			wantPoolClosed(t, tel, durations)
		})
	}
}

// A SyscallConn that blocks during a check delays neither other requests nor
// their measurement.
func TestPoolOfBlockingConnection(t *testing.T) {
	t.Parallel()
	w := oteltest.NewServer(t, "1.1", oteltest.Handler(http.StatusOK, "fine"))
	stuck, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	var calls atomic.Int64
	blocking := w.Base.Clone()
	blocking.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := (&net.Dialer{}).DialContext(ctx, network, address)
		return &poolConn{c, func(c net.Conn) (syscall.RawConn, error) {
			if calls.Add(1) > 1 {
				once.Do(func() { close(stuck) })
				<-release
			}
			return c.(syscall.Conn).SyscallConn()
		}}, err
	}
	defer blocking.CloseIdleConnections()
	tel := oteltest.New(t)
	oteltest.Get(t, t.Context(), instrumented.Transport(tel, blocking, poolBoth), w.URL)
	<-stuck
	rt := instrumented.Transport(tel, w.Base, poolBoth)
	oteltest.Get(t, t.Context(), rt, w.URL)
	oteltest.Get(t, t.Context(), rt, w.URL)
	wantPool(t, tel, "while a check is stuck", poolState{idle: 2})
	w.Base.CloseIdleConnections()
	oteltest.Eventually(t, "the other connection is found to be closed", func() bool {
		return poolStateOf(tel) == poolState{idle: 1, durations: 1}
	})
	close(release)
	blocking.CloseIdleConnections()
	wantPoolClosed(t, tel, 2)
}

// An upgraded connection is active until the program closes it.
func TestPoolOfUpgradedConnections(t *testing.T) {
	t.Parallel()
	server := oteltest.NewServer(t, "1.1", func(w http.ResponseWriter, _ *http.Request) {
		c, rw, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		defer c.Close()
		_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		_, _ = io.Copy(c, bufio.NewReader(rw))
	})
	base := &http.Transport{}
	tel := oteltest.New(t)
	req := oteltest.NewRequest(t, t.Context(), "GET", server.URL, nil)
	req.Header.Set("Connection", "Upgrade")
	req.Header.Set("Upgrade", "echo")
	resp := oteltest.Open(t, instrumented.Transport(tel, base, poolBoth), req)
	wantPool(t, tel, "while the connection is the program's", poolState{active: 1})
	resp.Body.Close()
	wantPoolClosed(t, tel, 1)
}

// A request with a forgotten body uses its connection until the body is garbage
// collected.
func TestPoolOfForgottenBodies(t *testing.T) {
	t.Parallel()
	w := oteltest.NewServer(t, "2", oteltest.Stall(true))
	tel := oteltest.New(t)
	rt := instrumented.Transport(tel, w.Base, poolBoth)
	func() {
		resp := oteltest.Open(t, rt, oteltest.NewRequest(t, t.Context(), "GET", w.URL, nil))
		wantPool(t, tel, "while the request is under way", poolState{active: 1})
		runtime.KeepAlive(resp)
	}()
	oteltest.Eventually(t, "the connection is idle", func() bool {
		runtime.GC()
		return poolStateOf(tel) == poolState{idle: 1}
	})
}

// The pool does not keep forgotten connections that have switched protocols.
func TestPoolOfForgottenUpgrades(t *testing.T) {
	url := oteltest.RawServer(t, func(c net.Conn) {
		_, _ = io.WriteString(c, "HTTP/1.1 101 S\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nabc")
	})
	tel := oteltest.New(t)
	var closed atomic.Int32
	base := &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := (&net.Dialer{}).DialContext(ctx, network, addr)
		if err == nil {
			runtime.AddCleanup(c.(*net.TCPConn), func(struct{}) { closed.Add(1) }, struct{}{})
		}
		return c, err
	}}
	rt := instrumented.Transport(tel, base, otelhttpclient.WithOptInMetrics(otelhttpclient.MetricOpenConnections))
	const requests = 5
	for range requests {
		if _, err := rt.RoundTrip(oteltest.NewRequest(t, t.Context(), "GET", url, nil)); err != nil {
			t.Fatal(err)
		}
	}
	oteltest.Eventually(t, "all connections are freed", func() bool { runtime.GC(); return closed.Load() == requests })
}
