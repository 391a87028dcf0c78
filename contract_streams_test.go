package otelhttpclient_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otelhttpclient/otelhttpclient/internal/oteltest"
)

// contractClosedAfterAll closes a body that the test would otherwise wait for
// without end, if what it waits for is held back.
func contractClosedAfterAll(t *testing.T, body io.Closer) {
	guard := time.AfterFunc(5*time.Second, func() { _ = body.Close() })
	t.Cleanup(func() { guard.Stop() })
}

// The sizes of the requests are those of the attempts: each is a span of its
// own where http.Client makes it.
func TestContractRedirectsReplayTheBody(t *testing.T) {
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		for _, status := range []int{307, 308} {
			got := make(chan string, 8)
			w := oteltest.NewServer(t, version, func(rw http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				got <- string(body)
				if r.URL.Path != "/3" {
					http.Redirect(rw, r, map[string]string{"/1": "/2", "/2": "/3"}[r.URL.Path], status)
				}
			})
			contractCompare(t, w.Base, 3, func(t *testing.T, run contractRun) string {
				resp, err := (&http.Client{Transport: run}).Post(w.URL+"/1", "text/plain", strings.NewReader("replayed"))
				if err != nil {
					t.Fatalf("Post = %v, want no error", err)
				}
				oteltest.Discard(resp)
				for attempt := range 3 {
					if body := oteltest.Within(t, "the body arrives", got); body != "replayed" {
						t.Errorf("attempt %d: the server got %q, want %q", attempt, body, "replayed")
					}
				}
				if !run.bare() {
					contractWantRequestSizes(t, run, 3, 3*8)
				}
				return resp.Request.URL.Path
			})
		}
	})
}

// contractWantRequestSizes checks how many requests were measured, and how many
// bytes they were in all; nothing, where nobody has asked for that.
func contractWantRequestSizes(t *testing.T, run contractRun, count uint64, sum int64) {
	t.Helper()
	m, _ := run.tel.Metric("http.client.request.body.size")
	sizes, wanted := m.Data.(metricdata.Histogram[int64])
	if !wanted {
		return
	}
	gotCount, gotSum := uint64(0), int64(0)
	for _, p := range sizes.DataPoints {
		gotCount += p.Count
		gotSum += p.Sum
	}
	if gotCount != count || gotSum != sum {
		t.Errorf("request sizes: got %d of %d bytes in all, want %d of %d", gotCount, gotSum, count, sum)
	}
}

// A connection that was kept alive may be dead when the next request is sent on
// it. net/http then sends the request again, with a body from GetBody. To the
// program that is one attempt, and so it is to the telemetry.
func TestContractDeadConnectionReplaysTheBody(t *testing.T) {
	const text = "replayed"
	bodies := make(chan string, 8)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				// The first request is answered. The second is taken,
				// and the connection is dropped instead of an answer,
				// unless it is the replay, on a connection of its own.
				for in, nth := bufio.NewReader(c), 1; ; nth++ {
					req, err := http.ReadRequest(in)
					if err != nil {
						return
					}
					body, _ := io.ReadAll(req.Body)
					bodies <- string(body)
					if nth == 2 {
						return
					}
					_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
				}
			}()
		}
	}()
	base := &http.Transport{}
	defer base.CloseIdleConnections()
	contractCompare(t, base, 2, func(t *testing.T, run contractRun) string {
		base.CloseIdleConnections() // those of the run before
		var seen strings.Builder
		for range 2 {
			body := oteltest.NewBody(strings.NewReader(text))
			req := oteltest.NewRequest(t, t.Context(), "POST", "http://"+l.Addr().String(), body)
			req.ContentLength = int64(len(text))
			req.Header.Set("Idempotency-Key", "1") // or net/http would not dare
			again := 0
			req.GetBody = func() (io.ReadCloser, error) { again++; return io.NopCloser(strings.NewReader(text)), nil }
			fmt.Fprintf(&seen, "%s; GetBody called %d times; ", contractExchange(run, req), again)
			body.WantClosed(t)
		}
		for range 3 { // the first, the second that was lost, its replay
			if got := oteltest.Within(t, "the body arrives", bodies); got != text {
				t.Errorf("the server got %q, want %q", got, text)
			}
		}
		if !run.bare() {
			contractWantRequestSizes(t, run, 2, int64(2*len(text)))
		}
		return seen.String()
	})
}

