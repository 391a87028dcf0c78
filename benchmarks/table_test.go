package main

import (
	"strings"
	"testing"
)

func TestWriteTable(t *testing.T) {
	results := []result{
		{
			row:  row{name: "reached", goal: goal{time: 0.5, allocs: 13, limit: 1.35}},
			bare: sample{ns: 612, allocs: 7},
			costs: map[string]cost{
				nameOurs:    {ns: 3000, spread: 20, allocs: 13.1},
				nameOTel:    {ns: 7500, spread: 100, allocs: 25},
				nameDatadog: {ns: 12_400, spread: 300, allocs: 40},
				nameLimit:   {ns: 2000, spread: 10, allocs: 10},
			},
		},
		{
			row:  row{name: "time missed", goal: goal{time: 0.08, allocs: 2}},
			bare: sample{ns: 612, allocs: 7},
			costs: map[string]cost{
				nameOurs: {ns: 1000, spread: 20, allocs: 2},
				nameOTel: {ns: 5000, spread: 100, allocs: 18},
			},
		},
		{
			row:  row{name: "allocs missed", goal: goal{allocs: 2}},
			bare: sample{ns: 612, allocs: 7},
			costs: map[string]cost{
				nameOurs: {ns: 100, spread: 20, allocs: 3},
				nameOTel: {ns: 5000, spread: 100, allocs: 18},
			},
		},
		{
			row:    row{name: "file"},
			bare:   sample{ns: 40e6, allocs: 100},
			upload: 64 << 20,
			costs: map[string]cost{
				nameOurs: {ns: -2e6, spread: 3e6, allocs: -0.2},
				nameOTel: {ns: 1e6, spread: 2e6, allocs: 30},
			},
		},
	}
	const want = `
| per request           | bare                    | otelhttpclient                   | otelhttp                          | dd-trace-go            | limit                 | time ÷ otelhttp | allocs ÷ otelhttp | goal                     | met    |
|-----------------------|-------------------------|----------------------------------|-----------------------------------|------------------------|-----------------------|-----------------|-------------------|--------------------------|--------|
| reached               | 612 ns, 7               | +3.00 µs ± 20 ns, +13            | +7.50 µs ± 100 ns, +25            | +12.4 µs ± 300 ns, +40 | +2.00 µs ± 10 ns, +10 | 0.40            | 0.52              | time ≤ 0.50, ≤ 13 allocs | yes    |
| reached, versus limit |                         |                                  |                                   |                        |                       | 1.50 × limit    | 1.31 × limit      | time ≤ 1.35 × limit      | **no** |
| time missed           | 612 ns, 7               | +1.00 µs ± 20 ns, +2             | +5.00 µs ± 100 ns, +18            | –                      | –                     | 0.20            | 0.11              | time ≤ 0.08, ≤ 2 allocs  | **no** |
| allocs missed         | 612 ns, 7               | +100 ns ± 20 ns, +3              | +5.00 µs ± 100 ns, +18            | –                      | –                     | 0.02            | 0.17              | ≤ 2 allocs               | **no** |
| file                  | 40.00 ms, 100, 1.7 GB/s | -2.00 ms ± 3.00 ms, +0, 1.8 GB/s | +1.00 ms ± 2.00 ms, +30, 1.6 GB/s | –                      | –                     | in the noise    | 0.00              | –                        | –      |
`
	var b strings.Builder
	if err := writeTable(&b, results); err != nil {
		t.Fatal(err)
	}
	if got, want := b.String(), strings.TrimPrefix(want, "\n")+notes; got != want {
		t.Errorf("table:\n%s\nwant:\n%s", got, want)
	}
}

func TestFormatTime(t *testing.T) {
	for _, tt := range []struct {
		ns   float64
		want string
	}{
		{0, "0 ns"},
		{999, "999 ns"},
		{1234, "1.23 µs"},
		{12_340, "12.3 µs"},
		{123_400, "123.4 µs"},
		{12_345_678, "12.35 ms"},
	} {
		if got := formatTime(tt.ns); got != tt.want {
			t.Errorf("formatTime(%v) = %q, want %q", tt.ns, got, tt.want)
		}
	}
	if got, want := signed(-1234), "-1.23 µs"; got != want {
		t.Errorf("signed(-1234) = %q, want %q", got, want)
	}
}
