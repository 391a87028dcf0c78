package bounded

import (
	"sync"
	"testing"
)

func TestCacheIsBounded(t *testing.T) {
	var c Cache[int, int]
	largest := 0
	for i := range 4 * missesUntilEmptied {
		c.Put(i, i)
		largest = max(largest, len(*c.values.Load()))
	}
	if largest != maxSize {
		t.Errorf("largest size: got %d, want %d", largest, maxSize)
	}
}

func TestFullCacheTakesKeysInUse(t *testing.T) {
	var c Cache[int, int]
	for i := range maxSize {
		c.Put(i, i)
	}
	const key = -1
	for range missesUntilEmptied + 1 {
		if _, found := c.Get(key); found {
			return
		}
		c.Put(key, key)
	}
	t.Errorf("a key that is put again and again is never found, want it after at most %d times", missesUntilEmptied)
}

func TestCacheIsSafeForConcurrentUse(t *testing.T) {
	var c Cache[int, int]
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 2 * maxSize {
				c.Put(i, i)
				if v, ok := c.Get(i); ok && v != i {
					t.Errorf("goroutine %d: got %d for key %d", g, v, i)
				}
			}
		})
	}
	wg.Wait()
}

func BenchmarkGet(b *testing.B) {
	var c Cache[string, int]
	c.Put("key", 1)
	b.ReportAllocs()
	for b.Loop() {
		_, _ = c.Get("key")
	}
}
