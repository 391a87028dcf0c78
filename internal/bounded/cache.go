// Package bounded has a cache for values that are costly to make and read by
// many goroutines.
package bounded

import (
	"maps"
	"sync"
	"sync/atomic"
)

const (
	// Size is the largest number of values in a [Cache].
	Size = 256
	// MissesUntilEmptied is how many values a full Cache refuses before it
	// starts anew.
	MissesUntilEmptied = 16 * Size
)

// Cache maps keys to values. The zero Cache is empty and ready to use. It is
// safe for concurrent use.
//
// Get takes no lock. Put copies the map, which is rare: a Cache holds few
// values. A full one refuses new values at first, and is emptied after
// [MissesUntilEmptied] of them, so that keys which are in use now get in.
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

// Put sets the value of a key, if there is room.
func (c *Cache[K, V]) Put(key K, v V) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var old map[K]V
	if m := c.values.Load(); m != nil {
		old = *m
	}
	if _, known := old[key]; !known && len(old) >= Size {
		if c.missed++; c.missed < MissesUntilEmptied {
			return
		}
		c.missed, old = 0, nil
	}
	values := make(map[K]V, len(old)+1)
	maps.Copy(values, old)
	values[key] = v
	c.values.Store(&values)
}

// Len returns the number of values.
func (c *Cache[K, V]) Len() int {
	if m := c.values.Load(); m != nil {
		return len(*m)
	}
	return 0
}