// Frames of HTTP/2, as far as these tests need them.
const (
	frameData, frameHeaders, frameRSTStream, frameSettings, frameGoAway = 0, 1, 3, 4, 7

	flagEndStream, flagAck, flagEndHeaders = 1, 1, 4
)

func writeContractFrame(w io.Writer, kind, flags byte, stream uint32, payload ...byte) {
	head := []byte{byte(len(payload) >> 16), byte(len(payload) >> 8), byte(len(payload)), kind, flags}
	_, _ = w.Write(append(binary.BigEndian.AppendUint32(head, stream), payload...))
}

// newContractHTTP2 is a server of HTTP/2 that calls refuse when the first
// request has been received as a whole, and answers the others with a 200. It
// tells of the bodies of all.
func newContractHTTP2(t *testing.T, refuse func(w io.Writer, stream uint32)) (address string, base *http.Transport, bodies <-chan string) {
	t.Helper()
	w := oteltest.NewServer(t, "2", nil) // for its certificate, and for a client that trusts it
	config := w.TLS.Clone()
	config.NextProtos = []string{"h2"}
	l, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	var refused atomic.Bool
	got := make(chan string, 8)
	serve := func(c net.Conn) {
		defer c.Close()
		in := bufio.NewReader(c)
		if _, err := in.Discard(len("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")); err != nil {
			return
		}
		writeContractFrame(c, frameSettings, 0, 0)
		data := map[uint32]*bytes.Buffer{}
		for head := make([]byte, 9); ; {
			if _, err := io.ReadFull(in, head); err != nil {
				return
			}
			payload := make([]byte, int(head[0])<<16|int(head[1])<<8|int(head[2]))
			if _, err := io.ReadFull(in, payload); err != nil {
				return
			}
			kind, flags, stream := head[3], head[4], binary.BigEndian.Uint32(head[5:])
			switch kind {
			case frameSettings:
				if flags&flagAck == 0 {
					writeContractFrame(c, frameSettings, flagAck, 0)
				}
			case frameHeaders:
				data[stream] = &bytes.Buffer{}
			case frameData:
				data[stream].Write(payload)
			}
			if (kind == frameHeaders || kind == frameData) && flags&flagEndStream != 0 {
				got <- data[stream].String()
				if refused.CompareAndSwap(false, true) {
					refuse(c, stream)
					continue
				}
				const status200 = 0x88 // of the static table
				writeContractFrame(c, frameHeaders, flagEndHeaders|flagEndStream, stream, status200)
			}
		}
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go serve(c)
		}
	}()
	return "https://" + l.Addr().String(), w.Base, got
}

// A server of HTTP/2 may say that it has not looked at a request. net/http
// sends it again then, with a body from GetBody.
func TestContractRefusedStreamsReplayTheBody(t *testing.T) {
	const text = "replayed"
	for name, refuse := range map[string]func(io.Writer, uint32){
		"REFUSED_STREAM": func(w io.Writer, stream uint32) { writeContractFrame(w, frameRSTStream, 0, stream, 0, 0, 0, 7) },
		// The last stream that was looked at is 0, the error none.
		"GOAWAY": func(w io.Writer, _ uint32) { writeContractFrame(w, frameGoAway, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			outcome := func(t *testing.T, run func(http.RoundTripper) contractRun) string {
				address, base, bodies := newContractHTTP2(t, refuse)
				rt := run(base)
				body, again := oteltest.NewBody(strings.NewReader(text)), 0
				req := oteltest.NewRequest(t, t.Context(), "POST", address, body)
				req.ContentLength = int64(len(text))
				req.GetBody = func() (io.ReadCloser, error) { again++; return io.NopCloser(strings.NewReader(text)), nil }
				seen := contractExchange(rt, req)
				body.WantClosed(t)
				for range 2 {
					if got := oteltest.Within(t, "the body arrives", bodies); got != text {
						t.Errorf("the server got %q, want %q", got, text)
					}
				}
				if !rt.bare() {
					rt.wantEnded(t, "after the replay", 1)
					contractWantRequestSizes(t, rt, 1, int64(len(text)))
				}
				return fmt.Sprintf("%s; GetBody called %d times", seen, again)
			}
			want := outcome(t, func(base http.RoundTripper) contractRun { return contractRun{RoundTripper: base} })
			if strings.HasSuffix(want, "GetBody called 0 times") {
				t.Fatalf("bare: %s, want a replay", want)
			}
			for _, all := range []bool{false, true} {
				got := outcome(t, func(base http.RoundTripper) contractRun {
					if all {
						return newContractRun(t, base, contractEverything()...)
					}
					return newContractRun(t, base)
				})
				if got != want {
					t.Errorf("everything on %v:\n got %s\nwant %s, as without the Transport", all, got, want)
				}
			}
		})
	}
}

