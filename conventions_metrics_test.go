package otelhttpclient_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/oteltest"
	"github.com/otelhttpclient/otelhttpclient/internal/oteltest/instrumented"
)

// The rules about metrics, scope and old names, in the order of
// docs/conventions.md. Those about spans are in conventions_span_test.go.

// Metrics.

func TestRuleInstruments(t *testing.T) {
	t.Parallel() // it takes the library a second to see that a connection is closed
	for _, test := range []struct {
		name, unit string
		kind       string
		bounds     []float64 // nil: the convention names none
	}{
		{"http.client.request.duration", "s", "histogram of float64", []float64{0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10}},
		{"http.client.request.body.size", "By", "histogram of int64", nil},
		{"http.client.response.body.size", "By", "histogram of int64", nil},
		{"http.client.active_requests", "{request}", "up-down counter", nil},
		{"http.client.open_connections", "{connection}", "up-down counter", nil},
		{"http.client.connection.duration", "s", "histogram of float64", []float64{0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			tel := oteltest.New(t)
			w := oteltest.NewServer(t, "1.1", func(http.ResponseWriter, *http.Request) {})
			oteltest.MustSend(t, instrumented.Transport(tel, w.Base, instrumented.AllMetrics()), oteltest.NewRequest(t, t.Context(), "GET", w.URL, nil))
			w.Base.CloseIdleConnections()
			oteltest.Eventually(t, test.name+" is recorded", func() bool { _, ok := tel.Metric(test.name); return ok })
			m, _ := tel.Metric(test.name)
			if m.Unit != test.unit {
				t.Errorf("unit = %q, want %q", m.Unit, test.unit)
			}
			if m.Description == "" {
				t.Error("description is empty, want one")
			}
			kind, bounds := "", []float64(nil)
			switch data := m.Data.(type) {
			case metricdata.Histogram[float64]:
				kind, bounds = "histogram of float64", data.DataPoints[0].Bounds
			case metricdata.Histogram[int64]:
				kind = "histogram of int64"
			case metricdata.Sum[int64]:
				kind = "up-down counter"
				if data.IsMonotonic {
					kind = "counter"
				}
			}
			if kind != test.kind {
				t.Errorf("kind = %q (%T), want %q", kind, m.Data, test.kind)
			}
			if got, want := fmt.Sprint(bounds), fmt.Sprint(test.bounds); got != want {
				t.Errorf("bucket boundaries = %s, want %s", got, want)
			}
		})
	}
}

func TestRuleOptInMetricsOnlyWhereAskedFor(t *testing.T) {
	run := func(t *testing.T, options ...otelhttpclient.Option) map[string]bool {
		tel := oteltest.New(t)
		w := oteltest.NewServer(t, "1.1", func(http.ResponseWriter, *http.Request) {})
		oteltest.MustSend(t, instrumented.Transport(tel, w.Base, options...), oteltest.NewRequest(t, t.Context(), "GET", w.URL, nil))
		return tel.MetricNames()
	}
	const always = "http.client.request.duration"
	if got := run(t); len(got) != 1 || !got[always] {
		t.Errorf("metrics by default = %v, want %s alone", got, always)
	}
	for _, name := range []otelhttpclient.Metric{
		otelhttpclient.MetricRequestBodySize, otelhttpclient.MetricResponseBodySize,
		otelhttpclient.MetricActiveRequests, otelhttpclient.MetricOpenConnections,
	} {
		if got := run(t, otelhttpclient.WithOptInMetrics(name)); len(got) != 2 || !got[always] || !got[string(name)] {
			t.Errorf("metrics with %s = %v, want it and %s", name, got, always)
		}
	}
	// That of connection.duration is recorded only when one is closed:
	// TestRuleConnectionMetrics.
}

