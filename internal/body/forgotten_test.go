package body

import (
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"
)

// A forgotten body ends with the time of its latest activity, once.
func TestForgottenBodyEnds(t *testing.T) {
	o := &owner{start: time.Now(), ended: make(chan End, 10)}
	_, _ = wrapped(strings.NewReader("fine"), o).Body.Read(make([]byte, 1))
	active := time.Now()
	time.Sleep(10 * time.Millisecond)
	e := waitForEnd(t, o)
	if e.Err != nil || !e.Abandoned || e.At.After(active) || e.At.Before(o.start) {
		t.Errorf("end: got %+v, want abandoned before %v", e, active)
	}
	if got := o.Received(); got != 1 {
		t.Errorf("received: got %d, want 1", got)
	}
}

func waitForEnd(t *testing.T, o *owner) End {
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		runtime.GC()
		select {
		case e := <-o.ended:
			return e
		case <-time.After(time.Millisecond):
		}
	}
	t.Fatal("no end")
	return End{}
}

// Bodies leave the list in any order, by their end or by a collection.
func TestListOfRecentBodies(t *testing.T) {
	listed := func(b *body) bool {
		s := &recent[b.shard]
		s.mu.Lock()
		defer s.mu.Unlock()
		found := false
		for c := s.first; c != nil; c = c.next {
			found = found || c == b
		}
		if found != (b.backLink != nil) {
			t.Errorf("in the list: %v, but it has a link: %v", found, b.backLink != nil)
		}
		return found
	}
	o := &owner{ended: make(chan End, 1000)}
	var bodies []*body
	var responses []*http.Response
	for range 4 * len(recent) {
		resp := wrapped(strings.NewReader("fine"), o)
		bodies, responses = append(bodies, resp.Body.(*body)), append(responses, resp)
	}
	for i, b := range bodies {
		if i%3 == 0 {
			responses[i].Body.Close()
			if listed(b) {
				t.Fatalf("body %d: in the list after its end", i)
			}
		}
	}
	attachCleanups()
	for i, b := range bodies {
		if ended := i%3 == 0; listed(b) || !ended && b.cleanup == nil {
			t.Fatalf("body %d after a collection: in the list %v, with a cleanup %v", i, listed(b), b.cleanup != nil)
		}
		responses[i].Body.Close()
	}
	if got, want := len(o.ended), len(bodies); got != want {
		t.Errorf("ends: got %d, want %d", got, want)
	}
}

// BenchmarkWatch measures the watch over a body that is not forgotten.
func BenchmarkWatch(b *testing.B) {
	body := new(body)
	b.ReportAllocs()
	for b.Loop() {
		addRecent(body)
		removeRecent(body)
	}
}
