package e2e

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// backend is a service whose sampler follows the caller's decision, and samples everything without one. It
// keeps the sampled flags of the traceparent headers.
type backend struct {
	*service
	url string

	mu sync.Mutex
	// sampled has the flag of each received trace, by trace ID.
	sampled map[string]bool
	// malformed has the invalid traceparent headers.
	malformed []string
}

func newBackend(t *testing.T, c *collector) *backend {
	t.Helper()
	b := &backend{
		service: newService(t, c, "backend", w3c, sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.AlwaysSample()))),
		sampled: map[string]bool{},
	}
	b.url = b.listen(t, func(w http.ResponseWriter, r *http.Request) {
		b.saw(r.Header.Get("Traceparent"))
		io.WriteString(w, "ok")
	}).URL
	return b
}

func (b *backend) saw(traceparent string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	parts := strings.Split(traceparent, "-")
	if len(parts) != 4 {
		b.malformed = append(b.malformed, traceparent)
		return
	}
	flags, err := strconv.ParseUint(parts[3], 16, 8)
	if err != nil {
		b.malformed = append(b.malformed, traceparent)
		return
	}
	b.sampled[parts[1]] = flags&uint64(trace.FlagsSampled) != 0
}

// check compares the headers' flags with the exported spans: a sampled trace has spans of both services, an
// unsampled one has none.
func (b *backend) check(t *testing.T, requests int, spans []span) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.malformed) != 0 {
		t.Errorf("malformed traceparent headers %q, want none: an unsampled context is also injected", b.malformed)
	}
	if len(b.sampled) != requests {
		t.Errorf("traces at the backend = %d, want %d: one per request", len(b.sampled), requests)
	}
	came := map[string][]span{}
	for _, s := range spans {
		came[s.TraceID] = append(came[s.TraceID], s)
	}
	for id, sampled := range b.sampled {
		want := 0
		if sampled {
			want = 2
		}
		if got := came[id]; len(got) != want {
			t.Errorf("trace %s with sampled = %t: %s, want %d", id, sampled, describe(got), want)
		}
		delete(came, id)
	}
	for id, got := range came {
		t.Errorf("trace %s: %s, want none: the backend did not receive it", id, describe(got))
	}
}

func TestRatioSampler(t *testing.T) {
	tests := []struct {
		ratio    float64
		requests int
		// some: at least one trace is sampled; others: at least one is not
		some, others bool
		why          string
	}{
		{0, 8, false, true, "none is sampled"},
		{0.5, 64, true, true, "about half are sampled"},
		{1, 8, true, false, "all are sampled"},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.ratio), func(t *testing.T) {
			t.Parallel()
			s := newSink(t)
			c := startCollector(t, s)
			b := newBackend(t, c)
			app := newService(t, c, "app", w3c, sdktrace.WithSampler(sdktrace.TraceIDRatioBased(tt.ratio)))
			client := app.client(t)
			for range tt.requests {
				if _, err := fetch(t.Context(), client, b.url+"/"); err != nil {
					t.Fatalf("request: %v, want no error", err)
				}
			}
			flush(t, app, b.service)
			c.stop(t)
			b.check(t, tt.requests, s.all())

			flags := slices.Collect(maps.Values(b.sampled))
			if got := slices.Contains(flags, true); got != tt.some {
				t.Errorf("some trace is sampled: %t, want %t (%s)", got, tt.some, tt.why)
			}
			if got := slices.Contains(flags, false); got != tt.others {
				t.Errorf("some trace is not sampled: %t, want %t (%s)", got, tt.others, tt.why)
			}
		})
	}
}

// byURL drops CLIENT spans whose url.full has the suffix drop. It keeps the attributes of all spans.
type byURL struct {
	drop string

	mu   sync.Mutex
	seen []map[attribute.Key]attribute.Value
}

func (s *byURL) ShouldSample(p sdktrace.SamplingParameters) sdktrace.SamplingResult {
	attrs := map[attribute.Key]attribute.Value{}
	for _, kv := range p.Attributes {
		attrs[kv.Key] = kv.Value
	}
	s.mu.Lock()
	s.seen = append(s.seen, attrs)
	s.mu.Unlock()

	decision := sdktrace.RecordAndSample
	if p.Kind == trace.SpanKindClient && strings.HasSuffix(attrs[semconv.URLFullKey].AsString(), s.drop) {
		decision = sdktrace.Drop
	}
	return sdktrace.SamplingResult{Decision: decision, Tracestate: trace.SpanContextFromContext(p.ParentContext).TraceState()}
}

func (*byURL) Description() string { return "byURL" }

// TestSamplerAttributes: samplers receive the attributes that the conventions require at span creation.
func TestSamplerAttributes(t *testing.T) {
	t.Parallel()
	s := newSink(t)
	c := startCollector(t, s)
	b := newBackend(t, c)
	sampler := &byURL{drop: "/health"}
	app := newService(t, c, "app", w3c, sdktrace.WithSampler(sampler))
	client := app.client(t)
	paths := []string{"/health", "/work", "/health", "/work"}
	for _, path := range paths {
		if _, err := fetch(t.Context(), client, b.url+path); err != nil {
			t.Fatalf("%s: %v, want no error", path, err)
		}
	}
	flush(t, app, b.service)
	c.stop(t)
	b.check(t, len(paths), s.all())

	got := pick(s.all(), func(s span) bool { return s.Kind == ptrace.SpanKindClient })
	if len(got) != 2 {
		t.Errorf("%s from the client, want 2: /health is dropped", describe(got))
	}
	for _, sp := range got {
		if sp.Attributes["url.full"] != b.url+"/work" {
			t.Errorf("url.full = %v, want %s/work", sp.Attributes["url.full"], b.url)
		}
	}
	if len(sampler.seen) != len(paths) {
		t.Errorf("sampler calls = %d, want %d", len(sampler.seen), len(paths))
	}
	for i, attrs := range sampler.seen {
		for _, key := range []attribute.Key{
			semconv.HTTPRequestMethodKey, semconv.ServerAddressKey, semconv.ServerPortKey, semconv.URLFullKey,
		} {
			if v, ok := attrs[key]; !ok {
				t.Errorf("request %d: %s = %v at the sampler, want it set at span creation", i, key, v)
			}
		}
	}
}