func TestRuleDurationIsThatOfTheSpan(t *testing.T) {
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		w := oteltest.NewServer(t, version, func(rw http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/abort" {
				oteltest.Abort(true)(rw, r)
			}
			_, _ = io.WriteString(rw, "ok")
		})
		for _, path := range []string{"/", "/abort"} {
			tel := oteltest.New(t)
			_, err := oteltest.Send(instrumented.Transport(tel, w.Base), oteltest.NewRequest(t, t.Context(), "GET", w.URL+path, nil))
			if got, want := err != nil, path == "/abort"; got != want {
				t.Fatalf("%s: error = %v, want one: %v", path, err, want)
			}
			span, point := tel.OnlySpan(), tel.Seconds("http.client.request.duration")
			want := span.EndTime.Sub(span.StartTime).Seconds()
			if point.Count != 1 || math.Abs(point.Sum-want) > 1e-9 || want <= 0 {
				t.Errorf("%s: %d durations, sum %v s, want one, the span's %v s", path, point.Count, point.Sum, want)
			}
		}
	})
}

func TestRuleAttributesOfDurationAndSizes(t *testing.T) {
	required := []string{"http.request.method", "server.address", "server.port"}
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		w := oteltest.NewServer(t, version, func(rw http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/missing" {
				rw.WriteHeader(http.StatusNotFound)
			}
			_, _ = io.WriteString(rw, "ok")
		})
		for _, test := range []struct {
			name, url string
			options   []otelhttpclient.Option
			want      []string // beside the required ones
		}{
			{"a success", w.URL, nil, []string{"http.response.status_code", "network.protocol.version"}},
			{"an error response", w.URL + "/missing", nil, []string{"http.response.status_code", "network.protocol.version", "error.type"}},
			{"a failure", oteltest.ClosedPort(t), nil, []string{"error.type"}},
			{"with opt-in attributes", w.URL, []otelhttpclient.Option{otelhttpclient.WithOptInAttributes("url.scheme", "url.template")},
				[]string{"http.response.status_code", "network.protocol.version", "url.scheme", "url.template"}},
			{"with opt-in attributes of spans", w.URL, []otelhttpclient.Option{otelhttpclient.WithOptInAttributes("user_agent.original", "network.transport",
				"http.request.body.size", "http.response.body.size"), otelhttpclient.WithRequestHeaders("*"), otelhttpclient.WithResponseHeaders("*")},
				[]string{"http.response.status_code", "network.protocol.version"}},
		} {
			t.Run(test.name, func(t *testing.T) {
				tel := oteltest.New(t)
				rt := instrumented.Transport(tel, w.Base, append(test.options, otelhttpclient.WithOptInMetrics(
					otelhttpclient.MetricRequestBodySize, otelhttpclient.MetricResponseBodySize))...)
				ctx := otelhttpclient.ContextWithURLTemplate(t.Context(), "/")
				_, _ = oteltest.Send(rt, oteltest.NewRequest(t, ctx, "GET", test.url, nil))
				want := append(append([]string{}, required...), test.want...)
				duration := tel.DurationAttributes()
				oteltest.WantKeys(t, "duration", duration, want...)
				oteltest.WantKeys(t, "request size", ruleSizeAttributes(tel, "http.client.request.body.size"), want...)
				if _, ok := tel.Metric("http.client.response.body.size"); ok == (test.name == "a failure") {
					t.Errorf("response size recorded: got %v, want it exactly where there is a response", ok)
				} else if ok {
					oteltest.WantKeys(t, "response size", ruleSizeAttributes(tel, "http.client.response.body.size"), want...)
				}
				// What the span has, too, it has with the same value.
				onSpan := oteltest.Attributes(tel.OnlySpan().Attributes)
				for _, kv := range duration {
					if v, ok := onSpan[kv.Key]; ok && v != kv.Value {
						t.Errorf("%s: got %v on the duration, want the span's %v", kv.Key, kv.Value.AsInterface(), v.AsInterface())
					}
				}
			})
		}
	})
}

