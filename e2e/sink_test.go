package e2e

import (
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
)

// sink is the end of the pipeline: it receives OTLP over HTTP, like a backend, and keeps the spans and the
// names of the metrics.
type sink struct {
	*httptest.Server

	mu    sync.Mutex
	spans []span
	// metrics has the names of the metrics received so far.
	metrics map[string]bool
	// raw has the decompressed payloads. Secrets are searched for here, because a decoder might drop
	// some data.
	raw [][]byte
	// changed is closed and replaced whenever spans arrive.
	changed chan struct{}
}

// span is one exported span with its resource and scope.
type span struct {
	TraceID, SpanID, ParentID string
	Name                      string
	Kind                      ptrace.SpanKind
	Status                    ptrace.StatusCode
	StatusMessage             string
	Attributes                map[string]any
	Events                    int
	Start, End                time.Time

	Resource                             map[string]any
	ScopeName, ScopeVersion, ScopeSchema string
}

func newSink(t testing.TB) *sink {
	t.Helper()
	s := &sink{changed: make(chan struct{}), metrics: map[string]bool{}}
	s.Server = httptest.NewServer(http.HandlerFunc(s.receive))
	t.Cleanup(s.Close)
	return s
}

func (s *sink) receive(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/v1/traces" && r.URL.Path != "/v1/metrics" || r.Header.Get("Content-Type") != "application/x-protobuf" {
		http.Error(w, fmt.Sprintf("path %q, type %q: not OTLP", r.URL.Path, r.Header.Get("Content-Type")), http.StatusBadRequest)
		return
	}
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		body = z
	}
	raw, err := io.ReadAll(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if r.URL.Path == "/v1/metrics" {
		s.receiveMetrics(w, raw)
		return
	}
	req := ptraceotlp.NewExportRequest()
	if err := req.UnmarshalProto(raw); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	spans := flatten(req.Traces())
	reply, err := ptraceotlp.NewExportResponse().MarshalProto()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}

	s.mu.Lock()
	s.spans = append(s.spans, spans...)
	s.raw = append(s.raw, raw)
	close(s.changed)
	s.changed = make(chan struct{})
	s.mu.Unlock()

	w.Header().Set("Content-Type", "application/x-protobuf")
	w.Write(reply)
}

func (s *sink) receiveMetrics(w http.ResponseWriter, raw []byte) {
	req := pmetricotlp.NewExportRequest()
	if err := req.UnmarshalProto(raw); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	reply, err := pmetricotlp.NewExportResponse().MarshalProto()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	s.mu.Lock()
	for _, rm := range req.Metrics().ResourceMetrics().All() {
		for _, sm := range rm.ScopeMetrics().All() {
			for _, m := range sm.Metrics().All() {
				s.metrics[m.Name()] = true
			}
		}
	}
	close(s.changed)
	s.changed = make(chan struct{})
	s.mu.Unlock()

	w.Header().Set("Content-Type", "application/x-protobuf")
	w.Write(reply)
}

// waitForMetrics returns when these metrics have arrived.
func (s *sink) waitForMetrics(t testing.TB, names ...string) {
	t.Helper()
	s.wait(t, fmt.Sprintf("metrics %q", names), func([]span) bool {
		return !slices.ContainsFunc(names, func(name string) bool { return !s.metrics[name] })
	})
}

// all returns the spans received so far.
func (s *sink) all() []span {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.spans)
}

// payloads returns the payloads received so far.
func (s *sink) payloads() [][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.raw)
}

// wait returns when the received spans satisfy enough. what describes the condition in a failure.
func (s *sink) wait(t testing.TB, what string, enough func([]span) bool) {
	t.Helper()
	deadline := time.After(patience)
	for {
		s.mu.Lock()
		changed, ok := s.changed, enough(s.spans)
		s.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("sink after %v: %s, want %s", patience, describe(s.all()), what)
		}
	}
}

func flatten(td ptrace.Traces) []span {
	var out []span
	for _, rs := range td.ResourceSpans().All() {
		for _, ss := range rs.ScopeSpans().All() {
			for _, sp := range ss.Spans().All() {
				out = append(out, span{
					TraceID:       sp.TraceID().String(),
					SpanID:        sp.SpanID().String(),
					ParentID:      sp.ParentSpanID().String(),
					Name:          sp.Name(),
					Kind:          sp.Kind(),
					Status:        sp.Status().Code(),
					StatusMessage: sp.Status().Message(),
					Attributes:    sp.Attributes().AsRaw(),
					Events:        sp.Events().Len(),
					Start:         sp.StartTimestamp().AsTime(),
					End:           sp.EndTimestamp().AsTime(),
					Resource:      rs.Resource().Attributes().AsRaw(),
					ScopeName:     ss.Scope().Name(),
					ScopeVersion:  ss.Scope().Version(),
					ScopeSchema:   ss.SchemaUrl(),
				})
			}
		}
	}
	return out
}

// describe formats spans for a failure message: service, kind and name.
func describe(spans []span) string {
	if len(spans) == 0 {
		return "no spans"
	}
	var names []string
	for _, s := range spans {
		names = append(names, fmt.Sprintf("%v/%v %s", s.Resource["service.name"], s.Kind, s.Name))
	}
	if len(names) > 32 {
		names = append(names[:32], "…")
	}
	return fmt.Sprintf("%d spans [%s]", len(spans), strings.Join(names, ", "))
}

// pick returns the spans that satisfy keep, in order of start time.
func pick(spans []span, keep func(span) bool) []span {
	var out []span
	for _, s := range spans {
		if keep(s) {
			out = append(out, s)
		}
	}
	slices.SortStableFunc(out, func(a, b span) int { return a.Start.Compare(b.Start) })
	return out
}
