package otelhttpclient

import "testing"

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