func TestRuleActiveRequests(t *testing.T) {
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		arrived, answer := make(chan struct{}), make(chan struct{})
		w := oteltest.NewServer(t, version, func(http.ResponseWriter, *http.Request) { close(arrived); <-answer })
		tel := oteltest.New(t)
		rt := instrumented.Transport(tel, w.Base, otelhttpclient.WithOptInMetrics(otelhttpclient.MetricActiveRequests))
		done := make(chan error)
		go func() {
			_, err := oteltest.Send(rt, oteltest.NewRequest(t, t.Context(), "PUT", w.URL, nil))
			done <- err
		}()
		<-arrived
		want := attribute.NewSet(attribute.String("http.request.method", "PUT"),
			attribute.String("server.address", w.Host()), attribute.Int("server.port", w.Port()))
		ruleWantCounts(t, tel, "http.client.active_requests", "a request is under way", map[attribute.Set]int64{want: 1})
		close(answer)
		if err := <-done; err != nil {
			t.Fatalf("error = %v, want none", err)
		}
		ruleWantCounts(t, tel, "http.client.active_requests", "it is over", map[attribute.Set]int64{want: 0})
	})
}

func TestRuleConnectionMetrics(t *testing.T) {
	for _, version := range []string{"1.1", "2"} {
		t.Run("HTTP/"+version, func(t *testing.T) {
			t.Parallel() // it takes the library a second to see that a connection is closed
			begin := time.Now()
			answer := make(chan struct{})
			w := oteltest.NewServer(t, version, func(rw http.ResponseWriter, _ *http.Request) {
				rw.(http.Flusher).Flush()
				<-answer
			})
			tel := oteltest.New(t)
			rt := instrumented.Transport(tel, w.Base, otelhttpclient.WithOptInMetrics(
				otelhttpclient.MetricOpenConnections, otelhttpclient.MetricConnectionDuration))
			connection := []attribute.KeyValue{attribute.String("server.address", w.Host()),
				attribute.Int("server.port", w.Port()), attribute.String("network.protocol.version", version)}
			state := func(s string) attribute.Set {
				return attribute.NewSet(append([]attribute.KeyValue{attribute.String("http.connection.state", s)}, connection...)...)
			}
			active, idle := state("active"), state("idle")
			const name = "http.client.open_connections"

			start := func() *http.Response {
				resp := oteltest.Open(t, rt, oteltest.NewRequest(t, t.Context(), "GET", w.URL, nil))
				return resp
			}
			finish := func(responses ...*http.Response) {
				for _, resp := range responses {
					if _, err := io.Copy(io.Discard, resp.Body); err != nil {
						t.Fatalf("reading the body = %v, want no error", err)
					}
					resp.Body.Close()
				}
			}
			first, second := start(), start()
			connections := int64(2)
			if version == "2" {
				connections = 1 // which carries both requests
			}
			ruleWantCounts(t, tel, name, "two requests are under way", map[attribute.Set]int64{active: connections})
			close(answer)
			finish(first, second)
			ruleWantCounts(t, tel, name, "both are over", map[attribute.Set]int64{active: 0, idle: connections})
			finish(start())
			ruleWantCounts(t, tel, name, "one was used again", map[attribute.Set]int64{active: 0, idle: connections})
			if _, ok := tel.Metric("http.client.connection.duration"); ok {
				t.Error("a connection's duration is recorded while all are open, want none")
			}

			w.Base.CloseIdleConnections()
			oteltest.Eventually(t, "the closed connections are seen", func() bool { return tel.Count(name, attribute.KeyValue{}) == 0 })
			ruleWantCounts(t, tel, name, "they are closed", map[attribute.Set]int64{active: 0, idle: 0})
			var point metricdata.HistogramDataPoint[float64]
			oteltest.Eventually(t, "their durations are recorded", func() bool {
				_, ok := tel.Metric("http.client.connection.duration")
				return ok
			})
			point = tel.Seconds("http.client.connection.duration")
			if most := time.Since(begin).Seconds() * float64(connections); point.Count != uint64(connections) || point.Sum <= 0 || point.Sum > most {
				t.Errorf("durations of connections: got %d, %v s in all, want %d, and more than 0 and at most %v s", point.Count, point.Sum, connections, most)
			}
			if want := attribute.NewSet(connection...); !point.Attributes.Equals(&want) {
				t.Errorf("attributes of connection.duration: got %v, want %v", point.Attributes.ToSlice(), want.ToSlice())
			}
		})
	}
}

