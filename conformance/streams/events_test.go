package streams

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/otelhttpclient/otelhttpclient/conformance/internal/suite"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

// eventServer serves a stream of events for each request and sends the channel
// of each to streams. An empty event ends a stream. Each stream has a channel
// of its own because the handler of a closed stream could receive the next
// one's events.
func eventServer(streams chan<- chan<- string) http.HandlerFunc {
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

// sendEvent makes a stream send an event, or end with an empty one.
func sendEvent(t *testing.T, send chan<- string, event string) {
	t.Helper()
	select {
	case send <- event:
	case <-time.After(5 * time.Second):
		t.Fatalf("the stream does not take %q within 5 s, want it to", event)
	}
}

// readEvents sends each event after it has read the one before, so that events
// that are held back fail the test.
func readEvents(t *testing.T, run suite.Run, resp *http.Response, send chan<- string) string {
	t.Helper()
	closeLater(t, resp.Body)
	in := bufio.NewReader(resp.Body)
	for i := range 5 {
		want := fmt.Sprintf("data: event %d\n", i)
		sendEvent(t, send, strings.TrimSpace(want[len("data: "):]))
		line, err := in.ReadString('\n')
		if line != want || err != nil {
			t.Fatalf("event = %q, %v, want %q", line, err, want)
		}
		_, _ = in.ReadString('\n')
		run.WantEnded(t, "while the stream is open", 0)
	}
	return suite.ResponseText(resp, nil, nil)
}

// Server-sent events arrive one by one, and the span lasts as long as the
// stream.
func TestServerSentEvents(t *testing.T) {
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		streams := make(chan chan<- string, 1)
		w := oteltest.NewServer(t, version, eventServer(streams))
		for _, ending := range []string{"the server ends the stream", "the program closes it", "the program cancels it"} {
			t.Run(ending, func(t *testing.T) {
				suite.Compare(t, w.Base, 1, func(t *testing.T, run suite.Run) string {
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					resp := oteltest.Open(t, run, oteltest.NewRequest(t, ctx, "GET", w.URL, nil))
					send := oteltest.Within(t, "the stream", streams)
					seen := readEvents(t, run, resp, send)
					switch ending {
					case "the server ends the stream":
						sendEvent(t, send, "")
					case "the program closes it":
						_ = resp.Body.Close()
					default:
						cancel()
					}
					n, err := io.Copy(io.Discard, resp.Body)
					run.WantEnded(t, "with the stream", 1)
					return fmt.Sprintf("%s, then %d bytes, %v, Close %v", seen, n, err, resp.Body.Close())
				})
			})
		}
	})
}

// Through a reverse proxy that flushes at once, each event arrives when it is
// sent.
func TestReverseProxyStreams(t *testing.T) {
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		streams := make(chan chan<- string, 1)
		back := oteltest.NewServer(t, version, eventServer(streams))
		target, err := url.Parse(back.URL)
		if err != nil {
			t.Fatal(err)
		}
		for _, ending := range []string{"the server ends the stream", "the client goes away"} {
			t.Run(ending, func(t *testing.T) {
				suite.Compare(t, back.Base, 1, func(t *testing.T, run suite.Run) string {
					proxy := &httputil.ReverseProxy{
						Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(target) },
						Transport:     run,
						FlushInterval: -1,
						ErrorLog:      oteltest.Quiet,
					}
					front := oteltest.NewServer(t, version, proxy.ServeHTTP)
					resp := oteltest.Open(t, front.Base, oteltest.NewRequest(t, t.Context(), "GET", front.URL, nil))
					send := oteltest.Within(t, "the stream", streams)
					seen := readEvents(t, run, resp, send)
					if ending == "the client goes away" {
						_ = resp.Body.Close()
						if !run.Bare() {
							oteltest.Eventually(t, "the span ends", func() bool { return run.Spans.Ends() == 1 })
						}
						return seen
					}
					sendEvent(t, send, "")
					n, err := io.Copy(io.Discard, resp.Body)
					_ = resp.Body.Close()
					return fmt.Sprintf("%s, then %d bytes, %v", seen, n, err)
				})
			})
		}
	})
}
