package main

import (
	"context"
	"fmt"
	"runtime"
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

// goal is this library's target in a row; a zero field is no target.
type goal struct {
	time   float64 // time, as a fraction of otelhttp's
	allocs float64 // allocations above bare
	limit  float64 // time, as a multiple of the limit's
}

// row is one row of the table.
type row struct {
	name   string
	sdk    sdk
	extras bool
	open   func() (*target, error)
	// workers is the number of concurrent senders per processor; 0 means one sender in total.
	workers int
	goal    goal
}

// rows is in the order of the table. The only global state that a row changes is the Datadog tracer, and
// the row without an SDK does not start it.
var rows = []row{
	{name: "no SDK", sdk: noSDK, open: stubTarget, goal: goal{time: 0.08, allocs: 2}},
	{name: "unsampled", sdk: unsampled, open: stubTarget, goal: goal{time: 0.33, allocs: 9}},
	{name: "sampled", sdk: sampled, open: stubTarget, goal: goal{time: 0.50, allocs: 13, limit: 1.35}},
	{name: "sampled, metrics", sdk: sampledMetrics, open: stubTarget, goal: goal{time: 0.45, allocs: 13}},
	{name: "sampled, response without a body", sdk: sampled, open: stubTargetWithoutBody},
	{name: "sampled, hooks, URL filter, headers", sdk: sampled, extras: true, open: stubTarget},
	{name: "sampled, parallel", sdk: sampled, open: stubTarget, workers: 1},
	{name: "loopback GET", sdk: sampled, open: loopbackGet, goal: goal{time: 0.60}},
	{name: "loopback POST 1 KiB", sdk: sampled, open: loopbackPost, goal: goal{time: 0.45}},
	{name: "loopback GET, parallel", sdk: sampled, open: loopbackGet, workers: 8},
	{name: "loopback GET, HTTP/2", sdk: sampled, open: loopbackHTTP2},
	{name: "loopback PUT of a 64 MiB file", sdk: sampled, open: loopbackUpload},
}

// spanCounter is a span processor that only counts, so that no export is measured.
type spanCounter struct{ ended atomic.Int64 }

func (*spanCounter) OnStart(context.Context, sdktrace.ReadWriteSpan) {}
func (c *spanCounter) OnEnd(sdktrace.ReadOnlySpan)                   { c.ended.Add(1) }
func (*spanCounter) Shutdown(context.Context) error                  { return nil }
func (*spanCounter) ForceFlush(context.Context) error                { return nil }

// conditions returns the row's conditions and the counter of its spans.
func (r row) conditions() (conditions, *spanCounter) {
	c := conditions{extras: r.extras}
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
	return load{newRequest: t.newRequest, workers: max(1, r.workers*runtime.GOMAXPROCS(0))}
}

// lanes prepares the contenders for which keep returns true.
func (r row) lanes(t *target, keep func(name string) bool) []*lane {
	var lanes []*lane
	for _, c := range contenders {
		if !keep(c.name) {
			continue
		}
		conditions, _ := r.conditions()
		if exchange := c.build(conditions, t.base); exchange != nil {
			lanes = append(lanes, &lane{name: c.name, exchange: exchange, settle: c.settle})
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
	row    row
	bare   sample
	upload int64
	costs  map[string]cost
}

// measure runs the row.
func (r row) measure(rounds int, benchtime time.Duration) (result, error) {
	t, stop, err := r.start()
	if err != nil {
		return result{}, fmt.Errorf("%s: %w", r.name, err)
	}
	defer stop()
	all := func(string) bool { return true }
	samples, err := r.load(t).measure(r.lanes(t, all), rounds, benchtime)
	if err != nil {
		return result{}, fmt.Errorf("%s: %w", r.name, err)
	}
	return newResult(r, t.upload, samples), nil
}

func newResult(r row, upload int64, samples map[string][]sample) result {
	bare := samples[nameBare]
	// Above zero: the medians of bare itself.
	itself := above(bare, make([]sample, len(bare)))
	res := result{
		row:    r,
		bare:   sample{ns: itself.ns, allocs: itself.allocs},
		upload: upload,
		costs:  make(map[string]cost),
	}
	for name, s := range samples {
		if name != nameBare {
			res.costs[name] = above(s, bare)
		}
	}
	return res
}