func TestRuleMetricsOfUnsampledRequestsAreComplete(t *testing.T) {
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

func TestRuleFailedAndCancelledRequestsAreMeasured(t *testing.T) {
	sizes := otelhttpclient.WithOptInMetrics(otelhttpclient.MetricRequestBodySize,
		otelhttpclient.MetricResponseBodySize, otelhttpclient.MetricActiveRequests)
	t.Run("failed", func(t *testing.T) {
		tel := oteltest.New(t)
		rt := instrumented.Transport(tel, &http.Transport{}, sizes)
		if _, err := oteltest.Send(rt, oteltest.NewRequest(t, t.Context(), "POST", oteltest.ClosedPort(t), strings.NewReader("never sent"))); err == nil {
			t.Fatal("error = nil, want that of a port that nobody listens at")
		}
		if got := tel.Seconds("http.client.request.duration").Count; got != 1 {
			t.Errorf("durations: got %d, want 1", got)
		}
		ruleWantBytes(t, tel, "http.client.request.body.size", 0)
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
		ruleWantBytes(t, tel, "http.client.response.body.size", len("beginning"))
		if got := tel.Count("http.client.active_requests", attribute.KeyValue{}); got != 0 {
			t.Errorf("active requests: got %d, want 0", got)
		}
	})
}

func TestRuleExemplarsLinkToTheSpan(t *testing.T) {
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

// Sizes. All of them are checked on the span and on the metric.

// ruleSized is a Transport that records both sizes wherever they can be.
func ruleSized(tel *oteltest.SDK, base http.RoundTripper) *otelhttpclient.Transport {
	return instrumented.Transport(tel, base, otelhttpclient.WithOptInAttributes("http.request.body.size", "http.response.body.size"), otelhttpclient.WithOptInMetrics(otelhttpclient.MetricRequestBodySize, otelhttpclient.MetricResponseBodySize))
}

// ruleWantSizes checks the sizes of the one request; nil: not recorded.
func ruleWantSizes(t *testing.T, tel *oteltest.SDK, sent, received any) {
	t.Helper()
	for key, want := range map[string]any{"request": sent, "response": received} {
		key = "http." + key + ".body.size"
		oteltest.WantAttribute(t, tel.OnlySpan().Attributes, attribute.Key(key), want)
		ruleWantBytes(t, tel, strings.Replace(key, "http.", "http.client.", 1), want)
	}
}

func TestRuleSizesAreThoseReallySentAndReceived(t *testing.T) {
	// No single read or write can bring so much.
	const upload, download = 300_000, 200_000
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		w := oteltest.NewServer(t, version, func(rw http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			switch r.URL.Path {
			case "/empty":
			case "/204":
				rw.WriteHeader(http.StatusNoContent)
			case "/head":
				rw.Header().Set("Content-Length", strconv.Itoa(download))
			case "/stream":
				rw.(http.Flusher).Flush() // without a length
				fallthrough
			default:
				_, _ = io.WriteString(rw, strings.Repeat("y", download))
			}
		})
		known := func() io.Reader { return strings.NewReader(strings.Repeat("x", upload)) }
		stream := func() io.Reader { return struct{ io.Reader }{known()} }
		none := func() io.Reader { return nil }
		for _, test := range []struct {
			name, method, path string
			body               func() io.Reader
			sent, received     int
		}{
			{"known lengths", "POST", "/", known, upload, download},
			{"streams in both directions", "POST", "/stream", stream, upload, download},
			{"no body in either direction", "GET", "/empty", none, 0, 0},
			{"an explicit empty body", "POST", "/empty", func() io.Reader { return http.NoBody }, 0, 0},
			{"204", "POST", "/204", known, upload, 0},
			{"HEAD, whose Content-Length tells of a body that does not come", "HEAD", "/head", none, 0, 0},
		} {
			t.Run(test.name, func(t *testing.T) {
				tel := oteltest.New(t)
				oteltest.MustSend(t, ruleSized(tel, w.Base), oteltest.NewRequest(t, t.Context(), test.method, w.URL+test.path, test.body()))
				ruleWantSizes(t, tel, test.sent, test.received)
			})
		}
	})
}

