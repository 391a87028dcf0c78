package otelhttpclient_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/otelhttpclient/otelhttpclient"
)

// What base asks of another server with the request's context is no part of
// the request.

func fetchToken(ctx context.Context, base http.RoundTripper, url string) error {
	req, err := http.NewRequestWithContext(ctx, "POST", url, strings.NewReader("grant"))
	if err != nil {
		return err
	}
	resp, err := base.RoundTrip(req)
	if err == nil {
		discardBody(resp)
	}
	return err
}

func TestPeerIsOfTheRequestsOwnConnection(t *testing.T) {
	onBothVersions(t, func(t *testing.T, version string) {
		tokens := newWire(t, version, func(http.ResponseWriter, *http.Request) {})
		server := newWire(t, version, func(http.ResponseWriter, *http.Request) {})
		closed := closedPort(t)
		for _, c := range []struct {
			name   string
			url    string
			before bool
			after  bool
			port   any
		}{
			{"a token first", server.URL, true, false, server.port()},
			{"a token first, then nobody listens", closed, true, false, nil},
			{"a token after the answer", server.URL, false, true, server.port()},
		} {
			tel := newTelemetry(t)
			rt := tel.transport(roundTripFunc(func(req *http.Request) (*http.Response, error) {
				if c.before {
					if err := fetchToken(req.Context(), tokens.Client().Transport, tokens.URL); err != nil {
						return nil, err
					}
				}
				resp, err := server.Client().Transport.RoundTrip(req)
				if c.after {
					err = errors.Join(err, fetchToken(req.Context(), tokens.Client().Transport, tokens.URL))
				}
				return resp, err
			}), otelhttpclient.WithConnectionTimings(), otelhttpclient.WithOptInAttributes("http.request.body.size"))
			_, _ = exchange(rt, newConventionsRequest(t, t.Context(), "POST", c.url, strings.NewReader("12345678")))
			span := tel.onlySpan()
			if c.port == nil {
				for _, a := range span.Attributes {
					if a.Key == "network.peer.port" {
						t.Errorf("%s: network.peer.port = %v, want none", c.name, a.Value.AsInt64())
					}
				}
				wantAttribute(t, span.Attributes, "http.request.body.size", 0)
				continue
			}
			wantAttribute(t, span.Attributes, "network.peer.port", c.port)
			wantAttribute(t, span.Attributes, "http.request.body.size", 8)
		}
	})
}

// TestPeerWhereDialingFetchesAToken: a dialer may need another request first.
func TestPeerWhereDialingFetchesAToken(t *testing.T) {
	tokens := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer tokens.Close()
	server := newWire(t, "HTTP/1.1", func(http.ResponseWriter, *http.Request) {})
	base := &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		if err := fetchToken(ctx, tokens.Client().Transport, tokens.URL); err != nil {
			return nil, err
		}
		return (&net.Dialer{}).DialContext(ctx, network, addr)
	}}
	defer base.CloseIdleConnections()
	tel := newTelemetry(t)
	mustExchange(t, tel.transport(base), newConventionsRequest(t, t.Context(), "GET", server.URL, nil))
	wantAttribute(t, tel.onlySpan().Attributes, "network.peer.port", server.port())
}