// With "Expect: 100-continue" the server says whether it wants the body, before
// a byte of it is read from the program.
func TestContractExpectContinue(t *testing.T) {
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		w := oteltest.NewServer(t, version, func(rw http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/refuse" {
				rw.WriteHeader(http.StatusExpectationFailed)
				return
			}
			_, _ = io.Copy(rw, r.Body) // the first Read sends the 100
		})
		w.Base.ExpectContinueTimeout = time.Hour // never without being asked
		for _, row := range []struct {
			path   string
			status int
			want   string
		}{
			{"/want", 200, "asked to go on true, body read true"},
			{"/refuse", 417, "asked to go on false, body read false"},
		} {
			t.Run(row.path[1:], func(t *testing.T) {
				contractCompare(t, w.Base, 1, func(t *testing.T, run contractRun) string {
					var asked atomic.Bool
					ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got100Continue: func() { asked.Store(true) }})
					body := oteltest.NewBody(strings.NewReader("text"))
					req := oteltest.NewRequest(t, ctx, "POST", w.URL+row.path, body)
					req.ContentLength = 4
					req.Header.Set("Expect", "100-continue")
					resp := oteltest.Open(t, run, req)
					text, err := io.ReadAll(resp.Body)
					_ = resp.Body.Close()
					body.WantClosed(t)
					if resp.StatusCode != row.status {
						t.Errorf("status = %d, want %d", resp.StatusCode, row.status)
					}
					seen := fmt.Sprintf("asked to go on %v, body read %v", asked.Load(), body.Reads() > 0)
					if seen != row.want {
						t.Errorf("got %s, want %s", seen, row.want)
					}
					return contractText(resp, text, err) + seen
				})
			})
		}
	})
}

// contractEvents is a server of events: each is sent when the test says so, for
// which it gets a channel with each stream. One for all would not do: a handler
// whose client has gone could take what is meant for the next.
func contractEvents(streams chan<- chan<- string) http.HandlerFunc {
	return func(rw http.ResponseWriter, r *http.Request) {
		send := make(chan string)
		streams <- send
		rw.Header().Set("Content-Type", "text/event-stream")
		rw.(http.Flusher).Flush()
		for {
			select {
			case event := <-send:
				if event == "" {
					return
				}
				_, _ = fmt.Fprintf(rw, "data: %s\n\n", event)
				rw.(http.Flusher).Flush()
			case <-r.Context().Done():
				return
			}
		}
	}
}

// contractSend has a stream send an event, or end.
func contractSend(t *testing.T, send chan<- string, event string) {
	t.Helper()
	select {
	case send <- event:
	case <-time.After(5 * time.Second):
		t.Fatalf("the stream does not take %q within 5 s, want it to", event)
	}
}

// contractReadEvents has each event sent when the one before was read, so that
// none may be held back on the way.
func contractReadEvents(t *testing.T, run contractRun, resp *http.Response, send chan<- string) string {
	t.Helper()
	contractClosedAfterAll(t, resp.Body)
	in := bufio.NewReader(resp.Body)
	for i := range 5 {
		want := fmt.Sprintf("data: event %d\n", i)
		contractSend(t, send, strings.TrimSpace(want[len("data: "):]))
		line, err := in.ReadString('\n')
		if line != want || err != nil {
			t.Fatalf("event = %q, %v, want %q", line, err, want)
		}
		_, _ = in.ReadString('\n')
		run.wantEnded(t, "while the stream is open", 0)
	}
	return contractText(resp, nil, nil)
}