// A body that is closed before its end counts as far as it was read.
func TestRuleSizeOfAResponseThatIsClosedEarly(t *testing.T) {
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		w := oteltest.NewServer(t, version, oteltest.Stall(true))
		tel := oteltest.New(t)
		resp, err := ruleSized(tel, w.Base).RoundTrip(oteltest.NewRequest(t, t.Context(), "GET", w.URL, nil))
		if err != nil {
			t.Fatalf("RoundTrip = %v, want no error", err)
		}
		if _, err := io.ReadFull(resp.Body, make([]byte, 5)); err != nil {
			t.Fatalf("reading 5 bytes = %v, want no error", err)
		}
		_ = resp.Body.Close()
		ruleWantSizes(t, tel, 0, 5)
	})
}

// A server may answer before the upload is complete: counted is what was sent
// until then.
func TestRuleSizeOfAnUploadThatIsAnsweredEarly(t *testing.T) {
	const sent = 5000
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		w := oteltest.NewServer(t, version, func(rw http.ResponseWriter, r *http.Request) {
			_ = http.NewResponseController(rw).EnableFullDuplex() // which HTTP/2 always is
			rw.Header().Set("Connection", "close")
			rw.Header().Set("Content-Length", "4")
			if _, err := io.CopyN(io.Discard, r.Body, sent); err == nil {
				rw.WriteHeader(http.StatusRequestEntityTooLarge)
				_, _ = io.WriteString(rw, "much")
				rw.(http.Flusher).Flush()
			}
		})
		body, upload := io.Pipe()
		t.Cleanup(func() { upload.Close() })
		go func() { _, _ = upload.Write(make([]byte, sent)) }() // and then no more, for as long as the request lasts
		tel := oteltest.New(t)
		status, err := oteltest.Send(ruleSized(tel, w.Base), oteltest.NewRequest(t, t.Context(), "POST", w.URL, body))
		if status != http.StatusRequestEntityTooLarge || err != nil {
			t.Fatalf("status = %d, error = %v, want %d and none", status, err, http.StatusRequestEntityTooLarge)
		}
		ruleWantSizes(t, tel, sent, 4)
	})
}

// A body that is sent again counts for each attempt on its own.
func TestRuleSizeOfARedirectedUpload(t *testing.T) {
	const size = 5000
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		w := oteltest.NewServer(t, version, func(rw http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			if r.URL.Path == "/a" {
				http.Redirect(rw, r, "/b", http.StatusTemporaryRedirect)
			}
		})
		tel := oteltest.New(t)
		oteltest.MustSend(t, oteltest.RoundTripFunc((&http.Client{Transport: ruleSized(tel, w.Base)}).Do), oteltest.NewRequest(t, t.Context(), "POST", w.URL+"/a", strings.NewReader(strings.Repeat("x", size))))
		spans := tel.Spans()
		if len(spans) != 2 {
			t.Fatalf("%d spans, want 2: one for each hop", len(spans))
		}
		for _, span := range spans {
			oteltest.WantAttribute(t, span.Attributes, "http.request.body.size", size)
		}
		m, _ := tel.Metric("http.client.request.body.size")
		h, _ := m.Data.(metricdata.Histogram[int64])
		if len(h.DataPoints) != 2 {
			t.Fatalf("%d data points, want 2: the status codes differ", len(h.DataPoints))
		}
		for _, p := range h.DataPoints {
			if p.Count != 1 || p.Sum != size {
				t.Errorf("request sizes of %v: got %d of %d bytes, want 1 of %d", p.Attributes.ToSlice(), p.Count, p.Sum, size)
			}
		}
	})
}

