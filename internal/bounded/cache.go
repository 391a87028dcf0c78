// Package bounded has a cache of limited size, for values that are costly to make
// and are read by many goroutines. It does not know what the values are.
package bounded

import (
	"maps"
	"sync"
	"sync/atomic"
)

const (
	// maxSize limits the number of values in a [Cache].
	maxSize = 256
	// missesUntilEmptied is the number of values that a full Cache refuses before it
	// is emptied.
	missesUntilEmptied = 16 * maxSize
)

// Cache maps keys to values. The zero Cache is empty and ready to use. It is
// safe for concurrent use.
//
// Get takes no lock. Put copies the map, which is rare: a Cache holds few
// values. A full Cache refuses new values. After a number of refusals it is
// emptied, so that the keys in use now replace older ones.
type Cache[K comparable, V any] struct {
	values atomic.Pointer[map[K]V]
	mu     sync.Mutex
	missed int // while full
}

// Get returns the value of a key, and whether there is one.
func (c *Cache[K, V]) Get(key K) (v V, ok bool) {
	if m := c.values.Load(); m != nil {
		v, ok = (*m)[key]
	}
	return v, ok
}

// Put sets the value of a key. A full Cache may refuse it.
func (c *Cache[K, V]) Put(key K, v V) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var old map[K]V
	if m := c.values.Load(); m != nil {
		old = *m
	}
	if _, known := old[key]; !known && len(old) >= maxSize {
		if c.missed++; c.missed < missesUntilEmptied {
			return
		}
		c.missed, old = 0, nil
	}
	values := make(map[K]V, len(old)+1)
	maps.Copy(values, old)
	values[key] = v
	c.values.Store(&values)
}
