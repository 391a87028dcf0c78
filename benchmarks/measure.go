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

// sample is the cost per request of one contender in one row and one round.
type sample struct {
	ns     float64
	allocs float64
}

// lane is one contender prepared for one row.
type lane struct {
	name     string
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
// Time is wall time, so with several workers it is the inverse of the throughput. Allocations are those
// of the whole process, including the contender's other goroutines. Those of the harness and of a
// loopback server are part of bare, too.
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
	return sample{
		ns:     float64(took.Nanoseconds()) / float64(n),
		allocs: float64(after.Mallocs-before.Mallocs) / float64(n),
	}, nil
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
		took := s.ns * float64(n)
		want := float64(benchtime.Nanoseconds())
		if took >= want/5 {
			ln.requests = max(l.workers, int(math.Round(float64(n)*want/took)))
			return nil
		}
		n *= 4
	}
}

// measure runs all lanes and returns, for each, one sample per round.
//
// Lanes alternate within a round, so that a change in the machine's speed affects all of them. Each round
// starts with a different lane, so that the order does not favor any.
func (l load) measure(lanes []*lane, rounds int, benchtime time.Duration) (map[string][]sample, error) {
	for _, ln := range lanes {
		if err := l.calibrate(ln, benchtime); err != nil {
			return nil, err
		}
	}
	samples := make(map[string][]sample, len(lanes))
	for round := range rounds {
		for i := range lanes {
			ln := lanes[(round+i)%len(lanes)]
			s, err := l.run(ln, ln.requests)
			if err != nil {
				return nil, err
			}
			samples[ln.name] = append(samples[ln.name], s)
		}
	}
	return samples, nil
}

// cost is a contender's cost per request, above the bare transport.
type cost struct {
	ns     float64
	spread float64 // half the interquartile range of ns over the rounds
	allocs float64
}

// above returns the median differences between samples and bare in the same round.
func above(samples, bare []sample) cost {
	ns := make([]float64, len(samples))
	allocs := make([]float64, len(samples))
	for i, s := range samples {
		ns[i] = s.ns - bare[i].ns
		allocs[i] = s.allocs - bare[i].allocs
	}
	return cost{
		ns:     quantile(ns, 0.5),
		spread: (quantile(ns, 0.75) - quantile(ns, 0.25)) / 2,
		allocs: quantile(allocs, 0.5),
	}
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
