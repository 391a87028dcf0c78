package main

import (
	"fmt"
	"math"
	"net/http"
	"runtime"
	"slices"
	"sync"
	"time"
)

// sample is what one contender costs in one row and one round. Only the fields that the row measures are
// set.
type sample struct {
	wall   float64 // per request, in nanoseconds
	cpu    float64 // of this process, per request, in nanoseconds; NaN where it is unknown
	allocs float64 // per request

	held       float64 // memory per open response, in bytes
	collection float64 // CPU time of a garbage collection, in nanoseconds
}

// lane is one contender prepared for one row.
type lane struct {
	name     string
	rt       http.RoundTripper
	exchange exchange
	// settle waits for the contender's background work, which would otherwise slow the next lane. It
	// is nil if there is none.
	settle func()
	// requests is the number of requests per round.
	requests int
}

// load is the load on the lanes of a row.
type load struct {
	newRequest func() (*http.Request, error)
	workers    int
}

// run makes n requests, distributed over the load's workers, and returns the cost of one.
//
// With several workers, wall time is the inverse of the throughput. CPU time and allocations are those of
// the whole process, with the contender's other goroutines; CPU time has the work that settle waits for.
// What the harness costs is part of bare, too. Collections are included in time as far as they happen
// during the run.
func (l load) run(ln *lane, n int) (sample, error) {
	errs := make([]error, l.workers)
	var wg sync.WaitGroup
	start := make(chan struct{})
	for w := range l.workers {
		share := n / l.workers
		if w < n%l.workers {
			share++
		}
		buf := make([]byte, 4<<10)
		wg.Go(func() {
			<-start
			for range share {
				req, err := l.newRequest()
				if err == nil {
					err = ln.exchange(req, buf)
				}
				if err != nil {
					errs[w] = fmt.Errorf("%s: %w", ln.name, err)
					return
				}
			}
		})
	}

	// Otherwise this run would include a collection caused by the run before.
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	cpuBefore, cpuKnown := cpuTime()
	began := time.Now()
	close(start)
	wg.Wait()
	took := time.Since(began)
	runtime.ReadMemStats(&after)

	for _, err := range errs {
		if err != nil {
			return sample{}, err
		}
	}
	if ln.settle != nil {
		ln.settle()
	}
	s := sample{
		wall:   float64(took.Nanoseconds()) / float64(n),
		cpu:    math.NaN(),
		allocs: float64(after.Mallocs-before.Mallocs) / float64(n),
	}
	if cpuKnown {
		cpuAfter, _ := cpuTime()
		s.cpu = float64((cpuAfter - cpuBefore).Nanoseconds()) / float64(n)
	}
	return s, nil
}

// calibrate finds the number of requests that take about benchtime. It also warms up connections, caches
// and the branch predictor.
func (l load) calibrate(ln *lane, benchtime time.Duration) error {
	n := l.workers
	for {
		s, err := l.run(ln, n)
		if err != nil {
			return err
		}
		took := s.wall * float64(n)
		want := float64(benchtime.Nanoseconds())
		if took >= want/5 {
			ln.requests = max(l.workers, int(math.Round(float64(n)*want/took)))
			return nil
		}
		n *= 4
	}
}

// measure calibrates the lanes and measures them.
func (l load) measure(lanes []*lane, rounds int, benchtime time.Duration) (map[string][]sample, error) {
	for _, ln := range lanes {
		if err := l.calibrate(ln, benchtime); err != nil {
			return nil, err
		}
	}
	return interleave(lanes, rounds, func(ln *lane) (sample, error) { return l.run(ln, ln.requests) })
}

// interleave runs all lanes and returns, for each, one sample per round.
//
// Lanes alternate within a round, so that a change in the machine's speed affects all of them. Each round
// starts with a different lane, so that the order does not favor any.
func interleave(lanes []*lane, rounds int, run func(*lane) (sample, error)) (map[string][]sample, error) {
	samples := make(map[string][]sample, len(lanes))
	for round := range rounds {
		for i := range lanes {
			ln := lanes[(round+i)%len(lanes)]
			s, err := run(ln)
			if err != nil {
				return nil, err
			}
			samples[ln.name] = append(samples[ln.name], s)
		}
	}
	return samples, nil
}

// value is a median over the rounds, with half the interquartile range.
type value struct{ median, spread float64 }

func valueOf(values []float64) value {
	return value{
		median: quantile(values, 0.5),
		spread: (quantile(values, 0.75) - quantile(values, 0.25)) / 2,
	}
}

// each returns what of returns for each sample.
func each(samples []sample, of func(sample) float64) []float64 {
	values := make([]float64, len(samples))
	for i, s := range samples {
		values[i] = of(s)
	}
	return values
}

// above returns the differences between values and bare's in the same round.
func above(values, bare []float64) []float64 {
	differences := make([]float64, len(values))
	for i, v := range values {
		differences[i] = v - bare[i]
	}
	return differences
}

// ratioOf divides the medians of two costs. Its spread is that of the ratios within a round. The ratio is
// unknown if the divisor is not above its own noise.
func ratioOf(costs, divisors []float64) (ratio value, known bool) {
	if len(costs) == 0 || len(divisors) == 0 {
		return value{}, false
	}
	divisor := valueOf(divisors)
	if !(divisor.median > 2*divisor.spread) {
		return value{}, false
	}
	ratios := make([]float64, len(costs))
	for i := range costs {
		ratios[i] = costs[i] / divisors[i]
	}
	return value{median: valueOf(costs).median / divisor.median, spread: valueOf(ratios).spread}, true
}

// quantile returns the q-quantile of values, with linear interpolation.
func quantile(values []float64, q float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	at := q * float64(len(sorted)-1)
	low := int(at)
	if low == len(sorted)-1 {
		return sorted[low]
	}
	return sorted[low] + (at-float64(low))*(sorted[low+1]-sorted[low])
}