// net/http sends a request again, on another connection, when the one that it
// had kept is closed by the server. That is one request still, and what has got
// lost is not added.
func TestRuleSizeOfAnUploadThatNetHTTPSendsAgain(t *testing.T) {
	const size = 5000
	var uploads atomic.Int64
	w := oteltest.NewServer(t, "1.1", func(rw http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if r.Method == "POST" && uploads.Add(1) == 1 {
			if c, _, err := rw.(http.Hijacker).Hijack(); err == nil {
				c.Close()
			}
		}
	})
	oteltest.MustSend(t, w.Base, oteltest.NewRequest(t, t.Context(), "GET", w.URL, nil)) // leaves a connection

	tel := oteltest.New(t)
	req := oteltest.NewRequest(t, t.Context(), "POST", w.URL, strings.NewReader(strings.Repeat("x", size)))
	req.Header.Set("Idempotency-Key", "1") // or net/http would not dare
	oteltest.MustSend(t, ruleSized(tel, w.Base), req)
	if got := uploads.Load(); got != 2 {
		t.Fatalf("the server has got %d uploads, want 2: else nothing was sent again", got)
	}
	ruleWantSizes(t, tel, size, 0) // of one span, too
}

// The same with a base that gives the first attempt up in the middle.
func TestRuleSizeOfAnUploadThatBaseSendsAgain(t *testing.T) {
	const size = 5000
	base := oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		if _, err := io.CopyN(io.Discard, req.Body, 3000); err != nil {
			return nil, err
		}
		req.Body.Close()
		body, err := req.GetBody()
		if err != nil {
			return nil, err
		}
		defer body.Close()
		if _, err := io.Copy(io.Discard, body); err != nil {
			return nil, err
		}
		return oteltest.Answer(200)(req)
	})
	tel := oteltest.New(t)
	oteltest.MustSend(t, ruleSized(tel, base), oteltest.NewRequest(t, t.Context(), "POST", "http://shop.invalid/", strings.NewReader(strings.Repeat("x", size))))
	ruleWantSizes(t, tel, size, 0)
}

// The size on the wire is that of the compressed body. Where net/http has
// decompressed it on its own that size cannot be learned, and none is recorded.
func TestRuleSizeOfACompressedResponse(t *testing.T) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = io.WriteString(z, strings.Repeat("y", 3000))
	_ = z.Close()
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		for _, test := range []struct {
			name   string
			accept string
			want   any
		}{
			{"decompressed by net/http", "", nil},
			{"asked for by the caller", "gzip", packed.Len()},
		} {
			t.Run(test.name, func(t *testing.T) {
				w := oteltest.NewServer(t, version, func(rw http.ResponseWriter, _ *http.Request) {
					rw.Header().Set("Content-Encoding", "gzip")
					_, _ = rw.Write(packed.Bytes())
				})
				tel := oteltest.New(t)
				req := oteltest.NewRequest(t, t.Context(), "GET", w.URL, nil)
				if test.accept != "" {
					req.Header.Set("Accept-Encoding", test.accept)
				}
				oteltest.MustSend(t, ruleSized(tel, w.Base), req)
				ruleWantSizes(t, tel, 0, test.want)
			})
		}
	})
}

// Scope.

func TestRuleScope(t *testing.T) {
	want := instrumentation.Scope{Name: "github.com/otelhttpclient/otelhttpclient", Version: otelhttpclient.Version, SchemaURL: semconv.SchemaURL}
	tel := oteltest.New(t)
	oteltest.MustSend(t, instrumented.Transport(tel, oteltest.Answer(200)), oteltest.NewRequest(t, t.Context(), "GET", "https://example.com/", nil))
	if got := tel.OnlySpan().InstrumentationScope; got != want {
		t.Errorf("scope of the span = %+v, want %+v", got, want)
	}
	if scopes := tel.Collect(); len(scopes) != 1 || scopes[0].Scope != want {
		t.Errorf("scopes of the metrics = %+v, want only %+v", scopes, want)
	}
}

// Old names.

