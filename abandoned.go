package otelhttpclient

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
	first *responseBody
	_     [64]byte // a cache line for each
}

// link links a body into its shard's list.
type link struct {
	shard   uint8
	next    *responseBody
	back    **responseBody  // the pointer to this body; nil: not in the list
	cleanup runtime.Cleanup // set once the body has left the list
}

func watch(b *responseBody) {
	collectorWatch.Do(watchCollector)
	b.link.shard = uint8(rand.Uint32() % uint32(len(recent)))
	s := &recent[b.link.shard]
	s.mu.Lock()
	b.link.next, b.link.back = s.first, &s.first
	if s.first != nil {
		s.first.link.back = &b.link.next
	}
	s.first = b
	s.mu.Unlock()
}

// unwatch removes a body that has ended. It stops the cleanup: until it runs, its
// argument keeps the exchange alive, and so the body if the request or its
// context refers to the response.
func unwatch(b *responseBody) {
	s := &recent[b.link.shard]
	s.mu.Lock()
	if b.link.back != nil {
		b.link.remove()
	}
	b.link.cleanup.Stop()
	s.mu.Unlock()
}

func (l *link) remove() {
	*l.back = l.next
	if l.next != nil {
		l.next.link.back = l.back
	}
	l.next, l.back = nil, nil
}

// watchAll empties the list and attaches a cleanup to each body in it.
func watchAll() {
	for i := range recent {
		s := &recent[i]
		s.mu.Lock()
		for s.first != nil {
			b := s.first
			b.link.remove()
			if !b.owner.over() {
				b.link.cleanup = runtime.AddCleanup(b, abandon, b.owner)
			}
		}
		s.mu.Unlock()
	}
}

// abandon reports the end of a body that has become unreachable, on a new
// goroutine: an exporter may block, and the runtime's goroutine must not.
func abandon(owner bodyOwner) {
	if owner.over() {
		return
	}
	go owner.finish(ending{abandoned: true, at: owner.lastActive()})
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
