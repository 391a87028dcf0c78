package e2e

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"go.opentelemetry.io/collector/pdata/ptrace"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/otelhttpclient/otelhttpclient"
)

// No exported span may contain these.
const (
	accessToken  = "at-5f0c1a7e9b"
	clientSecret = "cs-83bd02e4d1"
)

// guarded is a server that requires a token, and a token server. It keeps the headers of the requests.
type guarded struct {
	url, tokenURL string

	mu sync.Mutex
	// authorization has the Authorization headers at the guarded server.
	authorization []string
	tokenRequests int
	traceparents  []string
}

func newGuarded(t *testing.T) *guarded {
	g := &guarded{}
	g.url = httptestServer(t, func(w http.ResponseWriter, r *http.Request) {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.authorization = append(g.authorization, r.Header.Get("Authorization"))
		g.traceparents = append(g.traceparents, r.Header.Get("Traceparent"))
		io.WriteString(w, "come in")
	}).URL
	g.tokenURL = httptestServer(t, func(w http.ResponseWriter, r *http.Request) {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.tokenRequests++
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"access_token":"`+accessToken+`","token_type":"Bearer","expires_in":3600}`)
	}).URL
	return g
}

// TestOAuth2: in either order of the transports, the token arrives at the server and is in no exported
// span, even if the header is captured or the token is also in the URL.
func TestOAuth2(t *testing.T) {
	static := oauth2.StaticTokenSource(&oauth2.Token{AccessToken: accessToken})
	// The riskiest set of options: all headers.
	capture := otelhttpclient.WithRequestHeaders("*")
	tests := []struct {
		name string
		// client returns the application's client; ctx is the context for its construction.
		client        func(t *testing.T, ctx context.Context, app *service, g *guarded) *http.Client
		wantSpans     int
		wantTokenHops int
		// captured is whether the Transport sees the header.
		captured bool
		why      string
	}{
		{"oauth2 above", func(t *testing.T, ctx context.Context, app *service, g *guarded) *http.Client {
			return &http.Client{Transport: &oauth2.Transport{Source: static, Base: app.client(t, capture).Transport}}
		}, 1, 0, true, "oauth2 sets the header above the Transport"},
		{"oauth2 below", func(t *testing.T, ctx context.Context, app *service, g *guarded) *http.Client {
			return &http.Client{Transport: otelhttpclient.NewTransport(&oauth2.Transport{Source: static, Base: newBase(t)},
				otelhttpclient.WithTracerProvider(app.tp), otelhttpclient.WithPropagators(app.propagators), capture)}
		}, 1, 0, false, "oauth2 sets the header below the Transport"},
		{"client credentials", func(t *testing.T, ctx context.Context, app *service, g *guarded) *http.Client {
			cfg := clientcredentials.Config{ClientID: "app", ClientSecret: clientSecret, TokenURL: g.tokenURL + "/token"}
			return cfg.Client(context.WithValue(ctx, oauth2.HTTPClient, app.client(t, capture)))
		}, 2, 1, true, "the context's client also fetches the token, with the client secret"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newSink(t)
			c := startCollector(t, s)
			app := newService(t, c, "app", w3c)
			g := newGuarded(t)
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			client := tt.client(t, ctx, app, g)
			if _, err := fetch(ctx, client, g.url+"/private?page=2&access_token="+accessToken); err != nil {
				t.Fatalf("request: %v, want no error", err)
			}
			flush(t, app)
			c.stop(t)

			if len(g.authorization) != 1 || g.authorization[0] != "Bearer "+accessToken {
				t.Errorf("Authorization at the server = %q, want one with the token (%s)", g.authorization, tt.why)
			}
			if g.tokenRequests != tt.wantTokenHops {
				t.Errorf("token requests = %d, want %d", g.tokenRequests, tt.wantTokenHops)
			}
			clients := pick(s.all(), func(s span) bool { return s.Kind == ptrace.SpanKindClient })
			if len(clients) != tt.wantSpans {
				t.Fatalf("%s, want %d (%s)", describe(clients), tt.wantSpans, tt.why)
			}
			last := clients[len(clients)-1]
			if want := g.url + "/private?page=2&access_token=REDACTED"; last.Attributes["url.full"] != want {
				t.Errorf("url.full = %v, want %v", last.Attributes["url.full"], want)
			}
			if len(g.traceparents) != 1 || !strings.Contains(g.traceparents[0], last.SpanID) {
				t.Errorf("traceparent at the server = %q, want one with span %s", g.traceparents, last.SpanID)
			}
			header, ok := last.Attributes["http.request.header.authorization"]
			if ok != tt.captured {
				t.Errorf("http.request.header.authorization = %v, want it recorded: %t (%s)", header, tt.captured, tt.why)
			}
			checkNoSecrets(t, s)
		})
	}
}

// TestOAuth2NoToken: if no token is obtained, the caller gets oauth2's error unchanged.
func TestOAuth2NoToken(t *testing.T) {
	t.Parallel()
	s := newSink(t)
	c := startCollector(t, s)
	app := newService(t, c, "app", w3c)
	tokens := httptestServer(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusUnauthorized)
		io.WriteString(w, `{"error":"invalid_client"}`)
	})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cfg := clientcredentials.Config{ClientID: "app", ClientSecret: clientSecret, TokenURL: tokens.URL,
		EndpointParams: url.Values{"audience": {"e2e"}}}
	client := &http.Client{Transport: otelhttpclient.NewTransport(
		&oauth2.Transport{Source: cfg.TokenSource(ctx), Base: newBase(t)},
		otelhttpclient.WithTracerProvider(app.tp), otelhttpclient.WithPropagators(app.propagators))}
	_, err := fetch(ctx, client, tokens.URL+"/private")
	var refused *oauth2.RetrieveError
	if !errors.As(err, &refused) || refused.ErrorCode != "invalid_client" {
		t.Errorf("error %v, want oauth2's *RetrieveError with invalid_client", err)
	}
	flush(t, app)
	c.stop(t)
	spans := s.all()
	if len(spans) != 1 || spans[0].Status != ptrace.StatusCodeError || spans[0].Attributes["error.type"] == nil {
		t.Errorf("%s, want one with status Error and an error.type", describe(spans))
	}
	checkNoSecrets(t, s)
}

// checkNoSecrets searches all exported payloads for the secrets, both plain and as in a Basic header.
func checkNoSecrets(t *testing.T, s *sink) {
	t.Helper()
	for _, secret := range []string{
		accessToken,
		clientSecret,
		base64.StdEncoding.EncodeToString([]byte("app:" + clientSecret)),
	} {
		for _, p := range s.payloads() {
			if bytes.Contains(p, []byte(secret)) {
				t.Errorf("exported payload contains %q, want it absent: %q", secret, p)
			}
		}
	}
}
