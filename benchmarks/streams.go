package main

import (
	"fmt"
	"net/http"
	"runtime"
	"runtime/metrics"
	"time"
)

// The metrics of the runtime that the rows of open responses read.
const (
	liveBytes  = "/gc/heap/live:bytes"
	gcTotalCPU = "/cpu/classes/gc/total:cpu-seconds"
)

// collections is the number of garbage collections of which one sample is the mean.
const collections = 5

// runOpen opens n responses through the lane, leaves their bodies unread, and returns the heap memory that
// one of them holds and the CPU time of a garbage collection while all are open. Memory that the runtime
// keeps outside the heap, such as that of finalizers and cleanups, is not included.
func runOpen(newRequest func() (*http.Request, error), ln *lane, n int) (s sample, err error) {
	open := make([]*http.Response, 0, n)
	defer func() {
		buf := make([]byte, 512)
		for _, resp := range open {
			if e := drain(resp, buf); err == nil && e != nil {
				err = fmt.Errorf("%s: %w", ln.name, e)
			}
		}
		if ln.settle != nil {
			ln.settle()
		}
	}()

	settleHeap()
	before := readMetric(liveBytes).Uint64()
	for range n {
		req, err := newRequest()
		if err != nil {
			return sample{}, err
		}
		resp, err := ln.rt.RoundTrip(req)
		if err != nil {
			return sample{}, fmt.Errorf("%s: %w", ln.name, err)
		}
		open = append(open, resp)
	}
	if ln.settle != nil {
		ln.settle()
	}
	settleHeap()
	s.held = (float64(readMetric(liveBytes).Uint64()) - float64(before)) / float64(n)

	began := readMetric(gcTotalCPU).Float64()
	for range collections {
		runtime.GC()
	}
	s.collection = (readMetric(gcTotalCPU).Float64() - began) * float64(time.Second) / collections
	return s, nil
}

// settleHeap collects garbage. What is attached to an object or freed by a finalizer takes more than one
// collection, and the finalizers run on goroutines of their own.
func settleHeap() {
	for range 3 {
		runtime.GC()
		time.Sleep(2 * time.Millisecond)
	}
	runtime.GC()
}

func readMetric(name string) metrics.Value {
	samples := []metrics.Sample{{Name: name}}
	metrics.Read(samples)
	return samples[0].Value
}