// ruleOldSpan is the span, and all that was measured, of the second attempt of
// an upload, with the environment variable as it is.
func ruleOldSpan(t *testing.T, w *oteltest.Server) (span []attribute.KeyValue, tel *oteltest.SDK) {
	t.Helper()
	ctx := otelhttpclient.ContextWithRetries(t.Context())
	for range 2 {
		tel = oteltest.New(t)
		req := oteltest.NewRequest(t, ctx, "POST", w.URL+"/?sig=abc", strings.NewReader("hello"))
		req.Header.Set("User-Agent", "shop/1")
		oteltest.MustSend(t, instrumented.Transport(tel, w.Base), req)
	}
	return tel.OnlySpan().Attributes, tel
}

func ruleOldServer(t *testing.T, version string) *oteltest.Server {
	return oteltest.NewServer(t, version, func(rw http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		rw.Header().Set("Content-Length", "4")
		_, _ = io.WriteString(rw, "fine")
	})
}

var ruleStableKeys = []string{"http.request.method", "server.address", "server.port", "url.full", "http.request.resend_count",
	"http.response.status_code", "network.protocol.version", "network.peer.address", "network.peer.port"}

func TestRuleOldNamesBesideTheStableOnes(t *testing.T) {
	for _, variable := range []string{"http/dup", "http,http/dup", "http/dup,http", "database, http/dup"} {
		oteltest.OnBothVersions(t, func(t *testing.T, version string) {
			t.Setenv("OTEL_SEMCONV_STABILITY_OPT_IN", variable)
			w := ruleOldServer(t, version)
			span, tel := ruleOldSpan(t, w)
			flavor := map[string]string{"1.1": "1.1", "2": "2.0"}[version]
			old := map[attribute.Key]any{
				"http.method": "POST", "http.url": w.URL + "/?sig=REDACTED", "http.status_code": 200, "http.resend_count": 1,
				"net.peer.name": w.Host(), "net.peer.port": w.Port(), "net.sock.peer.addr": w.Host(), "net.sock.peer.port": w.Port(),
				"http.flavor": flavor, "http.user_agent": "shop/1",
				"http.request_content_length": 5, "http.response_content_length": 4,
			}
			keys := append([]string{}, ruleStableKeys...)
			for key, want := range old {
				keys = append(keys, string(key))
				oteltest.WantAttribute(t, span, key, want)
			}
			oteltest.WantKeys(t, "span with "+variable, span, keys...)

			m, ok := tel.Metric("http.client.duration")
			if !ok || m.Unit != "ms" || m.Description == "" {
				t.Errorf("http.client.duration: got %v, unit %q, description %q, want it in ms, described", ok, m.Unit, m.Description)
			}
			milliseconds, seconds := tel.Seconds("http.client.duration"), tel.Seconds("http.client.request.duration")
			if milliseconds.Count != 1 || math.Abs(milliseconds.Sum-seconds.Sum*1000) > 1e-6 {
				t.Errorf("http.client.duration: got %d of %v ms, want 1 of %v s", milliseconds.Count, milliseconds.Sum, seconds.Sum)
			}
			point := milliseconds.Attributes.ToSlice()
			oteltest.WantKeys(t, "http.client.duration", point, "http.method", "http.status_code", "net.peer.name", "net.peer.port", "http.flavor")
			for _, kv := range point {
				oteltest.WantAttribute(t, point, kv.Key, old[kv.Key])
			}
			oteltest.WantKeys(t, "duration", seconds.Attributes.ToSlice(), "http.request.method", "server.address", "server.port",
				"http.response.status_code", "network.protocol.version")
		})
	}
}

func TestRuleNoOldNamesByDefault(t *testing.T) {
	for _, variable := range []string{"", "http", "database/dup", "http/duplicate"} {
		t.Run(variable, func(t *testing.T) {
			t.Setenv("OTEL_SEMCONV_STABILITY_OPT_IN", variable)
			span, tel := ruleOldSpan(t, ruleOldServer(t, "1.1"))
			oteltest.WantKeys(t, "span", span, ruleStableKeys...)
			if got := tel.MetricNames(); len(got) != 1 || !got["http.client.request.duration"] {
				t.Errorf("metrics = %v, want http.client.request.duration alone", got)
			}
		})
	}
}
