package e2e

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// echo accepts a WebSocket and echoes messages until the client closes it.
func echo(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer conn.CloseNow()
	for {
		kind, msg, err := conn.Read(r.Context())
		if err != nil {
			return
		}
		if err := conn.Write(r.Context(), kind, msg); err != nil {
			return
		}
	}
}

// converse sends messages over conn and checks the echoes.
func converse(t *testing.T, ctx context.Context, conn *websocket.Conn) {
	t.Helper()
	for _, want := range []string{"one", "two", strings.Repeat("three", 5_000)} {
		if err := conn.Write(ctx, websocket.MessageText, []byte(want)); err != nil {
			t.Fatalf("write: %v, want no error", err)
		}
		_, got, err := conn.Read(ctx)
		if err != nil || string(got) != want {
			t.Fatalf("echo = %.20q, %v; want %.20q", got, err, want)
		}
	}
}

// TestWebsocket: an upgraded connection works in both directions, and the span lasts until it is closed.
func TestWebsocket(t *testing.T) {
	tests := []struct {
		name string
		end  func(*websocket.Conn) error
	}{
		{"closing handshake", func(c *websocket.Conn) error { return c.Close(websocket.StatusNormalClosure, "") }},
		{"immediate close", (*websocket.Conn).CloseNow},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			traceparent := make(chan string, 1)
			srv := httptestServer(t, func(w http.ResponseWriter, r *http.Request) {
				traceparent <- r.Header.Get("Traceparent")
				echo(w, r)
			})
			rec := newRecorder(t)
			client := &http.Client{Transport: rec.transport(newBase(t))}

			ctx, parent := rec.parent(ctx)
			conn, resp, err := websocket.Dial(ctx, srv.URL+"/live", &websocket.DialOptions{HTTPClient: client})
			if err != nil {
				t.Fatalf("dial: %v, want a connection", err)
			}
			defer conn.CloseNow()
			if resp.StatusCode != http.StatusSwitchingProtocols {
				t.Errorf("status %d, want 101", resp.StatusCode)
			}
			converse(t, ctx, conn)
			rec.checkOpen(t, "while the connection is open", 2) // the parent and the CLIENT span
			if err := tt.end(conn); err != nil {
				t.Errorf("end: %v, want no error", err)
			}

			s := rec.wait(t, 1)[0]
			if s.Name() != "GET" || s.Parent().SpanID() != parent.SpanID() {
				t.Errorf("span %q below %s, want GET below %s", s.Name(), s.Parent().SpanID(), parent.SpanID())
			}
			if got := attributeOf(s, semconv.HTTPResponseStatusCodeKey); got != int64(101) {
				t.Errorf("http.response.status_code = %v, want 101", got)
			}
			if s.Status().Code != codes.Unset || attributeOf(s, semconv.ErrorTypeKey) != nil {
				t.Errorf("status %v, error.type %v; want neither: the client closed the connection",
					s.Status().Code, attributeOf(s, semconv.ErrorTypeKey))
			}
			if got, want := <-traceparent, s.SpanContext().SpanID().String(); !strings.Contains(got, want) {
				t.Errorf("traceparent %q, want span %s", got, want)
			}
		})
	}
}

// TestWebsocketRefused: a refused upgrade is an ordinary error response.
func TestWebsocketRefused(t *testing.T) {
	t.Parallel()
	srv := httptestServer(t, func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "no", http.StatusForbidden)
	})
	rec := newRecorder(t)
	client := &http.Client{Transport: rec.transport(newBase(t)), Timeout: patience}
	conn, resp, err := websocket.Dial(t.Context(), srv.URL, &websocket.DialOptions{HTTPClient: client})
	if err == nil {
		conn.CloseNow()
		t.Fatalf("dial succeeded, want an error")
	}
	if resp == nil || resp.StatusCode != http.StatusForbidden {
		t.Errorf("response %v, want the server's 403", resp)
	}
	s := rec.wait(t, 1)[0]
	if s.Status().Code != codes.Error || attributeOf(s, semconv.ErrorTypeKey) != "403" {
		t.Errorf("status %v, error.type %v; want Error, 403", s.Status().Code, attributeOf(s, semconv.ErrorTypeKey))
	}
}