// Server-sent events arrive one by one, and the span lasts as long as they do.
func TestContractServerSentEvents(t *testing.T) {
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		streams := make(chan chan<- string, 1)
		w := oteltest.NewServer(t, version, contractEvents(streams))
		for _, ending := range []string{"the server ends the stream", "the program closes it", "the program cancels it"} {
			t.Run(ending, func(t *testing.T) {
				contractCompare(t, w.Base, 1, func(t *testing.T, run contractRun) string {
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					resp := oteltest.Open(t, run, oteltest.NewRequest(t, ctx, "GET", w.URL, nil))
					send := oteltest.Within(t, "the stream", streams)
					seen := contractReadEvents(t, run, resp, send)
					switch ending {
					case "the server ends the stream":
						contractSend(t, send, "")
					case "the program closes it":
						_ = resp.Body.Close()
					default:
						cancel()
					}
					n, err := io.Copy(io.Discard, resp.Body)
					run.wantEnded(t, "with the stream", 1)
					return fmt.Sprintf("%s, then %d bytes, %v, Close %v", seen, n, err, resp.Body.Close())
				})
			})
		}
	})
}

// Through a reverse proxy that flushes at once, each event comes as it is sent.
func TestContractReverseProxyStreams(t *testing.T) {
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		streams := make(chan chan<- string, 1)
		back := oteltest.NewServer(t, version, contractEvents(streams))
		target, err := url.Parse(back.URL)
		if err != nil {
			t.Fatal(err)
		}
		for _, ending := range []string{"the server ends the stream", "the client goes away"} {
			t.Run(ending, func(t *testing.T) {
				contractCompare(t, back.Base, 1, func(t *testing.T, run contractRun) string {
					proxy := &httputil.ReverseProxy{
						Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(target) },
						Transport:     run,
						FlushInterval: -1,
						ErrorLog:      oteltest.Quiet,
					}
					front := oteltest.NewServer(t, version, proxy.ServeHTTP)
					resp := oteltest.Open(t, front.Base, oteltest.NewRequest(t, t.Context(), "GET", front.URL, nil))
					send := oteltest.Within(t, "the stream", streams)
					seen := contractReadEvents(t, run, resp, send)
					if ending == "the client goes away" {
						_ = resp.Body.Close()
						if !run.bare() {
							oteltest.Eventually(t, "the span ends", func() bool { return run.counted.Ends() == 1 })
						}
						return seen
					}
					contractSend(t, send, "")
					n, err := io.Copy(io.Discard, resp.Body)
					_ = resp.Body.Close()
					return fmt.Sprintf("%s, then %d bytes, %v", seen, n, err)
				})
			})
		}
	})
}

// Both directions of a request are used at once: each line is answered before
// the next is sent.
func TestContractFullDuplex(t *testing.T) {
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		w := oteltest.NewServer(t, version, func(rw http.ResponseWriter, r *http.Request) {
			if err := http.NewResponseController(rw).EnableFullDuplex(); err != nil && version == "1.1" {
				t.Errorf("EnableFullDuplex = %v, want no error", err)
			}
			rw.(http.Flusher).Flush()
			for in := bufio.NewReader(r.Body); ; {
				line, err := in.ReadString('\n')
				if err != nil {
					return
				}
				_, _ = io.WriteString(rw, "echo "+line)
				rw.(http.Flusher).Flush()
			}
		})
		contractCompare(t, w.Base, 1, func(t *testing.T, run contractRun) string {
			reader, writer := io.Pipe()
			body := oteltest.NewBody(reader)
			resp := oteltest.Open(t, run, oteltest.NewRequest(t, t.Context(), "POST", w.URL, body))
			contractClosedAfterAll(t, resp.Body)
			in := bufio.NewReader(resp.Body)
			for i := range 10 {
				if _, err := fmt.Fprintln(writer, "line", i); err != nil {
					t.Fatalf("line %d: write = %v, want no error", i, err)
				}
				want := fmt.Sprintln("echo line", i)
				if got, err := in.ReadString('\n'); got != want || err != nil {
					t.Fatalf("got %q, %v, want %q", got, err, want)
				}
			}
			run.wantEnded(t, "while both directions are open", 0)
			_ = writer.Close()
			rest, err := io.ReadAll(in)
			run.wantEnded(t, "with the end of the response", 1)
			_ = resp.Body.Close()
			body.WantClosed(t)
			if !run.bare() {
				contractWantRequestSizes(t, run, 1, int64(10*len("line 0\n")))
			}
			return contractText(resp, rest, err)
		})
	})
}

// contractPipe is a request body that is written as it is sent.
type contractPipe struct {
	*io.PipeReader
	closed chan struct{}
	once   sync.Once
}

func (p *contractPipe) Close() error {
	defer p.once.Do(func() { close(p.closed) })
	return p.PipeReader.Close()
}

