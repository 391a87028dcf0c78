package otelhttpclient

import (
	"math/rand/v2"
	"runtime"
	"sync"
)

// If the application neither reads a body to its end nor closes it, its exchange
// ends when the garbage collector finds the body. A runtime cleanup for each body
// would cost two allocations and 9 % of the time of a sampled request, and
// nearly all bodies are closed soon. So a body is first put into a nursery,
// which refers to it. Each garbage collection empties the nursery, and only the
// bodies that are still in it get a cleanup, which runs when a later collection
// finds them unreachable.

// nurseries are many, so that requests do not contend for one lock.
type nurseries [64]struct {
	generation
	_ [64]byte // a cache line for each
}

var nursery nurseries

// generation is a list of bodies that were created since the last collection.
type generation struct {
	mu     sync.Mutex
	bodies *responseBody
}

// place is the place of a body in its generation.
type place struct {
	in         uint8 // the index of its generation
	held       bool
	prev, next *responseBody
	cleanup    runtime.Cleanup // after it has left
}

func (n *nurseries) add(b *responseBody) {
	collectorWatch()
	b.place.in = uint8(rand.N(len(n)))
	g := &n[b.place.in].generation
	g.mu.Lock()
	b.place.held = true
	b.place.next = g.bodies
	if g.bodies != nil {
		g.bodies.place.prev = b
	}
	g.bodies = b
	g.mu.Unlock()
}

// remove removes a body that has ended. It stops the cleanup, whose argument would
// stay reachable until it runs, and with it the body if the request or its
// context refers to the response.
func (n *nurseries) remove(b *responseBody) {
	g := &n[b.place.in].generation
	g.mu.Lock()
	if b.place.held {
		if b.place.prev != nil {
			b.place.prev.place.next = b.place.next
		} else {
			g.bodies = b.place.next
		}
		if b.place.next != nil {
			b.place.next.place.prev = b.place.prev
		}
		b.place.release()
	}
	b.place.cleanup.Stop()
	g.mu.Unlock()
}

func (p *place) release() { p.held, p.prev, p.next = false, nil, nil }

// graduate empties the nursery and attaches a cleanup to each body in it.
func (n *nurseries) graduate() {
	for i := range n {
		g := &n[i].generation
		g.mu.Lock()
		for b := g.bodies; b != nil; {
			next := b.place.next
			b.place.release()
			if !b.owner.over() {
				b.place.cleanup = runtime.AddCleanup(b, abandon, b.owner)
			}
			b = next
		}
		g.bodies = nil
		g.mu.Unlock()
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

// collectorWatch makes each later garbage collection empty the nursery.
var collectorWatch = sync.OnceFunc(watchCollector)

// collection is garbage from the start: its finalizer runs after a collection.
type collection struct{ _ [16]*byte }

func watchCollector() {
	runtime.SetFinalizer(&collection{}, func(*collection) {
		watchCollector()
		go nursery.graduate()
	})
}
