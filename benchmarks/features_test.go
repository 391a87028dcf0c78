package main

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

// recorded is what a contender records of one request.
type recorded struct {
	span    map[string]string   // attributes
	metrics map[string][]string // attributes of the data points, per metric
}

// record sends a request over base with recorders for the contender.
func record(t *testing.T, name string, features features, target *target) recorded {
	t.Helper()
	recorder := tracetest.NewSpanRecorder()
	reader := metric.NewManualReader()
	c := conditions{
		tracers:    sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder)),
		meters:     metric.NewMeterProvider(metric.WithReader(reader)),
		propagator: propagation.TraceContext{},
		features:   features,
	}
	i := slices.IndexFunc(contenders, func(c contender) bool { return c.name == name })
	rt := contenders[i].wrap(c, target.base)
	req, err := target.newRequest()
	if err != nil {
		t.Fatal(err)
	}
	if err := through(rt)(req, make([]byte, 512)); err != nil {
		t.Fatal(err)
	}
	spans := recorder.Ended()
	if len(spans) != 1 {
		t.Fatalf("%s: %d spans, want 1", name, len(spans))
	}
	r := recorded{span: make(map[string]string), metrics: make(map[string][]string)}
	for _, kv := range spans[0].Attributes() {
		r.span[string(kv.Key)] = kv.Value.String()
	}
	var data metricdata.ResourceMetrics
	if err := reader.Collect(context.Background(), &data); err != nil {
		t.Fatal(err)
	}
	for _, scope := range data.ScopeMetrics {
		for _, m := range scope.Metrics {
			r.metrics[m.Name] = dataPoints(m.Data)
		}
	}
	return r
}

func dataPoints(data metricdata.Aggregation) []string {
	var points []string
	add := func(set attribute.Set, count any) {
		points = append(points, fmt.Sprintf("%v: %s", count, set.Encoded(attribute.DefaultEncoder())))
	}
	switch d := data.(type) {
	case metricdata.Histogram[float64]:
		for _, p := range d.DataPoints {
			add(p.Attributes, p.Count)
		}
	case metricdata.Histogram[int64]:
		for _, p := range d.DataPoints {
			add(p.Attributes, fmt.Sprintf("%d, sum %d", p.Count, p.Sum))
		}
	case metricdata.Sum[int64]:
		for _, p := range d.DataPoints {
			add(p.Attributes, p.Value)
		}
	}
	slices.Sort(points)
	return points
}

// The hand-written contender is a measure only if it records the same as this library, except for the
// peer's address where a row has no opt-in metrics.
func TestHandWrittenRecordsTheSame(t *testing.T) {
	withoutNetwork, err := stubTarget()
	if err != nil {
		t.Fatal(err)
	}
	overNetwork, err := loopbackPost()
	if err != nil {
		t.Fatal(err)
	}
	defer overNetwork.close()
	for _, tt := range []struct {
		name     string
		features features
		target   *target
		peer     bool
	}{
		{"plain", features{}, withoutNetwork, false},
		{"plain, over the network", features{}, overNetwork, false},
		{"hooks", features{hooks: true}, withoutNetwork, false},
		{"attributes", features{attributes: true}, withoutNetwork, false},
		{"everything", features{hooks: true, attributes: true, optInMetrics: true}, overNetwork, true},
	} {
		want := record(t, nameOurs, tt.features, tt.target)
		got := record(t, nameByHand, tt.features, tt.target)
		if !tt.peer {
			delete(want.span, "network.peer.address")
			delete(want.span, "network.peer.port")
		}
		if !maps.Equal(got.span, want.span) {
			t.Errorf("%s: span has\n%v\nwant those of this library:\n%v", tt.name, got.span, want.span)
		}
		delete(want.metrics, "otelhttpclient.response.body.abandoned") // always there, from 0 on
		if !maps.EqualFunc(got.metrics, want.metrics, slices.Equal) {
			t.Errorf("%s: metrics are\n%v\nwant those of this library:\n%v", tt.name, got.metrics, want.metrics)
		}
	}
}

func TestFeatures(t *testing.T) {
	target, err := stubTarget()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{nameOurs, nameByHand, nameOTel} {
		got := record(t, name, features{hooks: true, attributes: true}, target)
		for key, want := range map[string]string{
			keyTenant:                           "acme",
			keyContentType:                      "application/json",
			"url.full":                          strings.TrimSuffix(stubURL, "?limit=10"),
			"http.request.header.x-tenant":      `["acme"]`,
			"http.response.header.content-type": `["application/json"]`,
			"app.shard":                         "acme",
			"app.batch":                         "false",
		} {
			if got.span[key] != want {
				t.Errorf("%s: %s = %q, want %q", name, key, got.span[key], want)
			}
		}
		points := got.metrics["http.client.request.duration"]
		if len(points) != 1 || !strings.Contains(points[0], "app.shard=acme") {
			t.Errorf("%s: duration has %v, want one data point with app.shard=acme", name, points)
		}
	}
}

// The span must last until the body's end, as this library's does.
func TestHandWrittenSpanEndsWithBody(t *testing.T) {
	for _, f := range []features{{}, {hooks: true}} {
		for _, closeOnly := range []bool{false, true} {
			recorder := tracetest.NewSpanRecorder()
			rt := wrapByHand(conditions{
				tracers:    sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder)),
				propagator: propagation.TraceContext{},
				features:   f,
			}, stub{})
			req, err := newRequest(http.MethodGet, stubURL, nil)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := rt.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			if n := len(recorder.Ended()); n != 0 {
				t.Errorf("%+v: %d spans ended with the headers, want 0", f, n)
			}
			if closeOnly {
				resp.Body.Close()
			} else if err := drain(resp, make([]byte, 512)); err != nil {
				t.Fatal(err)
			}
			if n := len(recorder.Ended()); n != 1 {
				t.Errorf("%+v, close only %v: %d spans ended, want 1", f, closeOnly, n)
			}
		}
	}
}

func TestHandWrittenError(t *testing.T) {
	for _, f := range []features{{}, {hooks: true}} {
		recorder := tracetest.NewSpanRecorder()
		failure := fmt.Errorf("no route")
		rt := wrapByHand(conditions{
			tracers:    sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder)),
			propagator: propagation.TraceContext{},
			features:   f,
		}, roundTripFunc(func(*http.Request) (*http.Response, error) { return nil, failure }))
		req, err := newRequest(http.MethodGet, stubURL, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := rt.RoundTrip(req); err != failure {
			t.Errorf("%+v: error = %v, want %v", f, err, failure)
		}
		spans := recorder.Ended()
		if len(spans) != 1 || spans[0].Status().Description != failure.Error() {
			t.Errorf("%+v: spans = %v, want one with the error", f, spans)
		}
	}
}
