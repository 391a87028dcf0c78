package body

import (
	"sync/atomic"
	"time"
)

// Progress counts the bytes of a response body, and has the time of its latest
// activity.
type Progress struct {
	received     atomic.Int64 // bytes
	lastActivity atomic.Int64 // nanoseconds since processStart
}

// processStart anchors time.Since, which costs half of time.Now.
var processStart = time.Now()

func (p *Progress) progress() *Progress { return p }

// Add records n received bytes and the time of this activity. n may be 0. It does
// nothing if p is nil.
func (p *Progress) Add(n int64) {
	if p == nil {
		return
	}
	if n > 0 {
		p.received.Add(n)
	}
	p.lastActivity.Store(int64(time.Since(processStart)))
}

// Received returns the number of received bytes.
func (p *Progress) Received() int64 { return p.received.Load() }

// lastActiveTime returns the time of the latest activity. It is computed from
// start, so that it stays consistent with start if the clock is set or the machine
// is suspended. If start has no monotonic time, it is computed from now.
func (p *Progress) lastActiveTime(start time.Time) time.Time {
	now := time.Now()
	ago := now.Sub(processStart) - time.Duration(p.lastActivity.Load())
	at := now.Add(-ago)
	if start != start.Round(0) { // Round removes the monotonic time
		at = start.Add(at.Sub(start))
	}
	return at
}
