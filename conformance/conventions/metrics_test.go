package conventions

import (
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"slices"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/instrumented"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

// wantCounts checks all data points of an up-down counter by their attributes.
func wantCounts(t *testing.T, tel *oteltest.SDK, name, when string, want map[attribute.Set]int64) {
	t.Helper()
	m, _ := tel.Metric(name)
	sum, _ := m.Data.(metricdata.Sum[int64])
	got := map[attribute.Set]int64{}
	for _, p := range sum.DataPoints {
		got[p.Attributes] = p.Value
	}
	if maps.Equal(got, want) {
		return
	}
	text := func(counts map[attribute.Set]int64) (s string) {
		for set, n := range counts {
			s += fmt.Sprintf("\n  %d of %s", n, set.Encoded(attribute.DefaultEncoder()))
		}
		return s
	}
	t.Errorf("%s when %s:\n got%s\nwant%s", name, when, text(got), text(want))
}

func TestInstruments(t *testing.T) {
	t.Parallel() // closed connections are detected within a second
	const kib, mib = 1 << 10, 1 << 20
	// The conventions have none for sizes, and the SDK's end at 10,000 bytes.
	sizes := []float64{0, 256, kib, 4 * kib, 16 * kib, 64 * kib, 256 * kib, mib, 4 * mib, 16 * mib, 64 * mib, 256 * mib}
	for _, test := range []struct {
		name, unit string
		kind       string
		bounds     []float64 // nil: none
	}{
		{"http.client.request.duration", "s", "histogram of float64", []float64{0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10}},
		{"http.client.request.body.size", "By", "histogram of int64", sizes},
		{"http.client.response.body.size", "By", "histogram of int64", sizes},
		{"http.client.active_requests", "{request}", "up-down counter", nil},
		{"http.client.open_connections", "{connection}", "up-down counter", nil},
		{"http.client.connection.duration", "s", "histogram of float64", []float64{0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			tel := oteltest.New(t)
			w := oteltest.NewServer(t, "1.1", func(http.ResponseWriter, *http.Request) {})
			oteltest.MustSend(t, instrumented.Transport(tel, w.Base, instrumented.AllMetrics()), oteltest.NewRequest(t, t.Context(), "GET", w.URL, nil))
			m, ok := tel.Metric(test.name)
			if !ok { // that of a connection is recorded at its end
				w.Base.CloseIdleConnections()
				oteltest.Eventually(t, test.name+" is recorded", func() bool { m, ok = tel.Metric(test.name); return ok })
			}
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
				kind, bounds = "histogram of int64", data.DataPoints[0].Bounds
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

func TestOptInMetrics(t *testing.T) {
	run := func(t *testing.T, options ...otelhttpclient.Option) map[string]bool {
		tel := oteltest.New(t)
		w := oteltest.NewServer(t, "1.1", func(http.ResponseWriter, *http.Request) {})
		oteltest.MustSend(t, instrumented.Transport(tel, w.Base, options...), oteltest.NewRequest(t, t.Context(), "GET", w.URL, nil))
		return tel.MetricNames()
	}
	const always, bodies = "http.client.request.duration", "otelhttpclient.response.body.abandoned"
	if got := run(t); len(got) != 2 || !got[always] || !got[bodies] {
		t.Errorf("metrics by default = %v, want %s and %s", got, always, bodies)
	}
	for _, name := range []otelhttpclient.Metric{
		otelhttpclient.MetricRequestBodySize, otelhttpclient.MetricResponseBodySize,
		otelhttpclient.MetricActiveRequests, otelhttpclient.MetricOpenConnections,
	} {
		if got := run(t, otelhttpclient.WithOptInMetrics(name)); len(got) != 3 || !got[always] || !got[bodies] || !got[string(name)] {
			t.Errorf("metrics with %s = %v, want it, %s and %s", name, got, always, bodies)
		}
	}
	// connection.duration is recorded when a connection is closed: see
	// TestConnectionMetrics.
}

func TestDurationEqualsSpan(t *testing.T) {
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

func TestMetricAttributes(t *testing.T) {
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
				if !slices.Contains(want, "url.template") {
					want = append(want, "url.template") // Opt-In on the duration only
				}
				oteltest.WantKeys(t, "request size", sizeAttributes(tel, "http.client.request.body.size"), want...)
				if _, ok := tel.Metric("http.client.response.body.size"); ok == (test.name == "a failure") {
					t.Errorf("response size recorded: got %v, want it with a response only", ok)
				} else if ok {
					oteltest.WantKeys(t, "response size", sizeAttributes(tel, "http.client.response.body.size"), want...)
				}
				// Attributes that the span has, too, have the same value.
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

func sizeAttributes(tel *oteltest.SDK, name string) []attribute.KeyValue {
	p := tel.Bytes(name)
	return p.Attributes.ToSlice()
}

func TestActiveRequests(t *testing.T) {
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
		wantCounts(t, tel, "http.client.active_requests", "a request is under way", map[attribute.Set]int64{want: 1})
		close(answer)
		if err := <-done; err != nil {
			t.Fatalf("error = %v, want none", err)
		}
		wantCounts(t, tel, "http.client.active_requests", "it is over", map[attribute.Set]int64{want: 0})
	})
}

func TestConnectionMetrics(t *testing.T) {
	for _, version := range []string{"1.1", "2"} {
		t.Run("HTTP/"+version, func(t *testing.T) {
			t.Parallel() // closed connections are detected within a second
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
				connections = 1 // it carries both requests
			}
			wantCounts(t, tel, name, "two requests are under way", map[attribute.Set]int64{active: connections, idle: 0})
			close(answer)
			finish(first, second)
			wantCounts(t, tel, name, "both are over", map[attribute.Set]int64{active: 0, idle: connections})
			finish(start())
			wantCounts(t, tel, name, "one was used again", map[attribute.Set]int64{active: 0, idle: connections})
			if _, ok := tel.Metric("http.client.connection.duration"); ok {
				t.Error("a connection's duration is recorded while all are open, want none")
			}

			w.Base.CloseIdleConnections()
			oteltest.Eventually(t, "the closed connections are seen", func() bool { return tel.Count(name, attribute.KeyValue{}) == 0 })
			wantCounts(t, tel, name, "they are closed", map[attribute.Set]int64{})
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
