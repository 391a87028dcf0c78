// Package moving tests the migration from otelhttp to otelhttpclient, and lists all differences.
package moving

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	after "github.com/otelhttpclient/otelhttpclient/e2e/moving/after"
	before "github.com/otelhttpclient/otelhttpclient/e2e/moving/before"
)

const (
	otelhttpImport       = `	otelhttp "go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"`
	otelhttpclientImport = `	otelhttp "github.com/otelhttpclient/otelhttpclient"`
)

// TestOnlyImportDiffers: the two programs differ only in the import.
func TestOnlyImportDiffers(t *testing.T) {
	lines := func(file string) []string {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Split(string(src), "\n")
	}
	was, is := lines("before/program.go"), lines("after/program.go")
	if len(was) != len(is) {
		t.Fatalf("%d lines before, %d after; want the same number", len(was), len(is))
	}
	for i := range was {
		if was[i] != is[i] && (was[i] != otelhttpImport || is[i] != otelhttpclientImport) {
			t.Errorf("line %d = %q before, %q after; want a difference only in the import", i+1, was[i], is[i])
		}
	}
}

// change is one difference between the libraries.
type change struct {
	// where is a request's path or a metric's name, or in the table a comma-separated list of them.
	where, what string
	// "" means that it is not recorded.
	before, after string
	why           string
}

// there is the value of something that is recorded, but whose value is not compared.
const there = "there"

// changes lists all differences in the telemetry. PORT is the server's port.
var changes = []change{
	{"/ok, /missing, /moved, /moved to /ok, /refused", "name", "HTTP GET", "GET",
		"the conventions name a span by its method if no template is known"},
	{"/echo", "name", "HTTP POST", "POST",
		"the same for another method"},
	{"/ok, /echo, /missing, /moved, /moved to /ok", "network.peer.address", "", "127.0.0.1",
		"the conventions recommend the address of the connection"},
	{"/ok, /echo, /missing, /moved, /moved to /ok", "network.peer.port", "", "PORT",
		"the same for the port"},
	{"/ok", "url.full", "http://127.0.0.1:PORT/ok?page=2&sig=hunter2", "http://127.0.0.1:PORT/ok?page=2&sig=REDACTED",
		"credentials in query parameters are redacted"},
	{"/moved to /ok", "http.request.resend_count", "", "1",
		"a redirect is a resend"},
	{"/refused", "error.type", "*net.OpError", "connection_error",
		"error.type is one of a few documented values"},
	{"/refused", "network.protocol.version", "1.1", "",
		"the version is the negotiated one, and no version was negotiated"},
	{"http.client.request.duration", "url.scheme", there, "",
		"an Opt-In attribute is not recorded by default"},
	{"http.client.request.duration", "network.protocol.name", there, "",
		"it is recorded only if it is not http"},
	{"http.client.request.body.size", "", there, "",
		"an Opt-In metric is not recorded by default"},
	{"otelhttpclient.response.body.abandoned", "", "", there,
		"a counter of leaks, from 0 on"},
}

// TestTelemetryChanges runs the program with both libraries. The results and the requests at the server are
// equal, and the telemetry differs only as listed in changes.
func TestTelemetryChanges(t *testing.T) {
	srv := newServer(t)
	closed := "http://" + closedPort(t)
	was := run(t, "otelhttp", srv, closed, before.NewClient, before.Run)
	is := run(t, "otelhttpclient", srv, closed, after.NewClient, after.Run)

	if !slices.Equal(was.saw, is.saw) {
		t.Errorf("results = %q before, %q after; want them equal", was.saw, is.saw)
	}
	for _, o := range []*outcome{was, is} {
		want := []string{"/ok", "/echo", "/missing", "/moved", "/ok", "/health"}
		if !slices.Equal(o.paths, want) {
			t.Errorf("%s: requests at the server = %q, want %q", o.name, o.paths, want)
		}
	}
	_, port, err := net.SplitHostPort(srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	checkChanges(t, diff(was.facts, is.facts), port)
}

// checkChanges compares got with the table.
func checkChanges(t *testing.T, got []change, port string) {
	t.Helper()
	key := func(where, what string) string { return where + ": " + what }
	wanted := map[string]change{}
	for _, c := range changes {
		c.before = strings.ReplaceAll(c.before, "PORT", port)
		c.after = strings.ReplaceAll(c.after, "PORT", port)
		for where := range strings.SplitSeq(c.where, ", ") {
			wanted[key(where, c.what)] = c
		}
	}
	for _, g := range got {
		k := key(g.where, g.what)
		w, ok := wanted[k]
		if !ok {
			t.Errorf("%s = %q before, %q after; want no change", k, g.before, g.after)
			continue
		}
		delete(wanted, k)
		if g.before != w.before || g.after != w.after {
			t.Errorf("%s = %q before, %q after; want %q, %q (%s)", k, g.before, g.after, w.before, w.after, w.why)
		}
	}
	for k, w := range wanted {
		t.Errorf("%s: no change, want %q before, %q after (%s)", k, w.before, w.after, w.why)
	}
}

// facts maps where and what to the recorded value.
type facts map[string]map[string]string

func (f facts) add(where, what string, value any) {
	if f[where] == nil {
		f[where] = map[string]string{}
	}
	f[where][what] = fmt.Sprint(value)
}

// diff returns the differences. If one side has no facts for a place, that is one change.
func diff(was, is facts) []change {
	var out []change
	for _, where := range union(was, is) {
		b, a := was[where], is[where]
		if len(b) == 0 || len(a) == 0 {
			out = append(out, change{where: where, before: presence(b), after: presence(a)})
			continue
		}
		for _, what := range union(b, a) {
			if b[what] != a[what] {
				out = append(out, change{where: where, what: what, before: b[what], after: a[what]})
			}
		}
	}
	return out
}

func presence(f map[string]string) string {
	if len(f) == 0 {
		return ""
	}
	return there
}

// union returns the keys of both maps, sorted.
func union[V any](a, b map[string]V) []string {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return slices.Sorted(maps.Keys(all))
}

// outcome is the result of a run.
type outcome struct {
	name string
	// saw is the program's result; paths are the requests at the server.
	saw, paths []string
	facts      facts
}

func run(t *testing.T, name string, srv *server, closed string,
	newClient func(http.RoundTripper, trace.TracerProvider, metric.MeterProvider, propagation.TextMapPropagator) *http.Client,
	program func(context.Context, *http.Client, string, string) []string,
) *outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	recorded := tracetest.NewSpanRecorder()
	tp := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorded))
	reader := sdkmetric.NewManualReader()
	mp := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
	base := http.DefaultTransport.(*http.Transport).Clone()
	base.Proxy = nil
	defer base.CloseIdleConnections()
	ctx, parent := tp.Tracer("moving").Start(ctx, "parent")

	srv.reset()
	o := &outcome{name: name, facts: facts{}}
	o.saw = program(ctx, newClient(base, tp, mp, propagation.TraceContext{}), srv.URL, closed)
	o.paths = srv.asked()

	for _, s := range recorded.Ended() {
		where := o.addSpan(s, parent.SpanContext())
		// Each request carries the header of its own span; a filtered request has none.
		if got, ok := srv.parentOf(s.SpanContext().SpanID()); ok && got != where {
			t.Errorf("%s: span of %s was propagated to %s, want its own request", name, where, got)
		}
	}
	if got := srv.untraced(); !slices.Equal(got, []string{"/health"}) {
		t.Errorf("%s: requests without a header = %q, want only the filtered /health", name, got)
	}
	o.addMetrics(t, reader)
	return o
}

