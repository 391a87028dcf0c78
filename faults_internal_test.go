package otelhttpclient

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
)

// TestConnectionsAreForgotten: what watches connections keeps none that is
// closed, however many hosts there were, and stops when there is none left.
func TestConnectionsAreForgotten(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "fine") }))
	defer server.Close()
	base := &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, server.Listener.Addr().String())
	}}
	defer base.CloseIdleConnections()
	meters := sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader()))
	rt := NewTransport(base, WithMeterProvider(meters), WithOptInMetrics(MetricOpenConnections, MetricConnectionDuration))
	const hosts = 100
	for i := range hosts {
		resp, err := (&http.Client{Transport: rt}).Get(fmt.Sprintf("http://h%d.example/", i))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
	}
	watched := &rt.instrumentation().meters.now(&rt.instrumentation().config).connections
	state := func() (open int, ticking bool) {
		watched.mu.Lock()
		defer watched.mu.Unlock()
		return len(watched.open), watched.ticking
	}
	if open, ticking := state(); open == 0 || !ticking {
		t.Errorf("while connections are open: got %d watched, ticking %v, want some, and true", open, ticking)
	}
	base.CloseIdleConnections()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		open, ticking := state()
		if open == 0 && !ticking {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after all were closed: got %d watched, ticking %v, want 0 and false", open, ticking)
		}
	}
}

// TestCachesAreBounded: however many keys there are, and those that are used
// again and again are found again once others have filled the cache.
func TestCachesAreBounded(t *testing.T) {
	var c boundedCache[int, int]
	largest := 0
	for i := range 4 * cacheMissesFull {
		c.put(i, i)
		largest = max(largest, len(*c.values.Load()))
	}
	if largest != cacheSize {
		t.Errorf("largest size: got %d, want %d", largest, cacheSize)
	}
	const again = -1
	found := false
	for range cacheMissesFull + 1 {
		if _, found = c.get(again); found {
			break
		}
		c.put(again, again)
	}
	if !found {
		t.Errorf("a key that is put again and again is never found, want it after at most %d times", cacheMissesFull)
	}
}
