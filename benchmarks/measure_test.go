package main

import (
	"errors"
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
	bare := []sample{{ns: 100, allocs: 5}, {ns: 900, allocs: 5}, {ns: 200, allocs: 5}}
	got := above([]sample{{ns: 110, allocs: 7}, {ns: 910, allocs: 7}, {ns: 210, allocs: 7}}, bare)
	if want := (cost{ns: 10, spread: 0, allocs: 2}); got != want {
		t.Errorf("above = %+v, want %+v", got, want)
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
