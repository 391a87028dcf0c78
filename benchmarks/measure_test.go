package main

import (
	"errors"
	"math"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestQuantile(t *testing.T) {
	for _, tt := range []struct {
		why    string
		values []float64
		q      float64
		want   float64
	}{
		{"single value", []float64{7}, 0.75, 7},
		{"median of an odd number, unsorted", []float64{9, 1, 5}, 0.5, 5},
		{"median of an even number", []float64{4, 2}, 0.5, 3},
		{"minimum", []float64{3, 2, 1}, 0, 1},
		{"maximum", []float64{3, 2, 1}, 1, 3},
		{"quartile without interpolation", []float64{50, 40, 30, 20, 10}, 0.25, 20},
	} {
		if got := quantile(tt.values, tt.q); got != tt.want {
			t.Errorf("%s: quantile(%v, %v) = %v, want %v", tt.why, tt.values, tt.q, got, tt.want)
		}
	}
}

// A cost is the median of differences within a round, so that one slow round does not change it.
func TestAbove(t *testing.T) {
	got := valueOf(above([]float64{110, 910, 210}, []float64{100, 900, 200}))
	if want := (value{median: 10, spread: 0}); got != want {
		t.Errorf("above = %+v, want %+v", got, want)
	}
}

func TestRatioOf(t *testing.T) {
	for _, tt := range []struct {
		why             string
		costs, divisors []float64
		want            value
		known           bool
	}{
		{"medians are divided", []float64{10, 20, 60}, []float64{39, 40, 41}, value{0.5, 0.3018}, true},
		{"equal in each round: no spread", []float64{10, 20, 15}, []float64{10, 20, 15}, value{1, 0}, true},
		{"the divisor is in its own noise", []float64{10, 10, 10}, []float64{-10, 1, 10}, value{}, false},
		{"the divisor is below bare", []float64{10}, []float64{-10}, value{}, false},
		{"not measurable", []float64{math.NaN()}, []float64{math.NaN()}, value{}, false},
		{"the contender did not run", []float64{10}, nil, value{}, false},
	} {
		got, known := ratioOf(tt.costs, tt.divisors)
		if known != tt.known || math.Abs(got.median-tt.want.median) > 1e-3 || math.Abs(got.spread-tt.want.spread) > 1e-3 {
			t.Errorf("%s: ratio = %+v, %v, want %+v, %v", tt.why, got, known, tt.want, tt.known)
		}
	}
}

func TestMeasureOrder(t *testing.T) {
	const rounds = 4
	var (
		mu    sync.Mutex
		order []string
	)
	newLane := func(name string) *lane {
		return &lane{name: name, exchange: func(*http.Request, []byte) error {
			mu.Lock()
			defer mu.Unlock()
			if len(order) == 0 || order[len(order)-1] != name {
				order = append(order, name)
			}
			return nil
		}}
	}
	l := load{newRequest: func() (*http.Request, error) { return nil, nil }, workers: 1}
	samples, err := l.measure([]*lane{newLane("a"), newLane("b"), newLane("c")}, rounds, time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range samples {
		if len(s) != rounds {
			t.Errorf("%s: %d samples, want one per round: %d", name, len(s), rounds)
		}
	}
	// The first three are calibration. Consecutive runs of one lane are recorded once.
	if got, want := strings.Join(order, ""), "abc"+"abc"+"bca"+"cab"+"abc"; got != want {
		t.Errorf("order = %s, want %s", got, want)
	}
}

func TestRunRequestCount(t *testing.T) {
	var (
		mu    sync.Mutex
		count int
	)
	ln := &lane{name: "counting", exchange: func(*http.Request, []byte) error {
		mu.Lock()
		defer mu.Unlock()
		count++
		return nil
	}}
	l := load{newRequest: func() (*http.Request, error) { return nil, nil }, workers: 4}
	if _, err := l.run(ln, 10); err != nil {
		t.Fatal(err)
	}
	if count != 10 {
		t.Errorf("4 workers made %d requests, want 10", count)
	}
}

func TestRunError(t *testing.T) {
	failure := errors.New("no route")
	ln := &lane{name: "failing", exchange: func(*http.Request, []byte) error { return failure }}
	l := load{newRequest: func() (*http.Request, error) { return nil, nil }, workers: 2}
	if _, err := l.run(ln, 2); !errors.Is(err, failure) || !strings.Contains(err.Error(), "failing") {
		t.Errorf("error = %v, want %v with the contender's name", err, failure)
	}
}

// CPU time is a process's, so work on another goroutine counts and waiting does not.
func TestCPUTime(t *testing.T) {
	before, known := cpuTime()
	if !known {
		t.Skip("no getrusage on this system")
	}
	done := make(chan time.Duration)
	go func() {
		for {
			if now, _ := cpuTime(); now-before >= 10*time.Millisecond {
				done <- now
				return
			}
		}
	}()
	if after := <-done; after <= before {
		t.Errorf("CPU time went from %v to %v, want more", before, after)
	}
}

func TestRunOpen(t *testing.T) {
	const size = 100 << 10
	ln := &lane{name: "large", rt: roundTripFunc(func(req *http.Request) (*http.Response, error) {
		resp, err := stub{}.RoundTrip(req)
		resp.Header["Large"] = []string{string(make([]byte, size))}
		return resp, err
	})}
	s, err := runOpen(get(stubURL), ln, 50)
	if err != nil {
		t.Fatal(err)
	}
	if s.held < size || s.held > 2*size {
		t.Errorf("an open response holds %.0f B, want %d and a little more", s.held, size)
	}
	if s.collection <= 0 {
		t.Errorf("a collection takes %v ns of CPU time, want more than 0", s.collection)
	}
}

// The bodies are read afterwards, as some contenders end their spans there.
func TestRunOpenReadsBodies(t *testing.T) {
	var bodies []*stubBody
	ln := &lane{name: "counting", rt: roundTripFunc(func(req *http.Request) (*http.Response, error) {
		resp, err := stub{}.RoundTrip(req)
		bodies = append(bodies, resp.Body.(*stubBody))
		return resp, err
	})}
	if _, err := runOpen(get(stubURL), ln, 3); err != nil {
		t.Fatal(err)
	}
	if len(bodies) != 3 {
		t.Fatalf("%d responses, want 3", len(bodies))
	}
	for i, b := range bodies {
		if b.rest != "" {
			t.Errorf("body %d has %q left, want nothing", i, b.rest)
		}
	}
}

func TestUseCPUTime(t *testing.T) {
	for _, tt := range []struct {
		why       string
		got, want []quantity
	}{
		{"wall time without a network", []quantity{stubTime}, []quantity{processTime}},
		{"CPU time is there already", []quantity{processTime, wallTime}, []quantity{processTime, wallTime}},
		{"no time", []quantity{memory, collection}, []quantity{memory, collection}},
	} {
		r := result{quantities: tt.got}
		r.useCPUTime()
		for i, q := range r.quantities {
			if q.label != tt.want[i].label {
				t.Errorf("%s: quantity %d = %q, want %q", tt.why, i, q.label, tt.want[i].label)
			}
		}
	}
}
