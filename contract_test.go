package otelhttpclient_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/http/httputil"
	"net/url"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/otelhttpclient/otelhttpclient"
)

func TestContractBodiesReachBaseAsTheyAre(t *testing.T) {
	file, err := os.Open(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, body := range []io.ReadCloser{nil, http.NoBody, file, io.NopCloser(bytes.NewReader([]byte("x")))} {
		tel := newTelemetry(t)
		req := &http.Request{Method: "POST", URL: &url.URL{Scheme: "https", Host: "example.com"}, Header: http.Header{}, Body: body}
		_, _ = tel.transport(roundTripFunc(func(sent *http.Request) (*http.Response, error) {
			if sent.Body != body {
				t.Errorf("base got the body %T, want the caller's own %T", sent.Body, body)
			}
			return nil, errors.New("enough")
		})).RoundTrip(req)
	}
}

type pieces struct{ io.Reader }

func (pieces) Close() error                { return nil }
func (pieces) Write(p []byte) (int, error) { return len(p), nil }
func (pieces) CloseWrite() error           { return nil }
func (pieces) WriteTo(w io.Writer) (int64, error) {
	n, err := io.WriteString(w, "x")
	return int64(n), err
}
func (p pieces) asCloser() io.ReadCloser { return struct{ io.ReadCloser }{p} }
func (p pieces) asWriter() io.ReadCloser { return struct{ io.ReadWriteCloser }{p} }
func (p pieces) all() []io.ReadCloser    { return []io.ReadCloser{p.asCloser(), p.asWriter(), p} }

// TestContractOptionalInterfaces: a body has those of base's, and no others.
func TestContractOptionalInterfaces(t *testing.T) {
	type closeWriter interface{ CloseWrite() error }
	for _, body := range append(pieces{strings.NewReader("x")}.all(),
		struct {
			io.ReadCloser
			closeWriter
		}{pieces{}.asCloser(), pieces{}},
		struct {
			io.ReadCloser
			io.WriterTo
		}{pieces{}.asCloser(), pieces{}}) {
		tel := newTelemetry(t)
		resp, err := tel.transport(roundTripFunc(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Body: body}, nil
		})).RoundTrip(newConventionsRequest(t, t.Context(), "GET", "https://example.com/", nil))
		if err != nil {
			t.Fatal(err)
		}
		has := func(b any) string {
			_, w := b.(io.Writer)
			_, c := b.(closeWriter)
			_, to := b.(io.WriterTo)
			return fmt.Sprintf("Writer %v, CloseWrite %v, WriterTo %v", w, c, to)
		}
		if got, want := has(resp.Body), has(body); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		_ = resp.Body.Close()
	}
}

// TestContractTrailers: in both directions, also those that are not announced.
func TestContractTrailers(t *testing.T) {
	onBothVersions(t, func(t *testing.T, version string) {
		w := newWire(t, version, func(rw http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			_, _ = io.WriteString(rw, "x")
			rw.(http.Flusher).Flush()
			rw.Header().Set(http.TrailerPrefix+"Got", r.Trailer.Get("Sum"))
		})
		for name, rt := range map[string]http.RoundTripper{
			"bare": w.Client().Transport, "wrapped": newTelemetry(t).transport(w.Client().Transport),
			"with a hook": newTelemetry(t).transport(w.Client().Transport, otelhttpclient.WithRequestHook(nil), otelhttpclient.WithOptInAttributes("http.request.body.size")),
		} {
			reader, writer := io.Pipe()
			req := newConventionsRequest(t, t.Context(), "POST", w.URL, reader)
			req.Trailer = http.Header{"Sum": nil}
			go func() {
				_, _ = io.WriteString(writer, "body")
				req.Trailer.Set("Sum", "42") // while the body is being sent
				_ = writer.Close()
			}()
			resp, err := rt.RoundTrip(req)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
			if got := resp.Trailer.Get("Got"); got != "42" {
				t.Errorf("%s: trailer = %q, want 42", name, got)
			}
		}
	})
}

// TestContractUpgradeThroughReverseProxy: a switch of protocols, with a proxy
// in front that uses the Transport.
func TestContractUpgradeThroughReverseProxy(t *testing.T) {
	back := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		conn, buf, err := http.NewResponseController(rw).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		line, _ := buf.ReadString('\n')
		_, _ = io.WriteString(conn, line)
	}))
	defer back.Close()
	target, _ := url.Parse(back.URL)
	tel := newTelemetry(t)
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.Transport = tel.transport(nil)
	front := httptest.NewServer(proxy)
	defer front.Close()

	req := newConventionsRequest(t, t.Context(), "GET", front.URL, nil)
	req.Header.Set("Connection", "Upgrade")
	req.Header.Set("Upgrade", "echo")
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != 101 {
		t.Fatalf("status = %d, want 101", resp.StatusCode)
	}
	conn := resp.Body.(io.ReadWriteCloser)
	_, _ = io.WriteString(conn, "hello\n")
	if line, err := bufio.NewReader(conn).ReadString('\n'); line != "hello\n" {
		t.Errorf("echo = %q, %v, want hello", line, err)
	}
	_ = conn.Close()
	eventually(t, "the span of the upgrade ends", func() bool { return len(tel.spans()) == 1 })
}

func TestContractCallersTraceRuns(t *testing.T) {
	w := newWire(t, "HTTP/1.1", func(http.ResponseWriter, *http.Request) {})
	got := false
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { got = true }})
	tel := newTelemetry(t)
	mustExchange(t, tel.transport(w.Client().Transport), newConventionsRequest(t, ctx, "GET", w.URL, nil))
	if !got {
		t.Error("the caller's GotConn was not called")
	}
	wantAttribute(t, tel.onlySpan().Attributes, "network.peer.port", w.port())
}

func TestContractNestedTransportsGiveOneSpan(t *testing.T) {
	tel := newTelemetry(t)
	mustExchange(t, tel.transport(tel.transport(tel.transport(answerWith(200)))), newConventionsRequest(t, t.Context(), "GET", "https://example.com/", nil))
	tel.onlySpan()
	if p := tel.secondsOf("http.client.request.duration"); p.Count != 1 {
		t.Errorf("measurements: got %d, want 1", p.Count)
	}
}

// TestContractForgottenBodies: on both versions the collector finds them.
func TestContractForgottenBodies(t *testing.T) {
	onBothVersions(t, func(t *testing.T, version string) {
		w := newWire(t, version, func(rw http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(rw, "x")
			rw.(http.Flusher).Flush()
			<-r.Context().Done()
		})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		tel := newTelemetry(t)
		rt := tel.transport(w.Client().Transport)
		func() {
			resp, err := rt.RoundTrip(newConventionsRequest(t, ctx, "GET", w.URL, nil))
			if err != nil {
				t.Fatal(err)
			}
			_, _ = resp.Body.Read(make([]byte, 1))
		}()
		last := time.Now()
		eventually(t, "the span of the forgotten body ends", func() bool { runtime.GC(); return len(tel.spans()) == 1 })
		span := tel.onlySpan()
		wantAttribute(t, span.Attributes, "otelhttpclient.response.body.abandoned", true)
		if span.EndTime.After(last) {
			t.Errorf("span ended at %v, want the time of the last activity, before %v", span.EndTime, last)
		}
	})
}
