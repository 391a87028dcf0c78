package conventions

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/instrumented"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

func TestMetricsOfUnsampledRequests(t *testing.T) {
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		w := oteltest.NewServer(t, version, func(rw http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			_, _ = io.WriteString(rw, "fine")
		})
		measured := func(sampler sdktrace.Sampler) string {
			tel := oteltest.NewSampled(t, sampler)
			rt := instrumented.Transport(tel, w.Base, instrumented.AllMetrics(), otelhttpclient.WithOptInAttributes("url.scheme", "url.template"))
			ctx := otelhttpclient.ContextWithURLTemplate(t.Context(), "/")
			oteltest.MustSend(t, rt, oteltest.NewRequest(t, ctx, "POST", w.URL, strings.NewReader("how are you?")))
			duration, sent, received := tel.Seconds("http.client.request.duration"), tel.Bytes("http.client.request.body.size"), tel.Bytes("http.client.response.body.size")
			if duration.Sum <= 0 {
				t.Errorf("duration = %v s, want more than 0", duration.Sum)
			}
			open, _ := tel.Metric("http.client.open_connections")
			active, _ := tel.Metric("http.client.active_requests")
			return fmt.Sprintln(duration.Count, duration.Attributes.ToSlice(), sent.Count, sent.Sum, sent.Attributes.ToSlice(),
				received.Count, received.Sum, received.Attributes.ToSlice(),
				len(open.Data.(metricdata.Sum[int64]).DataPoints), len(active.Data.(metricdata.Sum[int64]).DataPoints))
		}
		if got, want := measured(sdktrace.NeverSample()), measured(sdktrace.AlwaysSample()); got != want {
			t.Errorf("of an unsampled request:\n got %s\nwant what is measured of a sampled one:\n     %s", got, want)
		}
	})
}

func TestMetricsOfFailedRequests(t *testing.T) {
	sizes := otelhttpclient.WithOptInMetrics(otelhttpclient.MetricRequestBodySize,
		otelhttpclient.MetricResponseBodySize, otelhttpclient.MetricActiveRequests)
	t.Run("failed", func(t *testing.T) {
		tel := oteltest.New(t)
		rt := instrumented.Transport(tel, &http.Transport{}, sizes)
		if _, err := oteltest.Send(rt, oteltest.NewRequest(t, t.Context(), "POST", oteltest.ClosedPort(t), strings.NewReader("never sent"))); err == nil {
			t.Fatal("error = nil, want that of a closed port")
		}
		if got := tel.Seconds("http.client.request.duration").Count; got != 1 {
			t.Errorf("durations: got %d, want 1", got)
		}
		wantBytes(t, tel, "http.client.request.body.size", 0)
		if got := tel.Count("http.client.active_requests", attribute.KeyValue{}); got != 0 {
			t.Errorf("active requests: got %d, want 0", got)
		}
	})
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		tel := oteltest.New(t)
		w := oteltest.NewServer(t, version, oteltest.Stall(true))
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		resp := oteltest.Open(t, instrumented.Transport(tel, w.Base, sizes), oteltest.NewRequest(t, ctx, "GET", w.URL, nil))
		defer resp.Body.Close()
		if _, err := io.ReadFull(resp.Body, make([]byte, len("beginning"))); err != nil {
			t.Fatalf("reading the beginning = %v, want no error", err)
		}
		cancel()
		if _, err := io.Copy(io.Discard, resp.Body); err == nil {
			t.Fatal("error = nil, want that of the cancellation")
		}
		if got := tel.Seconds("http.client.request.duration").Count; got != 1 {
			t.Errorf("durations: got %d, want 1", got)
		}
		wantBytes(t, tel, "http.client.response.body.size", len("beginning"))
		if got := tel.Count("http.client.active_requests", attribute.KeyValue{}); got != 0 {
			t.Errorf("active requests: got %d, want 0", got)
		}
	})
}

func TestExemplars(t *testing.T) {
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		tel := oteltest.New(t)
		w := oteltest.NewServer(t, version, func(rw http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(rw, "ok") })
		oteltest.MustSend(t, instrumented.Transport(tel, w.Base, instrumented.AllMetrics()), oteltest.NewRequest(t, t.Context(), "GET", w.URL, nil))
		want := tel.OnlySpan().SpanContext
		check := func(name string, traceIDs, spanIDs [][]byte) {
			t.Helper()
			if len(traceIDs) == 0 {
				t.Errorf("%s: no exemplar, want one", name)
			}
			wantTrace, wantSpan := want.TraceID(), want.SpanID()
			for i := range traceIDs {
				if !bytes.Equal(traceIDs[i], wantTrace[:]) || !bytes.Equal(spanIDs[i], wantSpan[:]) {
					t.Errorf("%s: exemplar of trace %x, span %x, want trace %v, span %v", name, traceIDs[i], spanIDs[i], wantTrace, wantSpan)
				}
			}
		}
		var traceIDs, spanIDs [][]byte
		for _, e := range tel.Seconds("http.client.request.duration").Exemplars {
			traceIDs, spanIDs = append(traceIDs, e.TraceID), append(spanIDs, e.SpanID)
		}
		check("http.client.request.duration", traceIDs, spanIDs)
		for _, name := range []string{"http.client.request.body.size", "http.client.response.body.size"} {
			traceIDs, spanIDs = nil, nil
			for _, e := range tel.Bytes(name).Exemplars {
				traceIDs, spanIDs = append(traceIDs, e.TraceID), append(spanIDs, e.SpanID)
			}
			check(name, traceIDs, spanIDs)
		}
		traceIDs, spanIDs = nil, nil
		active, _ := tel.Metric("http.client.active_requests")
		for _, p := range active.Data.(metricdata.Sum[int64]).DataPoints {
			for _, e := range p.Exemplars {
				traceIDs, spanIDs = append(traceIDs, e.TraceID), append(spanIDs, e.SpanID)
			}
		}
		check("http.client.active_requests", traceIDs, spanIDs)
	})
}
