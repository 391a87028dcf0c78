// Package http_test is completed by this file in a copy of the standard library. There it puts a
// Transport around every http.Transport. The package clause is adapted to each tested package.
package http_test

import (
	"context"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/otelhttpclient/otelhttpclient"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// conformanceBase sends requests as http.Transport does without the hook.
type conformanceBase func(*http.Request) (*http.Response, error)

func (f conformanceBase) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// conformanceSpans counts spans. It is the SDK's only processor.
type conformanceSpans struct{ started, ended atomic.Int64 }

func (s *conformanceSpans) OnStart(context.Context, sdktrace.ReadWriteSpan) { s.started.Add(1) }
func (s *conformanceSpans) OnEnd(sdktrace.ReadOnlySpan)                     { s.ended.Add(1) }
func (s *conformanceSpans) Shutdown(context.Context) error                  { return nil }
func (s *conformanceSpans) ForceFlush(context.Context) error                { return nil }

var (
	conformanceRecorded conformanceSpans
	conformanceReader   = metric.NewManualReader()
)

func init() {
	var options []otelhttpclient.Option
	switch os.Getenv("CONFORMANCE_MODE") {
	case "":
		return
	case "everything":
		options = conformanceEverything()
	}
	otel.SetTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(&conformanceRecorded)))
	otel.SetMeterProvider(metric.NewMeterProvider(metric.WithReader(conformanceReader)))
	var wrappers sync.Map // *http.Transport to *otelhttpclient.Transport
	http.ConformanceHook = func(t *http.Transport, bare func(*http.Request) (*http.Response, error), req *http.Request) (*http.Response, error) {
		w, ok := wrappers.Load(t)
		if !ok {
			w, _ = wrappers.LoadOrStore(t, otelhttpclient.NewTransport(conformanceBase(bare), options...))
		}
		return w.(*otelhttpclient.Transport).RoundTrip(req)
	}
}

// conformanceEverything switches on all that a Transport can record, and every callback. It injects
// no headers, which the tests would find.
func conformanceEverything() []otelhttpclient.Option {
	return []otelhttpclient.Option{
		otelhttpclient.WithPropagators(propagation.NewCompositeTextMapPropagator()),
		otelhttpclient.WithSpanOptions(trace.WithAttributes(attribute.String("conformance", "span option"))),
		otelhttpclient.WithSpanNameFormatter(otelhttpclient.URLPathSpanName),
		otelhttpclient.WithClientTrace(func(context.Context) *httptrace.ClientTrace {
			return &httptrace.ClientTrace{
				GetConn:              func(string) {},
				GotConn:              func(httptrace.GotConnInfo) {},
				PutIdleConn:          func(error) {},
				GotFirstResponseByte: func() {},
				WroteHeaderField:     func(string, []string) {},
				WroteHeaders:         func() {},
				WroteRequest:         func(httptrace.WroteRequestInfo) {},
			}
		}),
		otelhttpclient.WithKnownMethods("GET", "HEAD", "POST", "PUT", "CUSTOM"),
		otelhttpclient.WithErrorCheck(func(resp *http.Response) bool { return resp.StatusCode >= 500 }),
		otelhttpclient.WithOptInAttributes("url.scheme", "user_agent.original", "network.transport",
			"http.request.body.size", "http.response.body.size", "url.template"),
		otelhttpclient.WithOptInMetrics(otelhttpclient.MetricRequestBodySize, otelhttpclient.MetricResponseBodySize,
			otelhttpclient.MetricActiveRequests, otelhttpclient.MetricOpenConnections, otelhttpclient.MetricConnectionDuration),
		otelhttpclient.WithConnectionTimings(),
		otelhttpclient.WithRequestHeaders("*"),
		otelhttpclient.WithResponseHeaders("*"),
		otelhttpclient.WithSensitiveHeaders("x-conformance-*"),
		otelhttpclient.WithSensitiveQuery("conformance"),
		otelhttpclient.WithURLTemplate(func(*http.Request) string { return "/conformance/{all}" }),
		otelhttpclient.WithURLFilter(func(u *url.URL) *url.URL { return u }),
		otelhttpclient.WithFilter(func(*http.Request) bool { return true }),
		otelhttpclient.WithRequestHook(func(span trace.Span, req *http.Request) {
			span.SetAttributes(attribute.Int("conformance.request.headers", len(req.Header)))
		}),
		otelhttpclient.WithResponseHook(func(span trace.Span, _ *http.Request, resp *http.Response, err error) {
			span.SetAttributes(attribute.Bool("conformance.failed", err != nil), attribute.Bool("conformance.answered", resp != nil))
		}),
	}
}

// TestZConformance runs after the package's serial tests. It fails if they were not recorded.
func TestZConformance(t *testing.T) {
	if os.Getenv("CONFORMANCE_MODE") == "" {
		return
	}
	started, ended := conformanceRecorded.started.Load(), int64(0)
	for range 200 {
		runtime.GC() // ends the spans of abandoned bodies
		if ended = conformanceRecorded.ended.Load(); ended == started {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	var metrics metricdata.ResourceMetrics
	if err := conformanceReader.Collect(t.Context(), &metrics); err != nil {
		t.Error(err)
	}
	names := 0
	for _, scope := range metrics.ScopeMetrics {
		names += len(scope.Metrics)
	}
	t.Logf("conformance: %d spans started, %d ended, %d metrics", started, ended, names)
	if started == 0 || names == 0 {
		t.Error("got no spans or no metrics, want both: the tests did not run through the Transport")
	}
	if started != ended {
		t.Errorf("got %d spans ended, want %d as started", ended, started)
	}
}
