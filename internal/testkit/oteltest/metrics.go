package oteltest

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// Collect returns everything that was measured so far, by scope.
func (s *SDK) Collect() []metricdata.ScopeMetrics {
	s.t.Helper()
	var rm metricdata.ResourceMetrics
	if err := s.reader.Collect(context.Background(), &rm); err != nil {
		s.t.Fatalf("Collect() = %v, want nil", err)
	}
	return rm.ScopeMetrics
}

// Metric returns what the instrument of that name has recorded so far.
func (s *SDK) Metric(name string) (m metricdata.Metrics, ok bool) {
	s.t.Helper()
	for _, sm := range s.Collect() {
		for _, m := range sm.Metrics {
			if m.Name == name {
				return m, true
			}
		}
	}
	return metricdata.Metrics{}, false
}

// MetricNames returns the names of all metrics that were recorded so far.
func (s *SDK) MetricNames() map[string]bool {
	s.t.Helper()
	names := map[string]bool{}
	for _, sm := range s.Collect() {
		for _, m := range sm.Metrics {
			names[m.Name] = true
		}
	}
	return names
}

// Seconds returns the only data point of a histogram of float64. Any other
// number of them ends the test.
func (s *SDK) Seconds(name string) metricdata.HistogramDataPoint[float64] {
	s.t.Helper()
	return onlyPoint[float64](s, name)
}

// DurationAttributes returns the attributes of the only data point of
// http.client.request.duration. Any other number of them ends the test.
func (s *SDK) DurationAttributes() []attribute.KeyValue {
	s.t.Helper()
	p := s.Seconds("http.client.request.duration")
	return p.Attributes.ToSlice()
}

// Bytes returns the only data point of a histogram of int64. Any other number
// of them ends the test.
func (s *SDK) Bytes(name string) metricdata.HistogramDataPoint[int64] {
	s.t.Helper()
	return onlyPoint[int64](s, name)
}

func onlyPoint[N int64 | float64](s *SDK, name string) metricdata.HistogramDataPoint[N] {
	s.t.Helper()
	m, ok := s.Metric(name)
	h, isHistogram := m.Data.(metricdata.Histogram[N])
	if !ok || !isHistogram || len(h.DataPoints) != 1 {
		s.t.Fatalf("%s = %+v, want a %T with one data point", name, m.Data, h)
	}
	return h.DataPoints[0]
}

// Count returns the value of an up-down counter, summed over its data points
// with this attribute. The zero attribute sums all.
func (s *SDK) Count(name string, with attribute.KeyValue) (n int64) {
	s.t.Helper()
	m, _ := s.Metric(name)
	sum, _ := m.Data.(metricdata.Sum[int64])
	for _, p := range sum.DataPoints {
		if v, _ := p.Attributes.Value(with.Key); with.Key == "" || v == with.Value {
			n += p.Value
		}
	}
	return n
}

// Exported returns every text of the spans and metrics so far, to search for
// what must not be exported.
func (s *SDK) Exported() string {
	s.t.Helper()
	var b strings.Builder
	for _, span := range s.Spans() {
		fmt.Fprintf(&b, "span %s\nstatus %s\n", span.Name, span.Status.Description)
		for _, kv := range span.Attributes {
			fmt.Fprintf(&b, "%s=%s\n", kv.Key, kv.Value.String())
			for _, v := range kv.Value.AsStringSlice() {
				b.WriteString(v + "\n")
			}
		}
		for _, e := range span.Events {
			fmt.Fprintf(&b, "event %s\n", e.Name)
			for _, kv := range e.Attributes {
				fmt.Fprintf(&b, "%s=%s\n", kv.Key, kv.Value.String())
			}
		}
	}
	text, err := json.Marshal(s.Collect())
	if err != nil {
		s.t.Fatalf("metrics as JSON: %v, want no error", err)
	}
	b.Write(text)
	return b.String()
}
