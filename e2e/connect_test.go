package e2e

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"connectrpc.com/connect"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

const (
	chatProcedure = "/e2e.v1.Chat/Talk"
	failProcedure = "/e2e.v1.Chat/Fail"
)

// talk answers each message at once. A client that waits for each answer before it sends the next message
// completes only if the stream is full-duplex.
func talk(_ context.Context, stream *connect.BidiStream[wrapperspb.StringValue, wrapperspb.StringValue]) error {
	stream.ResponseTrailer().Set("Chat-Verdict", "polite")
	for {
		msg, err := stream.Receive()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := stream.Send(wrapperspb.String("re: " + msg.GetValue())); err != nil {
			return err
		}
	}
}

func fail(context.Context, *connect.Request[emptypb.Empty]) (*connect.Response[emptypb.Empty], error) {
	return nil, connect.NewError(connect.CodeNotFound, errors.New("no such chat"))
}

// chatServer serves both procedures over HTTP/2, with or without TLS. It returns the server's URL and a
// transport for it.
func chatServer(t *testing.T, tls bool) (string, *http.Transport) {
	t.Helper()
	mux := http.NewServeMux()
	mux.Handle(chatProcedure, connect.NewBidiStreamHandler(chatProcedure, talk))
	mux.Handle(failProcedure, connect.NewUnaryHandler(failProcedure, fail))
	srv := httptest.NewUnstartedServer(mux)
	base := newBase(t)
	if tls {
		srv.EnableHTTP2 = true
		srv.StartTLS()
		base.TLSClientConfig = srv.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	} else {
		srv.Config.Protocols = new(http.Protocols)
		srv.Config.Protocols.SetUnencryptedHTTP2(true)
		srv.Start()
		base.Protocols = new(http.Protocols)
		base.Protocols.SetUnencryptedHTTP2(true)
	}
	closeLater(t, srv)
	return srv.URL, base
}

var chatWire = []struct {
	name string
	tls  bool
	opts []connect.ClientOption
	why  string
}{
	{"Connect over TLS", true, nil, "the protocol's own framing"},
	{"Connect over h2c", false, nil, "HTTP/2 without TLS, as inside a cluster"},
	{"gRPC over TLS", true, []connect.ClientOption{connect.WithGRPC()}, "the status is in HTTP trailers"},
	{"gRPC over h2c", false, []connect.ClientOption{connect.WithGRPC()}, "the same without TLS"},
	{"gRPC-Web over TLS", true, []connect.ClientOption{connect.WithGRPCWeb()}, "the status is in the body"},
}

// TestConnectBidiStream: a stream is full-duplex, its trailers arrive, and one span covers all of it.
func TestConnectBidiStream(t *testing.T) {
	for _, tt := range chatWire {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			u, base := chatServer(t, tt.tls)
			rec := newRecorder(t)
			client := connect.NewClient[wrapperspb.StringValue, wrapperspb.StringValue](
				&http.Client{Transport: rec.transport(base)}, u+chatProcedure, tt.opts...)

			ctx, parent := rec.parent(ctx)
			stream := client.CallBidiStream(ctx)
			for _, msg := range []string{"hello", "how are you", "bye"} {
				if err := stream.Send(wrapperspb.String(msg)); err != nil {
					t.Fatalf("send %q: %v, want no error (%s)", msg, err, tt.why)
				}
				got, err := stream.Receive()
				if err != nil || got.GetValue() != "re: "+msg {
					t.Fatalf("answer %q, %v; want %q (%s)", got.GetValue(), err, "re: "+msg, tt.why)
				}
				rec.checkOpen(t, "during the stream", 2) // the parent and the CLIENT span
			}
			if err := stream.CloseRequest(); err != nil {
				t.Errorf("close request: %v, want no error", err)
			}
			if _, err := stream.Receive(); !errors.Is(err, io.EOF) {
				t.Errorf("after the last answer: %v, want EOF", err)
			}
			if got := stream.ResponseTrailer().Get("Chat-Verdict"); got != "polite" {
				t.Errorf("trailer Chat-Verdict = %q, want %q (%s)", got, "polite", tt.why)
			}
			if err := stream.CloseResponse(); err != nil {
				t.Errorf("close response: %v, want no error", err)
			}

			s := rec.wait(t, 1)[0]
			if s.Name() != "POST" || s.Parent().SpanID() != parent.SpanID() {
				t.Errorf("span %q below %s, want POST below %s", s.Name(), s.Parent().SpanID(), parent.SpanID())
			}
			if got := attributeOf(s, semconv.NetworkProtocolVersionKey); got != "2" {
				t.Errorf("network.protocol.version = %v, want 2", got)
			}
			if s.Status().Code != codes.Unset || attributeOf(s, semconv.ErrorTypeKey) != nil {
				t.Errorf("status %v, error.type %v; want neither", s.Status().Code, attributeOf(s, semconv.ErrorTypeKey))
			}
		})
	}
}

// TestConnectError: the span records the HTTP status. How a procedure's error maps to HTTP depends on the
// protocol.
func TestConnectError(t *testing.T) {
	for _, tt := range chatWire {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			u, base := chatServer(t, tt.tls)
			rec := newRecorder(t)
			client := connect.NewClient[emptypb.Empty, emptypb.Empty](
				&http.Client{Transport: rec.transport(base)}, u+failProcedure, tt.opts...)
			_, err := client.CallUnary(ctx, connect.NewRequest(&emptypb.Empty{}))
			if got := connect.CodeOf(err); got != connect.CodeNotFound {
				t.Errorf("error %v with code %v, want %v (%s)", err, got, connect.CodeNotFound, tt.why)
			}
			s := rec.wait(t, 1)[0]
			// Connect answers 404; gRPC answers 200 with the code in trailers.
			want, wantType := codes.Error, any("404")
			if tt.opts != nil {
				want, wantType = codes.Unset, nil
			}
			if s.Status().Code != want || attributeOf(s, semconv.ErrorTypeKey) != wantType {
				t.Errorf("status %v, error.type %v; want %v, %v (%s)",
					s.Status().Code, attributeOf(s, semconv.ErrorTypeKey), want, wantType, tt.why)
			}
		})
	}
}

// TestConnectCanceled: canceling a stream ends its span without an error.
func TestConnectCanceled(t *testing.T) {
	t.Parallel()
	u, base := chatServer(t, true)
	rec := newRecorder(t)
	client := connect.NewClient[wrapperspb.StringValue, wrapperspb.StringValue](
		&http.Client{Transport: rec.transport(base)}, u+chatProcedure)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	stream := client.CallBidiStream(ctx)
	if err := stream.Send(wrapperspb.String("hello")); err != nil {
		t.Fatalf("send: %v, want no error", err)
	}
	if _, err := stream.Receive(); err != nil {
		t.Fatalf("receive: %v, want no error", err)
	}
	cancel()
	if _, err := stream.Receive(); connect.CodeOf(err) != connect.CodeCanceled {
		t.Errorf("after cancel: %v, want code %v", err, connect.CodeCanceled)
	}
	_ = stream.CloseResponse()

	s := rec.wait(t, 1)[0]
	if s.Status().Code != codes.Unset || attributeOf(s, semconv.ErrorTypeKey) != nil {
		t.Errorf("status %v, error.type %v; want neither: the caller canceled the stream",
			s.Status().Code, attributeOf(s, semconv.ErrorTypeKey))
	}
}
