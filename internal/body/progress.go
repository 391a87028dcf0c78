package body

import (
	"sync/atomic"
	"time"
)

// Progress is the progress of a response body.
type Progress struct {
	received     atomic.Int64 // bytes
	lastActivity atomic.Int64 // nanoseconds since processStart
}

// processStart anchors time.Since, which costs half of time.Now.
var processStart = time.Now()

func (p *Progress) progress() *Progress { return p }

// Add records n received bytes, and an activity even if n is 0. It does nothing
// if p is nil.
func (p *Progress) Add(n int64) {
	if p == nil {
		return
	}
	if n > 0 {
		p.received.Add(n)
	}
	p.lastActivity.Store(int64(time.Since(processStart)))
}

// Received returns the number of bytes that were received.
func (p *Progress) Received() int64 { return p.received.Load() }

// lastActive returns the time of the latest activity. It is relative to start,
// so that it moves with that if the clock is set or the machine is suspended. If
// start has no monotonic time, it is relative to now.
func (p *Progress) lastActive(start time.Time) time.Time {
	now := time.Now()
	ago := now.Sub(processStart) - time.Duration(p.lastActivity.Load())
	at := now.Add(-ago)
	if start != start.Round(0) { // Round removes the monotonic time
		at = start.Add(at.Sub(start))
	}
	return at
}
