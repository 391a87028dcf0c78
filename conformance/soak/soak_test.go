//go:build soak

package soak

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/otlptest"
)

var soakDuration = flag.Duration("soak.duration", 30*time.Second, "how long TestSoak sends requests")

const (
	soakRounds  = 6 // the first one is without a Transport
	soakWorkers = 16

	// soakHeap is the limit for the growth of the heap over the rounds with a
	// Transport. At 4,000 requests a second, a leak of ten bytes per request
	// exceeds it in a minute.
	soakHeap = 2 << 20
	// soakGoroutines are the SDK's and the exporter's.
	soakGoroutines = 12
)

// TestSoak sends all kinds of requests, over both protocols, in rounds. After
// each round the requests have ended, and goroutines and heap are counted. In
// the end no span is missing: all that started have ended and arrived at the
// receiver, and they are as many as the requests that base got.
//
//	go test -tags soak -run TestSoak -v -timeout 0 ./conformance/soak -soak.duration 10m
func TestSoak(t *testing.T) {
	load := newSoakLoad(t)
	var received atomic.Int64
	addr := otlptest.Start(t, func(otlptest.Span) { received.Add(1) })
	exporter, err := otlptracegrpc.New(t.Context(), otlptracegrpc.WithEndpoint(addr), otlptracegrpc.WithInsecure())
	if err != nil {
		t.Fatalf("otlptracegrpc.New() = %v, want no error", err)
	}
	counted := &soakSpans{}
	tracers := sdktrace.NewTracerProvider(
		sdktrace.WithSpanProcessor(counted),
		// A round's spans wait for the garbage collection and end at once.
		sdktrace.WithBatcher(exporter, sdktrace.WithMaxQueueSize(1<<17)),
	)
	reader := sdkmetric.NewManualReader()
	meters := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
	options := []otelhttpclient.Option{
		otelhttpclient.WithTracerProvider(tracers),
		otelhttpclient.WithMeterProvider(meters),
		otelhttpclient.WithPropagators(propagation.TraceContext{}),
		otelhttpclient.WithConnectionTimings(),
		otelhttpclient.WithOptInAttributes("network.transport", "user_agent.original", "http.request.body.size", "http.response.body.size"),
		otelhttpclient.WithOptInMetrics(otelhttpclient.MetricRequestBodySize, otelhttpclient.MetricResponseBodySize,
			otelhttpclient.MetricActiveRequests, otelhttpclient.MetricOpenConnections, otelhttpclient.MetricConnectionDuration),
		otelhttpclient.WithRequestHeaders("*"),
		otelhttpclient.WithResponseHeaders("*"),
	}
	wrapped := map[http.RoundTripper]http.RoundTripper{} // by base, for all rounds
	wrap := func(base http.RoundTripper) http.RoundTripper {
		if wrapped[base] == nil {
			wrapped[base] = otelhttpclient.NewTransport(base, options...)
		}
		return wrapped[base]
	}

	var bare, first, last soakLevel
	for round := range soakRounds {
		through := wrap
		if round == 0 {
			through = func(base http.RoundTripper) http.RoundTripper { return base }
		}
		requests := load.requests.Load()
		started := time.Now()
		load.run(t, through, *soakDuration/soakRounds)
		took := time.Since(started)
		waitForSoak(counted.balanced)
		if err := tracers.ForceFlush(t.Context()); err != nil {
			t.Errorf("ForceFlush() = %v, want nil", err)
		}
		last = newSoakLevel()
		switch round {
		case 0:
			bare = last
			load.traced.Store(true)
		case 1:
			first = last
		}
		t.Logf("round %d of %d: %.0f requests/s; after it %v", round+1, soakRounds,
			float64(load.requests.Load()-requests)/took.Seconds(), last)
	}

	want := load.tracedRequests.Load()
	started, ended := counted.started.Load(), counted.ended.Load()
	t.Logf("%d requests in all, %d with a Transport; spans: %d started, %d ended, %d received", load.requests.Load(), want,
		started, ended, received.Load())
	for kind, n := range load.kinds.all() {
		t.Logf("%8d %s", n, kind)
	}
	if started != want || ended != want || received.Load() != want {
		t.Errorf("got %d spans started, %d ended, %d received; want %d each", started, ended, received.Load(), want)
	}
	if got, limit := last.goroutines, bare.goroutines+soakGoroutines; got > limit {
		buf := make([]byte, 1<<20)
		t.Errorf("got %d goroutines, want at most %d:\n%s", got, limit, buf[:runtime.Stack(buf, true)])
	}
	if got := int64(last.heap) - int64(first.heap); got > soakHeap {
		t.Errorf("heap grew by %d bytes over %d rounds, want at most %d", got, soakRounds-2, soakHeap)
	}
	load.closeConnections()
	sums := map[string]int64{}
	waitForSoak(func() bool { // connections are closed by their goroutines
		sums = soakSums(t, reader)
		return sums["http.client.open_connections"] == 0
	})
	for name, want := range map[string]int64{
		"http.client.active_requests":  0,
		"http.client.open_connections": 0,
		"http.client.request.duration": want,
	} {
		if got := sums[name]; got != want {
			t.Errorf("%s: got %d, want %d", name, got, want)
		}
	}
	if err := tracers.Shutdown(t.Context()); err != nil {
		t.Errorf("Shutdown() = %v, want nil", err)
	}
}

