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

// sample is what one cell cost: one contender of one row in one round, per request.
type sample struct {
	ns     float64
	allocs float64
}

// lane is one contender made ready for one row.
type lane struct {
	name     string
	exchange exchange
	// settle waits for work that the contender has left to the background, so that it is not
	// charged to whoever runs next. It is nil where there is none.
	settle func()
	// requests is how many a cell of this lane makes, the same in every round.
	requests int
}

// load is what the lanes of a row are put under.
type load struct {
	newRequest func() (*http.Request, error)
	workers    int
}

// run makes n requests, spread over the load's workers, and returns what one cost.
//
// Time is the wall clock's, so that with more than one worker it is the inverse of the throughput.
// Allocations are counted over the whole process: what a contender allocates on other goroutines
// is its cost too, and what the harness and a server on loopback allocate is in bare as well.
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

	// A collection that was due from the cell before would be paid by this one.
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

// calibrate finds the number of requests that take about benchtime. It warms up what is to be warm:
// connections, caches, the branch predictor.
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

// measure runs the lanes against each other and returns, for each, a sample per round.
//
// The lanes take turns in every round, and each round begins with another one: a machine that slows
// down or speeds up in the meantime does so for all of them, and nobody always runs after the one
// that leaves the most garbage.
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

// cost is what a contender adds to the bare transport, per request.
type cost struct {
	ns     float64
	spread float64 // of ns: half the distance between the quartiles of the rounds
	allocs float64
}

// above returns the medians of what samples cost more than bare in the same round.
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

// quantile returns the q-quantile of values, interpolated between neighbours.
func quantile(values []float64, q float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	at := q * float64(len(sorted)-1)
	low := int(at)
	if low == len(sorted)-1 {
		return sorted[low]
	}
	return sorted[low] + (at-float64(low))*(sorted[low+1]-sorted[low])
}