// A server may refuse an upload that goes on. RoundTrip returns meanwhile, and
// who writes the upload is told that nobody reads it any more.
func TestContractEarlyAnswerUnblocksTheWriter(t *testing.T) {
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		w := oteltest.NewServer(t, version, func(rw http.ResponseWriter, r *http.Request) {
			_, _ = io.ReadFull(r.Body, make([]byte, 4))
			rw.Header().Set("Connection", "close")
			rw.WriteHeader(http.StatusRequestEntityTooLarge)
			_, _ = io.WriteString(rw, "too large")
		})
		contractCompare(t, w.Base, 1, func(t *testing.T, run contractRun) string {
			reader, writer := io.Pipe()
			body := &contractPipe{PipeReader: reader, closed: make(chan struct{})}
			read, failed := make(chan struct{}), make(chan error, 1)
			go func() {
				_, err := io.WriteString(writer, "text")
				<-read // or the server's reset might overtake its answer
				for piece := make([]byte, 1<<10); err == nil; {
					_, err = writer.Write(piece)
				}
				failed <- err
			}()
			resp := oteltest.Open(t, run, oteltest.NewRequest(t, t.Context(), "POST", w.URL, body))
			text, err := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			run.wantEnded(t, "with the answer, while the upload is not over", 1)
			close(read)
			writeErr := oteltest.Within(t, "the writer is unblocked", failed)
			oteltest.Within(t, "the body is closed", body.closed)
			if !errors.Is(writeErr, io.ErrClosedPipe) {
				t.Errorf("the writer got %v, want %v", writeErr, io.ErrClosedPipe)
			}
			return contractText(resp, text, err)
		})
	})
}

// net/http closes the bodies of redirects by itself, the short ones after it
// has read them.
func TestContractSpansOfRedirectsEndOnce(t *testing.T) {
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		for _, size := range []int{0, 100, 100_000} {
			w := oteltest.NewServer(t, version, func(rw http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/4" {
					rw.Header().Set("Location", fmt.Sprint("/", r.URL.Path[1]-'0'+1))
					rw.WriteHeader(http.StatusFound)
				}
				_, _ = rw.Write(make([]byte, size))
			})
			contractCompare(t, w.Base, 4, func(t *testing.T, run contractRun) string {
				resp, err := (&http.Client{Transport: run}).Get(w.URL + "/1")
				if err != nil {
					t.Fatalf("Get = %v, want no error", err)
				}
				run.wantEnded(t, "with the hops behind", map[bool]int64{true: 4, false: 3}[size == 0])
				n, err := io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
				return fmt.Sprint(resp.Status, n, err, resp.Request.URL.Path)
			})
		}
	})
}

// Without a body, the span ends with the headers, and not once more when the
// program reads and closes what is not there.
func TestContractSpansWithoutABodyEndOnce(t *testing.T) {
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		w := oteltest.NewServer(t, version, func(rw http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/204":
				rw.WriteHeader(204)
			case "/304":
				rw.WriteHeader(304)
			default:
				rw.Header().Set("Content-Length", "4")
				_, _ = io.WriteString(rw, "text")
			}
		})
		for _, row := range []struct{ method, path string }{{"HEAD", "/"}, {"GET", "/204"}, {"GET", "/304"}, {"HEAD", "/304"}} {
			t.Run(row.method+row.path, func(t *testing.T) {
				contractCompare(t, w.Base, 1, func(t *testing.T, run contractRun) string {
					resp := oteltest.Open(t, run, oteltest.NewRequest(t, t.Context(), row.method, w.URL+row.path, nil))
					run.wantEnded(t, "with the headers", 1)
					body, err := io.ReadAll(resp.Body)
					return fmt.Sprint(contractText(resp, body, err), resp.Body.Close(), resp.Body.Close())
				})
			})
		}
	})
}

// contractStuckBody is a body whose Close and Read tell that they were called,
// and return only when they may.
type contractStuckBody struct {
	entered chan string
	goOn    chan struct{}
}

func (b contractStuckBody) Read([]byte) (int, error) {
	b.entered <- "Read"
	<-b.goOn
	return 0, io.EOF
}

func (b contractStuckBody) Close() error {
	b.entered <- "Close"
	<-b.goOn
	return nil
}