// addSpan adds the facts of s, and returns the requested path.
func (o *outcome) addSpan(s sdktrace.ReadOnlySpan, parent trace.SpanContext) string {
	attrs := attribute.NewSet(s.Attributes()...)
	full, _ := attrs.Value("url.full")
	_, where, _ := strings.Cut(strings.TrimPrefix(full.AsString(), "http://"), "/")
	where, _, _ = strings.Cut("/"+where, "?")
	// The redirect's target is requested twice, the second time without a query.
	place := where
	if where == "/ok" && !strings.Contains(full.AsString(), "?") {
		place = "/moved to /ok"
	}
	o.facts.add(place, "name", s.Name())
	o.facts.add(place, "kind", s.SpanKind())
	o.facts.add(place, "status", s.Status().Code)
	o.facts.add(place, "message", s.Status().Description)
	o.facts.add(place, "child of the parent", s.Parent().SpanID() == parent.SpanID())
	for _, e := range s.Events() {
		o.facts.add(place, "event "+e.Name, there)
	}
	for _, kv := range s.Attributes() {
		o.facts.add(place, string(kv.Key), kv.Value.String())
	}
	return where
}

// addMetrics adds the instruments that recorded measurements, and their attribute names.
func (o *outcome) addMetrics(t *testing.T, reader *sdkmetric.ManualReader) {
	t.Helper()
	var rm metricdata.ResourceMetrics
	if err := reader.Collect(context.Background(), &rm); err != nil {
		t.Fatal(err)
	}
	for _, sm := range rm.ScopeMetrics {
		for _, m := range sm.Metrics {
			o.facts.add(m.Name, "unit", m.Unit)
			var measured uint64
			points := func(set attribute.Set, n uint64) {
				measured += n
				for _, kv := range set.ToSlice() {
					o.facts.add(m.Name, string(kv.Key), there)
				}
			}
			switch d := m.Data.(type) {
			case metricdata.Histogram[float64]:
				for _, p := range d.DataPoints {
					points(p.Attributes, p.Count)
				}
			case metricdata.Histogram[int64]:
				for _, p := range d.DataPoints {
					points(p.Attributes, p.Count)
				}
			}
			o.facts.add(m.Name, "measurements", measured)
		}
	}
}

// server answers the program and keeps its requests.
type server struct {
	*httptest.Server

	mu       sync.Mutex
	requests []*http.Request
}

func newServer(t *testing.T) *server {
	s := &server{}
	mux := http.NewServeMux()
	mux.HandleFunc("/ok", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "ok") })
	mux.HandleFunc("/health", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "fine") })
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) })
	mux.Handle("/moved", http.RedirectHandler("/ok", http.StatusFound))
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.requests = append(s.requests, r)
		s.mu.Unlock()
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *server) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = nil
}

func (s *server) asked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var paths []string
	for _, r := range s.requests {
		paths = append(paths, r.URL.Path)
	}
	return paths
}

// parentOf returns the path of the request that carried the span.
func (s *server) parentOf(id trace.SpanID) (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.requests {
		if strings.Contains(r.Header.Get("Traceparent"), id.String()) {
			return r.URL.Path, true
		}
	}
	return "", false
}

func (s *server) untraced() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var paths []string
	for _, r := range s.requests {
		if r.Header.Get("Traceparent") == "" {
			paths = append(paths, r.URL.Path)
		}
	}
	return paths
}

// closedPort returns an unused loopback address.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
