package main

import (
	"math"
	"os"
	"strings"
	"testing"
)

// samplesOf returns one round.
func samplesOf(wall, allocs float64) []sample { return []sample{{wall: wall, allocs: allocs}} }

func TestWriteTable(t *testing.T) {
	results := []result{
		{
			row:        row{name: "reached"},
			quantities: []quantity{stubTime},
			samples: map[string][]sample{
				nameBare:    {{wall: 600, allocs: 7}, {wall: 620, allocs: 7}, {wall: 610, allocs: 7}},
				nameOurs:    {{wall: 3600, allocs: 20}, {wall: 3610, allocs: 20}, {wall: 3630, allocs: 20}},
				nameByHand:  {{wall: 4600, allocs: 17}, {wall: 4640, allocs: 17}, {wall: 4610, allocs: 17}},
				nameOTel:    {{wall: 8600, allocs: 32}, {wall: 8620, allocs: 32}, {wall: 8610, allocs: 32}},
				nameDatadog: {{wall: 12_600, allocs: 47}, {wall: 13_000, allocs: 47}, {wall: 12_610, allocs: 47}},
			},
		},
		{
			row:        row{name: "missed"},
			quantities: []quantity{stubTime},
			samples: map[string][]sample{
				nameBare: samplesOf(600, 7), nameOurs: samplesOf(1600, 9), nameByHand: samplesOf(1600, 17), nameOTel: samplesOf(5600, 25),
			},
		},
		{
			row:        row{name: "loopback"},
			quantities: []quantity{processTime, wallTime},
			samples: map[string][]sample{
				nameBare:   {{wall: 30_000, cpu: 20_000, allocs: 70}},
				nameOurs:   {{wall: 39_000, cpu: 24_000, allocs: 80}},
				nameByHand: {{wall: 36_000, cpu: 25_000, allocs: 80}},
				nameOTel:   {{wall: 42_000, cpu: 28_000, allocs: 90}},
			},
		},
		{
			row:        row{name: "without getrusage"},
			quantities: []quantity{processTime},
			samples: map[string][]sample{
				nameBare: {{cpu: math.NaN()}}, nameOurs: {{cpu: math.NaN()}}, nameByHand: {{cpu: math.NaN()}},
			},
		},
		{
			row:        row{name: "file"},
			quantities: []quantity{wallTime},
			upload:     64 << 20,
			samples: map[string][]sample{
				nameBare: samplesOf(40e6, 100), nameOurs: samplesOf(38e6, 99.8), nameByHand: samplesOf(40e6, 110), nameOTel: samplesOf(30e6, 130),
			},
		},
		{
			row:        row{name: "open"},
			quantities: []quantity{memory, collection},
			samples: map[string][]sample{
				nameBare:   {{held: 700, collection: 1e6}},
				nameOurs:   {{held: 2800, collection: 5e6}},
				nameByHand: {{held: 2000, collection: 3e6}},
				nameOTel:   {{held: 2400, collection: 5e6}},
			},
		},
	}
	const want = `
| per request                  | bare                           | otelhttpclient                | hand-written                | otelhttp                        | dd-trace-go           | ÷ hand-written | allocs ÷ hand-written | ÷ otelhttp  |
|------------------------------|--------------------------------|-------------------------------|-----------------------------|---------------------------------|-----------------------|----------------|-----------------------|-------------|
| reached                      | 610 ns ± 5 ns, 7               | +3.00 µs ± 8 ns, +13          | +4.00 µs ± 5 ns, +10        | +8.00 µs ± 0 ns, +25            | +12.0 µs ± 95 ns, +40 | 0.75 ± 0.00    | 1.30                  | 0.38 ± 0.00 |
| missed                       | 600 ns ± 0 ns, 7               | +1.00 µs ± 0 ns, +2           | +1.00 µs ± 0 ns, +10        | +5.00 µs ± 0 ns, +18            | –                     | 1.00 ± 0.00    | 0.20                  | 0.20 ± 0.00 |
| loopback, CPU time           | 20.0 µs ± 0 ns, 70             | +4.00 µs ± 0 ns, +10          | +5.00 µs ± 0 ns, +10        | +8.00 µs ± 0 ns, +20            | –                     | 0.80 ± 0.00    | 1.00                  | 0.50 ± 0.00 |
| loopback, wall time          | 30.0 µs ± 0 ns, 70             | +9.00 µs ± 0 ns, +10          | +6.00 µs ± 0 ns, +10        | +12.0 µs ± 0 ns, +20            | –                     | 1.50 ± 0.00    | 1.00                  | 0.75 ± 0.00 |
| without getrusage, CPU time  | not measurable on this system  | –                             | –                           | –                               | –                     | –              | –                     | –           |
| file, wall time              | 40.00 ms ± 0 ns, 100, 1.7 GB/s | -2.00 ms ± 0 ns, +0, 1.8 GB/s | +0 ns ± 0 ns, +10, 1.7 GB/s | -10.00 ms ± 0 ns, +30, 2.2 GB/s | –                     | in the noise   | 0.00                  | below bare  |
| open, memory of one          | 700 B ± 0 B                    | +2100 B ± 0 B                 | +1300 B ± 0 B               | +1700 B ± 0 B                   | –                     | 1.40 ± 0.00    | –                     | 1.17 ± 0.00 |
| open, a collection, CPU time | 1.00 ms ± 0 ns                 | +4.00 ms ± 0 ns               | +2.00 ms ± 0 ns             | +4.00 ms ± 0 ns                 | –                     | 2.00 ± 0.00    | –                     | 1.00 ± 0.00 |
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
	if got, want := signed(-1234, formatTime), "-1.23 µs"; got != want {
		t.Errorf("signed(-1234) = %q, want %q", got, want)
	}
}

// The explanations below the published table are those of the command.
func TestNotesArePublished(t *testing.T) {
	page, err := os.ReadFile("../docs/cost.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(page), notes) {
		t.Errorf("docs/cost.md: got other notes, want\n%s", notes)
	}
}
