package otelhttpclient

import (
	"io"
	"strings"
	"testing"
)

// BenchmarkWatch measures the watch over a body that is not forgotten.
func BenchmarkWatch(b *testing.B) {
	body := &responseBody{owner: &exchange{}, base: io.NopCloser(strings.NewReader(""))}
	b.ReportAllocs()
	for b.Loop() {
		watch(body)
		unwatch(body)
	}
}
