package otelhttpclient

import (
	"io"
	"strings"
	"testing"
)

// BenchmarkNursery measures the watch over a body that is not forgotten.
func BenchmarkNursery(b *testing.B) {
	body := &responseBody{owner: &exchange{}, base: io.NopCloser(strings.NewReader(""))}
	b.ReportAllocs()
	for b.Loop() {
		nursery.add(body)
		nursery.remove(body)
	}
}
