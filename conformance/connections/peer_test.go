package connections

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"testing"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/instrumented"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

func fetchToken(ctx context.Context, base http.RoundTripper, url string) error {
	req, err := http.NewRequestWithContext(ctx, "POST", url, strings.NewReader("grant"))
	if err != nil {
		return err
	}
	resp, err := base.RoundTrip(req)
	if err == nil {
		oteltest.Discard(resp)
	}
	return err
}

// Requests that base sends to another server with the request's context are not
// part of the request.
func TestPeerWithTokenRequests(t *testing.T) {
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		tokens := oteltest.NewServer(t, version, func(http.ResponseWriter, *http.Request) {})
		server := oteltest.NewServer(t, version, func(http.ResponseWriter, *http.Request) {})
		closed := oteltest.ClosedPort(t)
		for _, c := range []struct {
			name   string
			url    string
			before bool
			after  bool
			denied bool
			port   any
		}{
			{"a token first", server.URL, true, false, false, server.Port()},
			{"a token first, then a refused connection", closed, true, false, false, nil},
			{"a token after the answer", server.URL, false, true, false, server.Port()},
			{"no token, and so no connection", server.URL, true, false, true, nil},
		} {
			tel := oteltest.New(t)
			rt := instrumented.Transport(tel, oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
				if c.before {
					if err := fetchToken(req.Context(), tokens.Client().Transport, tokens.URL); err != nil {
						return nil, err
					}
				}
				if c.denied {
					return nil, errors.New("no token")
				}
				resp, err := server.Client().Transport.RoundTrip(req)
				if c.after {
					err = errors.Join(err, fetchToken(req.Context(), tokens.Client().Transport, tokens.URL))
				}
				return resp, err
			}), otelhttpclient.WithConnectionTimings(), otelhttpclient.WithOptInAttributes("http.request.body.size"))
			_, _ = oteltest.Send(rt, oteltest.NewRequest(t, t.Context(), "POST", c.url, strings.NewReader("12345678")))
			span := tel.OnlySpan()
			if c.port == nil {
				for _, a := range span.Attributes {
					if a.Key == "network.peer.port" {
						t.Errorf("%s: network.peer.port = %v, want none", c.name, a.Value.AsInt64())
					}
				}
				wantSize := any(0)
				if c.denied {
					wantSize = nil // base has not asked for a connection: what it did is unknown
					wantTimings(t, span)
				}
				oteltest.WantAttribute(t, span.Attributes, "http.request.body.size", wantSize)
				continue
			}
			oteltest.WantAttribute(t, span.Attributes, "network.peer.port", c.port)
			oteltest.WantAttribute(t, span.Attributes, "http.request.body.size", 8)
		}
	})
}

func TestUserAgentWithTokenRequests(t *testing.T) {
	const own = "own/1"
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		tokens := oteltest.NewServer(t, version, func(http.ResponseWriter, *http.Request) {})
		server := oteltest.NewServer(t, version, func(http.ResponseWriter, *http.Request) {})
		for _, c := range []struct {
			name  string
			url   string
			first bool
		}{
			{"a token first", server.URL, true},
			{"a token first, then a refused connection", oteltest.ClosedPort(t), true},
			{"a token after the answer", server.URL, false},
		} {
			tel := oteltest.New(t)
			token := func(req *http.Request) { _ = fetchToken(req.Context(), tokens.Base, tokens.URL) }
			rt := instrumented.Transport(tel, oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
				if c.first {
					token(req)
				} else {
					defer token(req)
				}
				return server.Base.RoundTrip(req)
			}), otelhttpclient.WithOptInAttributes("user_agent.original"))
			req := oteltest.NewRequest(t, t.Context(), "GET", c.url, nil)
			req.Header.Set("User-Agent", own)
			_, _ = oteltest.Send(rt, req)
			if got := oteltest.Attributes(tel.OnlySpan().Attributes)["user_agent.original"].String(); got != own {
				t.Errorf("%s: user_agent.original = %q, want %q", c.name, got, own)
			}
		}
	})
}

// A URL filter may send requests with a context that it got from a hook. They
// report their connections.
func TestURLFilterRunsWithoutLock(t *testing.T) {
	tel := oteltest.New(t)
	var reports *httptrace.ClientTrace
	base := oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		reports = httptrace.ContextClientTrace(req.Context())
		client, server := net.Pipe()
		defer server.Close()
		defer client.Close()
		reports.GotConn(httptrace.GotConnInfo{Conn: client})
		reports.WroteHeaderField("User-Agent", []string{"bot http://bot.example/"})
		return oteltest.Reply(req, http.StatusOK, http.NoBody), nil
	})
	rt := instrumented.Transport(tel, base, otelhttpclient.WithOptInAttributes("user_agent.original"),
		otelhttpclient.WithURLFilter(func(u *url.URL) *url.URL {
			if reports != nil {
				reports.GetConn("filters.example:80")
			}
			return u
		}))
	done := make(chan struct{})
	go func() {
		defer close(done)
		oteltest.Get(t, t.Context(), rt, "http://inventory.example/")
	}()
	oteltest.Within(t, "the response, while the filter reports a connection", done)
}

// A dialer may send a request of its own.
func TestPeerWithTokenRequestInDial(t *testing.T) {
	tokens := oteltest.NewServer(t, "1.1", func(http.ResponseWriter, *http.Request) {})
	server := oteltest.NewServer(t, "1.1", func(http.ResponseWriter, *http.Request) {})
	base := &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		if err := fetchToken(ctx, tokens.Client().Transport, tokens.URL); err != nil {
			return nil, err
		}
		return (&net.Dialer{}).DialContext(ctx, network, addr)
	}}
	defer base.CloseIdleConnections()
	tel := oteltest.New(t)
	oteltest.MustSend(t, instrumented.Transport(tel, base), oteltest.NewRequest(t, t.Context(), "GET", server.URL, nil))
	oteltest.WantAttribute(t, tel.OnlySpan().Attributes, "network.peer.port", server.Port())
}

// A base may report that it has obtained a connection, but not which. It may have
// sent something there.
func TestSizeWithoutKnownConnection(t *testing.T) {
	tel := oteltest.New(t)
	rt := instrumented.Transport(tel, oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		reports := httptrace.ContextClientTrace(req.Context())
		reports.GetConn("inventory.example:80")
		reports.GotConn(httptrace.GotConnInfo{})
		return nil, errors.New("lost")
	}), otelhttpclient.WithOptInAttributes("http.request.body.size"))
	_, _ = oteltest.Send(rt, oteltest.NewRequest(t, t.Context(), "POST", "http://inventory.example/", strings.NewReader("12345678")))
	oteltest.WantAttribute(t, tel.OnlySpan().Attributes, "http.request.body.size", nil)
}

// A proxy is not the server of the request either, but it is its peer.
func TestPeerOfFailedProxy(t *testing.T) {
	proxy := oteltest.RawServer(t, func(net.Conn) {}) // it closes the connection
	u, err := url.Parse(proxy)
	if err != nil {
		t.Fatal(err)
	}
	tel := oteltest.New(t)
	rt := instrumented.Transport(tel, timingBase(t, &http.Transport{Proxy: http.ProxyURL(u)}))
	if err := oteltest.TryGet(t.Context(), rt, "http://inventory.example/"); err == nil {
		t.Fatal("got no error, want one")
	}
	oteltest.WantAttribute(t, tel.OnlySpan().Attributes, "network.peer.port", u.Port())
}
