package faults

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/instrumented"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

// faultyExporter blocks until it is released, or fails.
type faultyExporter struct {
	release  chan struct{}
	err      error
	exported atomic.Int64
}

func (e *faultyExporter) ExportSpans(_ context.Context, spans []sdktrace.ReadOnlySpan) error {
	if e.release != nil {
		<-e.release
	}
	e.exported.Add(int64(len(spans)))
	return e.err
}

func (e *faultyExporter) Shutdown(context.Context) error { return nil }

// With the SDK's batch processor, which drops what exceeds its queue, no
// request waits for the exporter.
func TestBlockedExporter(t *testing.T) {
	const requests, queue, batch = 1000, 64, 16
	e := &faultyExporter{release: make(chan struct{})}
	tracers := sdktrace.NewTracerProvider(sdktrace.WithBatcher(e,
		sdktrace.WithMaxQueueSize(queue), sdktrace.WithMaxExportBatchSize(batch), sdktrace.WithBatchTimeout(time.Millisecond),
		sdktrace.WithExportTimeout(0)))
	server := oteltest.NewServer(t, "1.1", oteltest.Handler(http.StatusOK, "fine"))
	rt := instrumented.Transport(oteltest.New(t), server.Client().Transport, otelhttpclient.WithTracerProvider(tracers))
	done := make(chan error, requests)
	go oteltest.Concurrently(requests, 1, func(int) {
		req, err := http.NewRequest("GET", server.URL, nil)
		if err == nil {
			_, err = oteltest.Send(rt, req)
		}
		done <- err
	})
	late := time.After(30 * time.Second)
	for n := range requests {
		select {
		case err := <-done:
			if err != nil {
				t.Fatalf("request %d: got %v, want no error", n, err)
			}
		case <-late:
			t.Fatalf("got %d requests done in 30 s, want all %d, while the exporter blocks", n, requests)
		}
	}
	close(e.release)
	if err := tracers.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	// One batch is being exported, one is being collected, and the queue is full.
	if got := e.exported.Load(); got > queue+2*batch || got < batch {
		t.Errorf("exported spans: got %d of %d, want from %d to %d: the others are dropped", got, requests, batch, queue+2*batch)
	}
}

// An exporter's error goes to the error handler only.
func TestFailingExporter(t *testing.T) {
	handled := oteltest.HandleErrors(t)
	e := &faultyExporter{err: errors.New("no room for spans")}
	for name, processor := range map[string]sdktrace.TracerProviderOption{"syncer": sdktrace.WithSyncer(e), "batcher": sdktrace.WithBatcher(e)} {
		tracers := sdktrace.NewTracerProvider(processor)
		oteltest.MustSend(t, instrumented.Transport(oteltest.New(t), oteltest.Answer(200), otelhttpclient.WithTracerProvider(tracers)), oteltest.NewRequest(t, t.Context(), "GET", "http://inventory.example/", nil))
		_ = tracers.Shutdown(t.Context())
		if got := strings.Join(handled.Texts(), "\n"); strings.Count(got, "no room for spans") == 0 {
			t.Errorf("%s: handled errors: got %q, want the exporter's", name, got)
		}
	}
	if got := e.exported.Load(); got != 2 {
		t.Errorf("exported spans: got %d, want 2", got)
	}
}
