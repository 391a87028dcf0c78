package faults

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/instrumented"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

// Against misbehaving servers, thousands of requests get the results of the
// bare transport, every span ends, and all goroutines exit.
func TestServerFaults(t *testing.T) {
	// net/http logs about such servers.
	defer log.SetOutput(log.Writer())
	log.SetOutput(oteltest.Quiet.Writer())
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		before := runtime.NumGoroutine()
		var faults []*fault
		var base func() *http.Transport
		var stops []func()
		rounds := 15
		if version == "2" {
			faults = faultsHTTP2()
			var stop func()
			base, stop = startHTTP2(faults)
			stops = append(stops, stop)
		} else {
			faults = faultsHTTP1(t)
			for _, f := range faults {
				if f.serve != nil {
					stops = append(stops, startHTTP1(t, f))
				}
			}
			base = func() *http.Transport { return &http.Transport{MaxResponseHeaderBytes: maxHeader} }
		}

		bare := base()
		outcomes := make([]*outcomeSet, len(faults))
		named := map[string]int{}
		for n := range outcomes {
			named[faults[n].name] = n
			outcomes[n] = &outcomeSet{seen: map[string]int{}}
		}
		// http.Client cancels differently if the RoundTripper is not
		// net/http's own, so outcomes of any other RoundTripper count, too.
		anyOther := oteltest.RoundTripFunc(bare.RoundTrip)
		addOutcome := func(n int) {
			outcomes[n].add(outcomeOf(bare, faults, n))
			if faults[n].user == hasClientTimeout {
				outcomes[n].add(outcomeOf(anyOther, faults, n))
			}
		}
		oteltest.Concurrently(rounds, len(faults), addOutcome)

		for _, row := range []struct {
			name    string
			options func(*oteltest.SDK) []otelhttpclient.Option
		}{
			{"by default", func(tel *oteltest.SDK) []otelhttpclient.Option { return instrumented.Options(tel) }},
			{"everything on", instrumented.EveryOption},
		} {
			t.Run(row.name, func(t *testing.T) {
				tel := oteltest.New(t)
				w := oteltest.NewCounting(t)
				below := base()
				defer below.CloseIdleConnections()
				rt := otelhttpclient.NewTransport(below, append(row.options(tel), otelhttpclient.WithTracerProvider(w.Tracers))...)
				oteltest.Concurrently(rounds, len(faults), func(n int) {
					if t.Failed() {
						return // one report is enough
					}
					got := outcomeOf(rt, faults, n)
					// Races of client and server have several outcomes, some
					// of them rare.
					for range 100 {
						if t.Failed() {
							return
						}
						if outcomes[n].has(got) || faults[n].or != "" && outcomes[named[faults[n].or]].has(got) {
							return
						}
						addOutcome(n)
					}
					t.Errorf("%s:\n got %s\nwant %s, as without the Transport", faults[n].name, got, outcomes[n])
				})
				if t.Failed() {
					return
				}
				started, ended := 0, 0
				oteltest.Eventually(t, "every span that was started ends", func() bool {
					started, ended = w.Started(), w.Ended()
					return started == ended
				})
				if want := rounds * len(faults); started < want {
					t.Errorf("spans: got %d started, want at least one for each of %d requests", started, want)
				}
				if got := tel.Count(string(otelhttpclient.MetricActiveRequests), attribute.KeyValue{}); got != 0 {
					t.Errorf("active requests: got %d, want 0", got)
				}
				oteltest.Eventually(t, "no connection is counted as open", func() bool {
					// A reset stream keeps its connection busy for a while.
					below.CloseIdleConnections()
					return tel.Count(string(otelhttpclient.MetricOpenConnections), attribute.KeyValue{}) == 0
				})
			})
		}
		bare.CloseIdleConnections()
		for _, stop := range stops {
			stop()
		}
		oteltest.Eventually(t, "the goroutines are as many as before", func() bool { return runtime.NumGoroutine() <= before })
	})
}

// outcomeSet is the set of a fault's possible outcomes.
type outcomeSet struct {
	mu   sync.Mutex
	seen map[string]int
}

func (o *outcomeSet) add(outcome string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.seen[outcome]++
}

func (o *outcomeSet) has(outcome string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.seen[outcome] > 0
}

func (o *outcomeSet) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	text := ""
	for outcome := range o.seen {
		text += "\n  or " + outcome
	}
	return text
}

