package body

import "testing"

// BenchmarkWatch measures the watch over a body that is not forgotten.
func BenchmarkWatch(b *testing.B) {
	body := new(body)
	b.ReportAllocs()
	for b.Loop() {
		watch(body)
		unwatch(body)
	}
}
