package otelhttpclient

import (
	"math/rand/v2"
	"runtime"
	"sync"
)

// A body that the application neither reads to its end nor closes must end its
// span too: when the garbage collector finds it. runtime.AddCleanup can tell,
// but costs as much as a good part of the rest of a request, and nearly all
// bodies are closed soon. So a body is first put into a nursery, which holds
// it. With each garbage collection those that are still there leave it, and
// only they get a cleanup: it runs when a later collection finds them
// unreachable.

// nurseries keeps the bodies of different requests from waiting for one lock.
type nurseries [64]struct {
	generation
	_ [64]byte // a cache line for each
}

var nursery nurseries

// generation is a list of bodies that were made since the last collection.
type generation struct {
	mu     sync.Mutex
	bodies *responseBody
}

// place is where in its generation a body is.
type place struct {
	in         *generation
	held       bool
	prev, next *responseBody
	cleanup    runtime.Cleanup // once it has left
}

func (n *nurseries) add(b *responseBody) {
	collectorWatch()
	g := &n[rand.N(len(n))].generation
	b.place.in = g
	g.mu.Lock()
	b.place.held = true
	b.place.next = g.bodies
	if g.bodies != nil {
		g.bodies.place.prev = b
	}
	g.bodies = b
	g.mu.Unlock()
}

// remove ends the watch over a body that has ended. The cleanup must be
// stopped: its argument is reachable until it has run, and so is the body where
// the request or its context refers to the response.
func (n *nurseries) remove(b *responseBody) {
	g := b.place.in
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

// graduate lets go of all bodies, after having seen to it that those which the
// application forgets are found.
func (n *nurseries) graduate() {
	for i := range n {
		g := &n[i].generation
		g.mu.Lock()
		for b := g.bodies; b != nil; {
			next := b.place.next
			b.place.release()
			if !b.rt.ended.Load() {
				b.place.cleanup = runtime.AddCleanup(b, abandon, b.rt)
			}
			b = next
		}
		g.bodies = nil
		g.mu.Unlock()
	}
}

// abandon ends the round trip of a body that has become unreachable. It does
// so on a goroutine of its own, as an exporter may block, and the runtime's
// must not.
func abandon(rt *roundTrip) {
	if rt.ended.Load() {
		return
	}
	go rt.finish(ending{abandoned: true, at: rt.lastActive()})
}

// collectorWatch has the nursery emptied after each garbage collection from
// now on.
var collectorWatch = sync.OnceFunc(watchCollector)

// collection is garbage from its beginning: its finalizer tells that a
// collection took place.
type collection struct{ _ [16]*byte }

func watchCollector() {
	runtime.SetFinalizer(&collection{}, func(*collection) {
		watchCollector()
		go nursery.graduate()
	})
}