// fault is one way in which an exchange fails, or nearly so.
type fault struct {
	name   string
	method string // empty: GET
	upload int    // bytes of the request body
	user   userAction
	or     string // the name of another fault whose outcomes count, too
	races  bool   // the outcome is the answer or the connection's end

	serve   serveFunc        // over HTTP/1.1
	handler http.HandlerFunc // over HTTP/2

	url string // of the faulty server, set when it starts
}

// errorText returns an error's text and the types of all errors that it wraps.
func (f *fault) errorText(err error) string {
	if err == nil {
		return "nil"
	}
	text := err.Error()
	if f.user == hasClientTimeout && (strings.Contains(text, "deadline exceeded") || strings.Contains(text, "request canceled")) {
		// With a RoundTripper other than net/http's, http.Client cancels in two
		// ways at once. The faster one determines text and type.
		return "the time is up"
	}
	for e := err; e != nil; e = errors.Unwrap(e) {
		text += fmt.Sprintf(" %T", e)
	}
	return varying.ReplaceAllString(text, "*")
}

// userAction is what the program does with its request.
type userAction int

const (
	reads             userAction = iota // to the end
	closesEarly                         // after the first byte
	cancelledBefore                     // it is sent
	cancelledAtServer                   // when the server has received it
	cancelsInBody                       // after the first byte
	hasDeadline
	hasClientTimeout
)

// arrivals holds the functions to call when the server has received the request
// with a number, so that tests cancel at the right time.
var (
	arrivals sync.Map
	numbers  atomic.Int64
)

const numberHeader = "X-Fault-Number"

func arrived(req *http.Request) {
	if f, ok := arrivals.Load(req.Header.Get(numberHeader)); ok {
		f.(context.CancelFunc)()
	}
}

// varying matches what differs between the error texts of equal requests.
var varying = regexp.MustCompile(`127\.0\.0\.1:\d+|stream ID \d+|StreamID:\d+`)

// outcomeOf sends the request of faults[n] and describes all that the program
// sees of the answer.
func outcomeOf(rt http.RoundTripper, faults []*fault, n int) string {
	f := faults[n]
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	client := &http.Client{Transport: rt}
	number := fmt.Sprint(numbers.Add(1))
	switch f.user {
	case cancelledBefore:
		cancel()
	case cancelledAtServer:
		arrivals.Store(number, cancel)
		defer arrivals.Delete(number)
	case hasDeadline:
		ctx, cancel = context.WithTimeout(ctx, patience)
		defer cancel()
	case hasClientTimeout:
		client.Timeout = patience
	}
	method := f.method
	if method == "" {
		method = "GET"
	}
	var body io.Reader
	if f.upload > 0 {
		body = strings.NewReader(strings.Repeat("u", f.upload))
	}
	req, err := http.NewRequestWithContext(ctx, method, f.url, body)
	if err != nil {
		return err.Error()
	}
	req.Header.Set("X-Fault", fmt.Sprint(n))
	req.Header.Set(numberHeader, number)
	resp, err := client.Do(req)
	if f.races {
		if err == nil {
			oteltest.Discard(resp)
		}
		return "an answer or an error"
	}
	if err != nil {
		return f.errorText(err)
	}
	var read []byte
	var readErr error
	switch f.user {
	case closesEarly, cancelsInBody:
		read = make([]byte, 1)
		_, readErr = io.ReadFull(resp.Body, read)
		if f.user == cancelsInBody && readErr == nil {
			cancel()
			var rest []byte
			rest, readErr = io.ReadAll(resp.Body)
			read = append(read, rest...)
		}
	default:
		read, readErr = io.ReadAll(resp.Body)
	}
	if readErr != nil && (f.user == hasDeadline || f.user == hasClientTimeout) {
		read = nil // its length depends on the machine
	}
	closeErr := resp.Body.Close()
	if f.user == hasClientTimeout && readErr != nil {
		closeErr = nil // see errorText
	}
	resp.Header.Del("Date")
	text := fmt.Sprintf("%s %s %s, length %d, header %v, trailer %v, body %q, read: %s, close: %s",
		resp.Proto, resp.Status, resp.Request.URL.Path, resp.ContentLength, resp.Header, resp.Trailer, read, f.errorText(readErr), f.errorText(closeErr))
	return varying.ReplaceAllString(text, "*")
}

// patience is the time-out of requests that never complete.
const patience = 60 * time.Millisecond
