package otelhttpclient

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// TestLastActivityFollowsTheClock: the clock here is years away from the one
// that the process was started with, as after it was set.
func TestLastActivityFollowsTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rt := NewTransport(stub(func(req *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Header: http.Header{}, Body: struct{ io.ReadCloser }{io.NopCloser(strings.NewReader("fine"))}, Request: req}, nil
		}), WithTracerProvider(sdktrace.NewTracerProvider()))
		req, _ := http.NewRequestWithContext(t.Context(), "GET", "https://example.com/", nil)
		resp, err := rt.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b := resp.Body.(*responseBody)
		if got, want := b.owner.lastActive(), time.Now(); got.UnixNano() != want.UnixNano() {
			t.Errorf("last activity of a body that was never read: got %v, want %v", got, want)
		}
		for range 2 {
			time.Sleep(time.Hour)
			_, _ = resp.Body.Read(make([]byte, 1))
			if got, want := b.owner.lastActive(), time.Now(); got.UnixNano() != want.UnixNano() {
				t.Errorf("last activity: got %v, want %v", got, want)
			}
		}
	})
}

// TestLastActivityWithoutStart: the clock was set forward by an hour since the
// process was started, and the span has no StartTime to compare with.
func TestLastActivityWithoutStart(t *testing.T) {
	for name, span := range map[string]trace.Span{
		"no method StartTime": noop.Span{},
		"no monotonic time":   startedSpan{at: time.Now().UTC()},
		"the zero time":       startedSpan{},
		"another age":         startedSpan{at: time.Unix(-1<<40, 0)},
	} {
		x := &exchange{span: span}
		x.progress(0)
		before := processStart
		processStart = before.Round(0).Add(-time.Hour) // read as the clock is now
		x.download.lastActivity.Add(int64(time.Hour))
		got := x.lastActive()
		processStart = before
		if ago := time.Since(got).Abs(); ago > time.Minute {
			t.Errorf("%s: last activity %v ago, want less than a minute", name, ago)
		}
	}
}

// TestLastActivityMovesWithTheStart: the clock was set forward by an hour after
// the span had started, so that its start is an hour before now although no time
// has passed.
func TestLastActivityMovesWithTheStart(t *testing.T) {
	start := time.Now()
	*(*uint64)(unsafe.Pointer(&start)) -= 3600 << 30 // the seconds of the wall clock; see time.Time
	if ago := time.Now().Round(0).Sub(start.Round(0)).Round(time.Minute); ago != time.Hour || time.Since(start) > time.Minute {
		t.Skip("time.Time has another layout")
	}
	x := &exchange{span: startedSpan{at: start}}
	x.progress(0)
	if took := x.lastActive().Round(0).Sub(start.Round(0)); took < 0 || took > time.Minute {
		t.Errorf("last activity: %v after the start, want less than a minute", took)
	}
}

type startedSpan struct {
	noop.Span
	at time.Time
}

func (s startedSpan) StartTime() time.Time { return s.at }

type stub func(*http.Request) (*http.Response, error)

func (s stub) RoundTrip(req *http.Request) (*http.Response, error) { return s(req) }