// A Close that does not return must not keep others from base's body, nor the
// span from ending: the telemetry holds no lock while it calls base.
func TestContractCloseThatBlocksBelow(t *testing.T) {
	for name, opts := range map[string]bool{"plain": false, "everything on": true} {
		t.Run(name, func(t *testing.T) {
			body := contractStuckBody{make(chan string), make(chan struct{})}
			base := oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) { return oteltest.Reply(req, 200, body), nil })
			run := newContractRun(t, base)
			if opts {
				run = newContractRun(t, base, contractEverything()...)
			}
			resp := oteltest.Open(t, run, oteltest.NewRequest(t, t.Context(), "GET", "http://example.com/", nil))
			var all sync.WaitGroup
			enter := func(want string, call func()) {
				t.Helper()
				all.Go(call)
				if got := oteltest.Within(t, want+" reaches base", body.entered); got != want {
					t.Errorf("base's body got a %s, want a %s", got, want)
				}
			}
			enter("Read", func() { _, _ = resp.Body.Read(make([]byte, 1)) })
			run.wantEnded(t, "while a Read is under way", 0)
			enter("Close", func() { _ = resp.Body.Close() })
			run.wantEnded(t, "while Close is under way", 1)
			enter("Close", func() { _ = resp.Body.Close() })
			enter("Read", func() { _, _ = resp.Body.Read(make([]byte, 1)) })
			close(body.goOn)
			all.Wait()
			run.wantEnded(t, "when all have returned", 1)
			if p := run.tel.Seconds("http.client.request.duration"); p.Count != 1 {
				t.Errorf("measurements: got %d, want 1", p.Count)
			}
		})
	}
}

// Read and Close at the same time, as a program does that gives up on a stream.
func TestContractReadAndCloseAtOnce(t *testing.T) {
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		w := oteltest.NewServer(t, version, func(rw http.ResponseWriter, r *http.Request) {
			_, _ = rw.Write(make([]byte, 1<<12))
			rw.(http.Flusher).Flush()
			<-r.Context().Done()
		})
		const requests = 50
		contractCompare(t, w.Base, requests, func(t *testing.T, run contractRun) string {
			for range requests {
				resp := oteltest.Open(t, run, oteltest.NewRequest(t, t.Context(), "GET", w.URL, nil))
				reading := make(chan struct{})
				var all sync.WaitGroup
				all.Go(func() {
					var once sync.Once
					for piece := make([]byte, 1<<10); ; {
						_, err := resp.Body.Read(piece)
						once.Do(func() { close(reading) })
						if err != nil {
							return
						}
					}
				})
				for range 2 {
					all.Go(func() { <-reading; _ = resp.Body.Close() })
				}
				all.Wait()
			}
			return ""
		})
	})
}

// contractAtOnce gives all its data together with the end or an error.
type contractAtOnce struct {
	data string
	err  error
}

func (b *contractAtOnce) Read(p []byte) (int, error) {
	n := copy(p, b.data)
	b.data = b.data[n:]
	return n, b.err
}

func (b *contractAtOnce) Close() error { return nil }

// A reader may return data and the end, or an error, at once. Both count.
func TestContractDataAndEndAtOnce(t *testing.T) {
	for _, want := range []error{io.EOF, errors.New("body failed"), io.ErrUnexpectedEOF, fmt.Errorf("wrapped: %w", io.EOF)} {
		t.Run(want.Error(), func(t *testing.T) {
			base := oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
				return oteltest.Reply(req, 200, &contractAtOnce{"text", want}), nil
			})
			contractCompare(t, base, 1, func(t *testing.T, run contractRun) string {
				resp := oteltest.Open(t, run, oteltest.NewRequest(t, t.Context(), "GET", "http://example.com/", nil))
				piece := make([]byte, 16)
				n, err := resp.Body.Read(piece)
				if string(piece[:n]) != "text" || err != want { //nolint:errorlint // the same value
					t.Errorf("Read = %q, %v, want %q and %v itself", piece[:n], err, "text", want)
				}
				run.wantEnded(t, "with that Read", 1)
				if !run.bare() {
					if m, ok := run.tel.Metric("http.client.response.body.size"); ok {
						if p := run.tel.Bytes(m.Name); p.Sum != 4 {
							t.Errorf("size = %d, want 4", p.Sum)
						}
					}
				}
				return fmt.Sprint(resp.Body.Close(), resp.Body.Close())
			})
		})
	}
}

