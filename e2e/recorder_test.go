package e2e

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelhttpclient/otelhttpclient"
)

// recorder is a TracerProvider for tests without a Collector. It signals each ended span.
type recorder struct {
	*sdktrace.TracerProvider

	mu      sync.Mutex
	started int
	ended   []sdktrace.ReadOnlySpan
	changed chan struct{}
}

func newRecorder(t testing.TB) *recorder {
	r := &recorder{changed: make(chan struct{})}
	r.TracerProvider = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor((*recorderProcessor)(r)))
	shutdownLater(t, r.TracerProvider)
	return r
}

// transport returns a Transport around base that records into r.
func (r *recorder) transport(base http.RoundTripper, opts ...otelhttpclient.Option) *otelhttpclient.Transport {
	return otelhttpclient.NewTransport(base, append([]otelhttpclient.Option{
		otelhttpclient.WithTracerProvider(r),
		otelhttpclient.WithPropagators(w3c),
	}, opts...)...)
}

// parent starts a parent span. It never ends, so it is not among the ended spans.
func (r *recorder) parent(ctx context.Context) (context.Context, trace.SpanContext) {
	ctx, span := r.Tracer("e2e").Start(ctx, "parent")
	return ctx, span.SpanContext()
}

// wait waits until n spans have ended and returns them.
func (r *recorder) wait(t testing.TB, n int) []sdktrace.ReadOnlySpan {
	t.Helper()
	deadline := time.After(patience)
	for {
		r.mu.Lock()
		changed, ended := r.changed, slices.Clone(r.ended)
		r.mu.Unlock()
		if len(ended) > n {
			t.Fatalf("%d spans ended, want %d:%s", len(ended), n, list(ended))
		}
		if len(ended) == n {
			return ended
		}
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("%d spans ended within %v, want %d:%s", len(ended), patience, n, list(ended))
		}
	}
}

// checkOpen checks the number of started spans that have not ended.
func (r *recorder) checkOpen(t testing.TB, when string, want int) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if got := r.started - len(r.ended); got != want {
		t.Errorf("%s: %d spans are open, want %d; ended:%s", when, got, want, list(r.ended))
	}
}

func list(spans []sdktrace.ReadOnlySpan) string {
	var b strings.Builder
	for _, s := range spans {
		fmt.Fprintf(&b, "\n\t%s %s %v", s.SpanKind(), s.Name(), s.Attributes())
	}
	return b.String()
}

type recorderProcessor recorder

func (r *recorderProcessor) OnStart(context.Context, sdktrace.ReadWriteSpan) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.started++
}

func (r *recorderProcessor) OnEnd(s sdktrace.ReadOnlySpan) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended = append(r.ended, s)
	close(r.changed)
	r.changed = make(chan struct{})
}

func (*recorderProcessor) Shutdown(context.Context) error   { return nil }
func (*recorderProcessor) ForceFlush(context.Context) error { return nil }

// attributeOf returns the value of an attribute, or nil.
func attributeOf(s sdktrace.ReadOnlySpan, key attribute.Key) any {
	for _, kv := range s.Attributes() {
		if kv.Key == key {
			return kv.Value.AsInterface()
		}
	}
	return nil
}
