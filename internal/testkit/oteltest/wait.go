package oteltest

import (
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"
)

// Eventually waits up to 5 seconds for f to be true. It is for what no channel
// announces.
func Eventually(t testing.TB, what string, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); !f(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 5 s, want it soon", what)
		}
	}
}

// Within waits up to 5 seconds for a value.
func Within[T any](t testing.TB, what string, from <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-from:
	case <-time.After(5 * time.Second):
		t.Fatalf("%s: not within 5 s, want it soon", what)
	}
	return v
}

// Recover runs f on a goroutine of its own, which f may end by a panic or by
// runtime.Goexit, and returns what f panicked with.
func Recover(f func()) (panicked any) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() { panicked = recover() }()
		f()
	}()
	<-done
	return panicked
}

// Concurrently calls f rounds times with each number below n, on 32 goroutines.
func Concurrently(rounds, n int, f func(int)) {
	jobs := make(chan int)
	var all sync.WaitGroup
	for range 32 {
		all.Go(func() {
			for j := range jobs {
				f(j)
			}
		})
	}
	for range rounds {
		for j := range n {
			jobs <- j
		}
	}
	close(jobs)
	all.Wait()
}

const ownProcessVariable = "OTELHTTPCLIENT_TEST_IN_OWN_PROCESS"

// OwnProcess reports whether this process runs nothing but the calling test.
// If not, it runs the test in such a process, whose failure ends the test.
// Tests of OpenTelemetry's globals need it: some take effect only once.
func OwnProcess(t *testing.T) bool {
	t.Helper()
	if os.Getenv(ownProcessVariable) == t.Name() {
		return true
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), ownProcessVariable+"="+t.Name())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("in a process of its own: %v, want a pass\n%s", err, out)
	}
	return false
}