// A body that breaks off: the program gets the same part of it and the same
// error, again and again, and may close it then.
func TestContractReadErrorThenClose(t *testing.T) {
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		w := oteltest.NewServer(t, version, func(rw http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(rw, "text")
			rw.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		})
		contractCompare(t, w.Base, 1, func(t *testing.T, run contractRun) string {
			resp := oteltest.Open(t, run, oteltest.NewRequest(t, t.Context(), "GET", w.URL, nil))
			text, err := io.ReadAll(resp.Body)
			if err == nil {
				t.Error("reading the body = no error, want one")
			}
			run.wantEnded(t, "with the error", 1)
			_, again := resp.Body.Read(make([]byte, 1))
			// Streams have numbers, which differ from request to request.
			kind := func(err error) string { return strings.Split(fmt.Sprintf("%T %v", err, err), "stream ID")[0] }
			return fmt.Sprintf("%q, %s, %s, Close %v", text, kind(err), kind(again), resp.Body.Close())
		})
	})
}

// A switch of protocols, in the clear and over TLS: the body is the connection.
func TestContractUpgrade(t *testing.T) {
	for name, start := range map[string]func(*httptest.Server){"in the clear": (*httptest.Server).Start, "over TLS": (*httptest.Server).StartTLS} {
		for _, ending := range []string{"the server hangs up", "the program closes"} {
			t.Run(name+"/"+ending, func(t *testing.T) {
				server := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
					conn, buf, err := http.NewResponseController(rw).Hijack()
					if err != nil {
						t.Errorf("Hijack = %v, want no error", err)
						return
					}
					defer conn.Close()
					_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nwelcome\n")
					for {
						line, err := buf.ReadString('\n')
						if err != nil || line == "bye\n" {
							return
						}
						_, _ = io.WriteString(conn, line)
					}
				}))
				start(server)
				defer server.Close()
				base := server.Client().Transport
				contractCompare(t, base, 1, func(t *testing.T, run contractRun) string {
					req := oteltest.NewRequest(t, t.Context(), "GET", server.URL, nil)
					req.Header.Set("Connection", "Upgrade")
					req.Header.Set("Upgrade", "echo")
					resp := oteltest.Open(t, run, req)
					conn, ok := resp.Body.(io.ReadWriteCloser)
					if resp.StatusCode != 101 || !ok {
						t.Fatalf("got the status %d and a body that can be written %v, want 101 and true", resp.StatusCode, ok)
					}
					contractClosedAfterAll(t, conn)
					in := bufio.NewReader(conn)
					if line, err := in.ReadString('\n'); line != "welcome\n" {
						t.Fatalf("got %q, %v, want welcome", line, err)
					}
					for i := range 3 {
						want := fmt.Sprintln("line", i)
						if _, err := io.WriteString(conn, want); err != nil {
							t.Fatalf("Write = %v, want no error", err)
						}
						if line, err := in.ReadString('\n'); line != want {
							t.Fatalf("echo = %q, %v, want %q", line, err, want)
						}
					}
					run.wantEnded(t, "while the connection is open", 0)
					seen := contractInterfaces(resp.Body)
					if ending == "the server hangs up" {
						_, _ = io.WriteString(conn, "bye\n")
						_, err := in.ReadString('\n')
						seen += fmt.Sprintf(", at the end %v", err)
						run.wantEnded(t, "when the server hangs up", 1)
					}
					seen += fmt.Sprintf(", Close %v", conn.Close())
					_, err := conn.Write([]byte("x"))
					return fmt.Sprintf("%s, Write after Close fails %v", seen, err != nil)
				})
			})
		}
	}
}

// The connections that base keeps open are closed through the Transport.
func TestContractCloseIdleConnectionsClosesThem(t *testing.T) {
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		closed := make(chan struct{}, 16) // a connection may be closed that was not used
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
			if state == http.StateClosed {
				closed <- struct{}{}
			}
		}
		server.EnableHTTP2 = version == "2"
		server.StartTLS()
		defer server.Close()
		contractCompare(t, server.Client().Transport, 1, func(t *testing.T, run contractRun) string {
			oteltest.MustSend(t, run, oteltest.NewRequest(t, t.Context(), "GET", server.URL, nil))
			// HTTP/1.1's connection is idle a moment after the response.
			oteltest.Eventually(t, "the connection is closed", func() bool {
				(&http.Client{Transport: run.RoundTripper}).CloseIdleConnections()
				return len(closed) > 0
			})
			<-closed
			return ""
		})
	})
}
