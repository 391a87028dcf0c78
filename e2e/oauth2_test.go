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

// What must not be in any exported span.
const (
	accessToken  = "at-5f0c1a7e9b"
	clientSecret = "cs-83bd02e4d1"
)

// guarded is a server behind a token, and the server that gives the token out. It keeps what each
// request showed.
type guarded struct {
	url, tokenURL string

	mu sync.Mutex
	// authorization has the headers of that name that the guarded server got.
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

// TestOAuth2: in both orders the token arrives at the server, and is in no exported span, not even
// where the header is captured or the token is in the URL as well.
func TestOAuth2(t *testing.T) {
	static := oauth2.StaticTokenSource(&oauth2.Token{AccessToken: accessToken})
	// The riskiest set of options: all headers.
	capture := otelhttpclient.WithRequestHeaders("*")
	tests := []struct {
		name string
		// client returns the application's client; ctx is what it is made with.
		client        func(t *testing.T, ctx context.Context, app *service, g *guarded) *http.Client
		wantSpans     int
		wantTokenHops int
		// captured is whether the transport gets to see the header.
		captured bool
		why      string
	}{
		{"oauth2 above", func(t *testing.T, ctx context.Context, app *service, g *guarded) *http.Client {
			return &http.Client{Transport: &oauth2.Transport{Source: static, Base: app.client(t, capture).Transport}}
		}, 1, 0, true, "the transport sees the header that oauth2 has set"},
		{"oauth2 below", func(t *testing.T, ctx context.Context, app *service, g *guarded) *http.Client {
			return &http.Client{Transport: otelhttpclient.NewTransport(&oauth2.Transport{Source: static, Base: newBase(t)},
				otelhttpclient.WithTracerProvider(app.tp), otelhttpclient.WithPropagators(app.propagators), capture)}
		}, 1, 0, false, "the header is set below the transport"},
		{"client credentials", func(t *testing.T, ctx context.Context, app *service, g *guarded) *http.Client {
			cfg := clientcredentials.Config{ClientID: "app", ClientSecret: clientSecret, TokenURL: g.tokenURL + "/token"}
			return cfg.Client(context.WithValue(ctx, oauth2.HTTPClient, app.client(t, capture)))
		}, 2, 1, true, "the context's client fetches the token too, secret in hand"},
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
				t.Errorf("the server got Authorization %q, want one with the token (%s)", g.authorization, tt.why)
			}
			if g.tokenRequests != tt.wantTokenHops {
				t.Errorf("%d requests for a token, want %d", g.tokenRequests, tt.wantTokenHops)
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
				t.Errorf("the server got traceparent %q, want span %s in it", g.traceparents, last.SpanID)
			}
			header, ok := last.Attributes["http.request.header.authorization"]
			if ok != tt.captured {
				t.Errorf("http.request.header.authorization = %v, want it there: %t (%s)", header, tt.captured, tt.why)
			}
			checkNoSecrets(t, s)
		})
	}
}

// TestOAuth2NoToken: when no token can be had, the caller gets oauth2's own error.
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

// checkNoSecrets looks for the secrets, plain and as they are in a Basic header, in all that came.
func checkNoSecrets(t *testing.T, s *sink) {
	t.Helper()
	for _, secret := range []string{
		accessToken,
		clientSecret,
		base64.StdEncoding.EncodeToString([]byte("app:" + clientSecret)),
	} {
		for _, p := range s.payloads() {
			if bytes.Contains(p, []byte(secret)) {
				t.Errorf("%q is in what was exported, want it nowhere: %q", secret, p)
			}
		}
	}
}
