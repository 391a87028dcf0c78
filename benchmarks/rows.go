package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// sdk is a row's configuration of the OpenTelemetry SDK.
type sdk int

const (
	noSDK sdk = iota
	unsampled
	sampled
	sampledMetrics
)

// row is one row of the table.
type row struct {
	name     string
	sdk      sdk
	features features
	open     func() (*target, error)
	// workers is the number of goroutines that send concurrently; 0 means one.
	workers int
	// responses is the number of responses that are open at a time. If it is not 0, the row measures memory
	// and collections instead of requests.
	responses int
}

// rows is in the order of the table. The only global state that a row changes is the Datadog tracer, and
// the row without an SDK does not start it.
var rows = []row{
	{name: "no SDK", sdk: noSDK, open: stubTarget},
	{name: "unsampled", sdk: unsampled, open: stubTarget},
	{name: "sampled", sdk: sampled, open: stubTarget},
	{name: "sampled, metrics", sdk: sampledMetrics, open: stubTarget},
	{name: "sampled, response without a body", sdk: sampled, open: stubTargetWithoutBody},
	{name: "sampled, 16 goroutines", sdk: sampled, open: stubTarget, workers: 16},
	{name: "sampled, hooks, URL filter, headers", sdk: sampled, features: features{hooks: true}, open: stubTarget},
	{name: "sampled, metrics, WithAttributes", sdk: sampledMetrics, features: features{attributes: true}, open: stubTarget},
	{name: "loopback GET", sdk: sampled, open: loopbackGet},
	{name: "loopback POST 1 KiB", sdk: sampled, open: loopbackPost},
	{name: "loopback GET, HTTP/2", sdk: sampled, open: loopbackHTTP2},
	{name: "loopback GET, 16 goroutines", sdk: sampled, open: loopbackGet, workers: 16},
	{
		name: "loopback GET, everything on", sdk: sampledMetrics, open: loopbackGet,
		features: features{hooks: true, attributes: true, optInMetrics: true},
	},
	{name: "loopback PUT of a 64 MiB file", sdk: sampled, open: loopbackUpload},
	{name: "100 open responses", sdk: sampled, open: stubTarget, responses: 100},
	{name: "10,000 open responses", sdk: sampled, open: stubTarget, responses: 10_000},
}

// spanCounter is a span processor that only counts, so that no export is measured.
type spanCounter struct{ ended atomic.Int64 }

func (*spanCounter) OnStart(context.Context, sdktrace.ReadWriteSpan) {}
func (c *spanCounter) OnEnd(sdktrace.ReadOnlySpan)                   { c.ended.Add(1) }
func (*spanCounter) Shutdown(context.Context) error                  { return nil }
func (*spanCounter) ForceFlush(context.Context) error                { return nil }

// conditions returns the row's conditions and the counter of its spans.
func (r row) conditions() (conditions, *spanCounter) {
	c := conditions{features: r.features}
	counter := new(spanCounter)
	if r.sdk == noSDK {
		return c, counter
	}
	sampler := sdktrace.AlwaysSample()
	if r.sdk == unsampled {
		sampler = sdktrace.NeverSample()
	}
	c.tracers = sdktrace.NewTracerProvider(sdktrace.WithSampler(sampler), sdktrace.WithSpanProcessor(counter))
	c.propagator = propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{})
	if r.sdk == sampledMetrics {
		c.meters = metric.NewMeterProvider(metric.WithReader(metric.NewManualReader()))
	}
	return c, counter
}

// load returns the row's load.
func (r row) load(t *target) load {
	return load{newRequest: t.newRequest, workers: max(1, r.workers)}
}

// lanes prepares the contenders for which keep returns true.
func (r row) lanes(t *target, keep func(name string) bool) []*lane {
	var lanes []*lane
	for _, c := range contenders {
		if !keep(c.name) {
			continue
		}
		conditions, _ := r.conditions()
		if rt := c.wrap(conditions, t.base); rt != nil {
			lanes = append(lanes, &lane{name: c.name, rt: rt, exchange: through(rt), settle: c.settle})
		}
	}
	return lanes
}

// start starts the row's target and the Datadog tracer.
func (r row) start() (t *target, stop func(), err error) {
	stopDatadog := func() {}
	if r.sdk != noSDK {
		if stopDatadog, err = startDatadog(r.sdk != unsampled); err != nil {
			return nil, nil, fmt.Errorf("dd-trace-go: %w", err)
		}
	}
	t, err = r.open()
	if err != nil {
		stopDatadog()
		return nil, nil, err
	}
	return t, func() {
		t.close()
		stopDatadog()
	}, nil
}

// result is the measured result of a row.
type result struct {
	row        row
	quantities []quantity
	upload     int64
	samples    map[string][]sample // per contender, one per round
}

// measure runs the row.
func (r row) measure(rounds int, benchtime time.Duration) (result, error) {
	t, stop, err := r.start()
	if err != nil {
		return result{}, fmt.Errorf("%s: %w", r.name, err)
	}
	defer stop()
	lanes := r.lanes(t, func(string) bool { return true })
	var samples map[string][]sample
	if r.responses > 0 {
		samples, err = interleave(lanes, rounds, func(ln *lane) (sample, error) {
			return runOpen(t.newRequest, ln, r.responses)
		})
	} else {
		samples, err = r.load(t).measure(lanes, rounds, benchtime)
	}
	if err != nil {
		return result{}, fmt.Errorf("%s: %w", r.name, err)
	}
	return result{row: r, quantities: r.quantities(t), upload: t.upload, samples: samples}, nil
}

// quantities returns what the table shows of the row, each on a line of its own.
func (r row) quantities(t *target) []quantity {
	switch {
	case r.responses > 0:
		return []quantity{memory, collection}
	case t.separate:
		return []quantity{processTime, wallTime}
	}
	return []quantity{stubTime}
}

// useCPUTime replaces the time of a row without a network, which is wall time, by CPU time.
func (r *result) useCPUTime() {
	for i, q := range r.quantities {
		if q.label == stubTime.label {
			r.quantities[i] = processTime
		}
	}
}