// soakLevel is what is in use when no request is.
type soakLevel struct {
	goroutines    int
	heap, objects uint64
}

func newSoakLevel() soakLevel {
	var m runtime.MemStats
	for range 3 { // cleanups, and pools
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return soakLevel{goroutines: runtime.NumGoroutine(), heap: m.HeapAlloc, objects: m.HeapObjects}
}

func (l soakLevel) String() string {
	return fmt.Sprintf("%d goroutines, %.2f MiB and %d objects in the heap", l.goroutines, float64(l.heap)/(1<<20), l.objects)
}

// waitForSoak runs garbage collections, which end the spans of forgotten
// bodies, until done or ten seconds have passed.
func waitForSoak(done func() bool) {
	for range 100 {
		runtime.GC()
		if done() {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// soakSums are the sums of counters and the counts of histograms.
func soakSums(t *testing.T, reader sdkmetric.Reader) map[string]int64 {
	t.Helper()
	var rm metricdata.ResourceMetrics
	if err := reader.Collect(context.Background(), &rm); err != nil {
		t.Fatalf("Collect() = %v, want nil", err)
	}
	sums := map[string]int64{}
	for _, scope := range rm.ScopeMetrics {
		for _, m := range scope.Metrics {
			switch data := m.Data.(type) {
			case metricdata.Sum[int64]:
				sums[m.Name] = 0
				for _, p := range data.DataPoints {
					sums[m.Name] += p.Value
				}
			case metricdata.Histogram[float64]:
				for _, p := range data.DataPoints {
					sums[m.Name] += int64(p.Count)
				}
			}
		}
	}
	return sums
}

// soakSpans is a processor that counts.
type soakSpans struct{ started, ended atomic.Int64 }

func (s *soakSpans) OnStart(context.Context, sdktrace.ReadWriteSpan) { s.started.Add(1) }
func (s *soakSpans) OnEnd(sdktrace.ReadOnlySpan)                     { s.ended.Add(1) }
func (s *soakSpans) Shutdown(context.Context) error                  { return nil }
func (s *soakSpans) ForceFlush(context.Context) error                { return nil }

func (s *soakSpans) balanced() bool { return s.started.Load() == s.ended.Load() }

// soakKinds are the requests that a client makes, each with its share.
var soakKinds = []struct {
	name  string
	share int
	send  func(*soakClient) error
}{
	{"small responses", 40, func(c *soakClient) error { return c.read(c.get(c.context, "/small")) }},
	{"responses without a body", 10, func(c *soakClient) error { return c.read(c.get(c.context, "/empty")) }},
	{"uploads", 10, func(c *soakClient) error { return c.read(c.post("/echo", soakBody)) }},
	{"errors by status", 5, func(c *soakClient) error { return c.read(c.get(c.context, "/broken")) }},
	{"redirects, two each", 8, func(c *soakClient) error { return c.read(c.get(c.context, "/redirect?left=2")) }},
	{"streams read to the end", 8, func(c *soakClient) error { return c.read(c.get(c.context, "/stream")) }},
	{"streams closed early", 6, (*soakClient).closeEarly},
	{"canceled before the headers", 4, (*soakClient).cancelBefore},
	{"canceled in the body", 4, (*soakClient).cancelWithin},
	{"aborted by the server", 3, (*soakClient).aborted},
	{"bodies forgotten", 2, (*soakClient).forget},
}

var soakBody = bytes.Repeat([]byte("0123456789abcdef"), 2048)

// soakLoad has a server and a connection pool for each protocol.
type soakLoad struct {
	servers []*httptest.Server
	bases   []*soakBase
	kinds   soakCounts

	traced                   atomic.Bool
	requests, tracedRequests atomic.Int64
}

// soakBase counts the requests that reach the connection pool.
type soakBase struct {
	*http.Transport
	load *soakLoad
}

func (b *soakBase) RoundTrip(req *http.Request) (*http.Response, error) {
	b.load.requests.Add(1)
	if b.load.traced.Load() {
		b.load.tracedRequests.Add(1)
	}
	return b.Transport.RoundTrip(req)
}

func newSoakLoad(t *testing.T) *soakLoad {
	t.Helper()
	l := &soakLoad{}
	for _, http2 := range []bool{false, true} {
		server := httptest.NewUnstartedServer(http.HandlerFunc(serveSoak))
		server.Config.ErrorLog = oteltest.Quiet
		server.EnableHTTP2 = http2
		server.StartTLS()
		t.Cleanup(func() {
			server.CloseClientConnections()
			server.Close()
		})
		base := server.Client().Transport.(*http.Transport)
		base.MaxIdleConnsPerHost = 2 * soakWorkers
		l.servers, l.bases = append(l.servers, server), append(l.bases, &soakBase{base, l})
	}
	return l
}

func (l *soakLoad) closeConnections() {
	for i, base := range l.bases {
		base.CloseIdleConnections()
		l.servers[i].CloseClientConnections()
	}
}

// run returns when all requests are over, except for forgotten bodies.
func (l *soakLoad) run(t *testing.T, through func(http.RoundTripper) http.RoundTripper, d time.Duration) {
	end := time.Now().Add(d)
	var workers sync.WaitGroup
	for worker := range soakWorkers {
		i := worker % len(l.bases)
		c := &soakClient{client: &http.Client{Transport: through(l.bases[i])}, url: l.servers[i].URL, context: t.Context()}
		workers.Go(func() {
			for time.Now().Before(end) {
				n := rand.N(100)
				for _, kind := range soakKinds {
					if n -= kind.share; n < 0 {
						l.kinds.add(kind.name)
						if err := kind.send(c); err != nil {
							t.Errorf("%s: %v", kind.name, err)
							return
						}
						break
					}
				}
			}
		})
	}
	workers.Wait()
	time.Sleep(2 * soakForgotten) // frees the connections of forgotten bodies
	l.closeConnections()
}

type soakCounts struct {
	mu sync.Mutex
	n  map[string]int
}

func (c *soakCounts) add(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n == nil {
		c.n = map[string]int{}
	}
	c.n[name]++
}

func (c *soakCounts) all() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n
}

// serveSoak answers all kinds of requests.
func serveSoak(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/small":
		_, _ = io.WriteString(w, strings.Repeat("small ", 30))
	case "/empty":
		w.WriteHeader(http.StatusNoContent)
	case "/echo":
		_, _ = io.Copy(w, r.Body)
	case "/broken":
		http.Error(w, "broken", http.StatusServiceUnavailable)
	case "/redirect":
		if r.URL.Query().Get("left") == "2" {
			http.Redirect(w, r, "/redirect?left=1", http.StatusFound)
			return
		}
		http.Redirect(w, r, "/small", http.StatusFound)
	case "/stream":
		for range 8 {
			_, _ = w.Write(soakBody[:1024])
			_ = http.NewResponseController(w).Flush()
		}
	case "/endless":
		// If it returned, the client could read a regular end between its
		// cancellation and the end of the connection.
		defer panic(http.ErrAbortHandler)
		for r.Context().Err() == nil {
			if _, err := w.Write(soakBody[:64]); err != nil {
				return
			}
			_ = http.NewResponseController(w).Flush()
			select {
			case <-r.Context().Done():
			case <-time.After(5 * time.Millisecond):
			}
		}
	case "/silent":
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	case "/abort":
		w.Header().Set("Content-Length", "1000")
		_, _ = io.WriteString(w, "begin")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
}

// soakForgotten is when the context of a forgotten body ends. Without it the
// connection would stay open for ever, with and without a Transport.
const soakForgotten = 200 * time.Millisecond

// soakClient makes one request at a time.
type soakClient struct {
	client  *http.Client
	url     string
	context context.Context
}

func (c *soakClient) get(ctx context.Context, path string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, "GET", c.url+path, nil)
	if err != nil {
		return nil, err
	}
	return c.client.Do(req)
}

func (c *soakClient) post(path string, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(c.context, "POST", c.url+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	return c.client.Do(req)
}

func (c *soakClient) read(resp *http.Response, err error) error {
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}

func (c *soakClient) closeEarly() error {
	resp, err := c.get(c.context, "/endless")
	if err != nil {
		return err
	}
	_, _ = resp.Body.Read(make([]byte, 10))
	return resp.Body.Close()
}

func (c *soakClient) cancelBefore() error {
	ctx, cancel := context.WithTimeout(c.context, 2*time.Millisecond)
	defer cancel()
	if err := c.read(c.get(ctx, "/silent")); err == nil {
		return errors.New("got no error, want one")
	}
	return nil
}

func (c *soakClient) cancelWithin() error {
	ctx, cancel := context.WithCancel(c.context)
	defer cancel()
	resp, err := c.get(ctx, "/endless")
	if err != nil {
		return err
	}
	_, _ = resp.Body.Read(make([]byte, 10))
	cancel()
	defer resp.Body.Close()
	if n, err := io.Copy(io.Discard, resp.Body); err == nil {
		return fmt.Errorf("%s: got no error of the body after %d bytes, want one", resp.Proto, n)
	}
	return nil
}

func (c *soakClient) aborted() error {
	if err := c.read(c.get(c.context, "/abort")); err == nil {
		return errors.New("got no error, want one")
	}
	return nil
}

// forget leaves the body, and the cancellation to the timer.
func (c *soakClient) forget() error {
	ctx, cancel := context.WithTimeout(c.context, soakForgotten)
	context.AfterFunc(ctx, cancel)
	if _, err := c.get(ctx, "/endless"); err != nil && ctx.Err() == nil {
		return err
	}
	return nil
}
