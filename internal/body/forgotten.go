package body

import (
	"math/rand/v2"
	"runtime"
	"sync"
)

// The exchange of a forgotten body, one that is not read to its end and not
// closed, ends when the garbage collector finds the body. A runtime cleanup for each body would
// cost two allocations and 9 % of the time of a sampled request, and nearly all
// bodies are closed soon. So a new body is first added to a list. After each
// garbage collection the list is emptied, and only the bodies that are still in it
// get a cleanup, which runs when a later collection finds them unreachable.

// recent lists the bodies created since the last collection. It is sharded to
// avoid lock contention.
var recent [64]shard

type shard struct {
	mu    sync.Mutex
	first *body
	_     [64]byte // gives each shard its own cache line
}

func addRecent(b *body) {
	sentinelOnce.Do(armSentinel)
	b.shard = uint8(rand.Uint32() % uint32(len(recent)))
	s := &recent[b.shard]
	s.mu.Lock()
	b.next, b.backLink = s.first, &s.first
	if b.next != nil {
		b.next.backLink = &b.next
	}
	s.first = b
	s.mu.Unlock()
}

// removeRecent removes a body that has ended from the list. It stops the cleanup:
// until it runs, its argument keeps the exchange alive, and so the body if the
// request or its context refers to the response.
func removeRecent(b *body) {
	s := &recent[b.shard]
	s.mu.Lock()
	b.unlink()
	if b.cleanup != nil {
		b.cleanup.Stop()
	}
	s.mu.Unlock()
}

// unlink removes a body from its shard, which the caller has locked. It does
// nothing if the body is not in the list.
func (b *body) unlink() {
	if b.backLink == nil {
		return
	}
	*b.backLink = b.next
	if b.next != nil {
		b.next.backLink = b.backLink
	}
	b.next, b.backLink = nil, nil
}

// attachCleanups empties the list and attaches a cleanup to each body in it.
func attachCleanups() {
	for i := range recent {
		s := &recent[i]
		s.mu.Lock()
		for b := s.first; b != nil; b = s.first {
			b.unlink()
			if !b.ended.Load() {
				cleanup := runtime.AddCleanup(b, abandon, b.owner)
				b.cleanup = &cleanup
			}
		}
		s.mu.Unlock()
	}
}

// abandon ends the exchange of an unreachable body on a new goroutine: an exporter
// may block, and the runtime's goroutine must not.
func abandon(owner Owner) {
	go owner.End(End{At: owner.progress().lastActiveTime(owner.StartTime()), Abandoned: true})
}

// sentinelOnce starts the chain of sentinels, one for each garbage collection.
var sentinelOnce sync.Once

// sentinel is unreachable at once, so its finalizer runs after the next garbage
// collection.
type sentinel struct{ _ [16]*byte }

func armSentinel() {
	runtime.SetFinalizer(&sentinel{}, func(*sentinel) {
		armSentinel()
		go attachCleanups()
	})
}
