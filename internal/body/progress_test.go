package body

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"
)

// TestLastActivityFollowsTheClock: the clock here is years away from the one
// that the process was started with, as after it was set.
func TestLastActivityFollowsTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &owner{start: time.Now(), ended: make(chan End, 1)}
		resp := wrapped(strings.NewReader("fine"), o)
		defer resp.Body.Close()
		if got, want := o.lastActiveTime(o.start), time.Now(); got.UnixNano() != want.UnixNano() {
			t.Errorf("last activity of a body that was never read: got %v, want %v", got, want)
		}
		for range 2 {
			time.Sleep(time.Hour)
			_, _ = resp.Body.Read(make([]byte, 1))
			if got, want := o.lastActiveTime(o.start), time.Now(); got.UnixNano() != want.UnixNano() {
				t.Errorf("last activity: got %v, want %v", got, want)
			}
		}
	})
}

// TestLastActivityWithoutStart: the clock was set forward by an hour since the
// process was started, and there is no start to compare with.
func TestLastActivityWithoutStart(t *testing.T) {
	for name, start := range map[string]time.Time{
		"no monotonic time": time.Now().UTC().Round(0),
		"the zero time":     {},
		"another age":       time.Unix(-1<<40, 0),
	} {
		var p Progress
		p.Add(0)
		before := processStart
		processStart = before.Round(0).Add(-time.Hour) // read as the clock is now
		p.lastActivity.Add(int64(time.Hour))
		got := p.lastActiveTime(start)
		processStart = before
		if ago := time.Since(got).Abs(); ago > time.Minute {
			t.Errorf("%s: last activity %v ago, want less than a minute", name, ago)
		}
	}
}

// TestLastActivityMovesWithTheStart: the clock was set forward by an hour after
// the exchange had started, so that its start is an hour before now although no
// time has passed.
func TestLastActivityMovesWithTheStart(t *testing.T) {
	start := time.Now()
	*(*uint64)(unsafe.Pointer(&start)) -= 3600 << 30 // the seconds of the wall clock; see time.Time
	if ago := time.Now().Round(0).Sub(start.Round(0)).Round(time.Minute); ago != time.Hour || time.Since(start) > time.Minute {
		t.Skip("time.Time has another layout")
	}
	var p Progress
	p.Add(0)
	if took := p.lastActiveTime(start).Round(0).Sub(start.Round(0)); took < 0 || took > time.Minute {
		t.Errorf("last activity: %v after the start, want less than a minute", took)
	}
}
