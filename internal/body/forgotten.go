package body

import (
	"math/rand/v2"
	"runtime"
	"sync"
)

// If the application neither reads a body to its end nor closes it, its exchange
// ends when the garbage collector finds the body. A runtime cleanup for each body
// would cost two allocations and 9 % of the time of a sampled request, and
// nearly all bodies are closed soon. So a new body is first put into a list,
// which refers to it. Each garbage collection empties the list, and only the
// bodies that are still in it get a cleanup, which runs when a later collection
// finds them unreachable.

// recent lists the bodies created since the last collection. It is sharded to
// avoid lock contention.
var recent [64]shard

type shard struct {
	mu    sync.Mutex
	first *body
	_     [64]byte // a cache line for each
}

func watch(b *body) {
	collectorWatch.Do(watchCollector)
	b.shard = uint8(rand.Uint32() % uint32(len(recent)))
	s := &recent[b.shard]
	s.mu.Lock()
	b.next, b.pointsHere = s.first, &s.first
	if b.next != nil {
		b.next.pointsHere = &b.next
	}
	s.first = b
	s.mu.Unlock()
}

// unwatch removes a body that has ended. It stops the cleanup: until it runs, its
// argument keeps the exchange alive, and so the body if the request or its
// context refers to the response.
func unwatch(b *body) {
	s := &recent[b.shard]
	s.mu.Lock()
	b.remove()
	if b.cleanup != nil {
		b.cleanup.Stop()
	}
	s.mu.Unlock()
}

// remove removes a body from its list, if it is in one. The list is locked.
func (b *body) remove() {
	if b.pointsHere == nil {
		return
	}
	*b.pointsHere = b.next
	if b.next != nil {
		b.next.pointsHere = b.pointsHere
	}
	b.next, b.pointsHere = nil, nil
}

// watchAll empties the list and attaches a cleanup to each body in it.
func watchAll() {
	for i := range recent {
		s := &recent[i]
		s.mu.Lock()
		for b := s.first; b != nil; b = s.first {
			b.remove()
			if !b.ended.Load() {
				cleanup := runtime.AddCleanup(b, abandon, b.owner)
				b.cleanup = &cleanup
			}
		}
		s.mu.Unlock()
	}
}

// abandon reports the end of a body that has become unreachable, on a new
// goroutine: an exporter may block, and the runtime's goroutine must not.
func abandon(owner Owner) {
	go owner.End(End{At: owner.progress().lastActive(owner.StartTime()), Abandoned: true})
}

// collectorWatch makes each later garbage collection empty the list.
var collectorWatch sync.Once

// sentinel is unreachable at once, so its finalizer runs after the next garbage
// collection.
type sentinel struct{ _ [16]*byte }

func watchCollector() {
	runtime.SetFinalizer(&sentinel{}, func(*sentinel) {
		watchCollector()
		go watchAll()
	})
}
