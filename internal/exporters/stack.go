// Package exporters recognizes code that an OpenTelemetry SDK runs to export its
// telemetry.
package exporters

import (
	"hash/maphash"
	"math/rand/v2"
	"runtime"
	"strings"
	"unsafe"

	"github.com/otelhttpclient/otelhttpclient/internal/bounded"
)

// Neither the SDK nor the exporters mark their contexts, and an exporter may use
// any HTTP client. But the SDK's functions are on the stack of the goroutine in
// which an exporter sends a request. To walk the stack takes 0.5 to 1 µs. To name
// its functions takes ten times as long, so results are cached by the stack.

// depth is how many frames are searched. The SDK's frame is the eighth above
// http.Client.Do if the exporter calls that itself.
const depth = 64

// probeEvery is the mean number of requests to an endpoint between two searches of
// the stack, until one finds an exporter. An exporter that shares its endpoint with
// the application is found after so many of its own requests.
const probeEvery = 64

var (
	seed    = maphash.MakeSeed()
	results bounded.Cache[uint64, bool]   // by the hash of the stack's program counters
	known   bounded.Cache[endpoint, bool] // whether an exporter sends there
)

type endpoint struct{ host, path string }

// Send reports whether the caller, which sends a request to this endpoint, runs on
// behalf of an SDK: of an exporter, of a processor of spans or logs, or of a sampler.
// Callbacks of the SDK that belong to the application, such as those of observable
// instruments, do not.
func Send(host, path string) bool {
	to := endpoint{host, path}
	exported, ok := known.Get(to)
	if ok && !exported && rand.N(probeEvery) != 0 {
		return false
	}
	found := onStack()
	if !ok || found && !exported {
		known.Put(endpoint{strings.Clone(host), strings.Clone(path)}, found)
	}
	return found
}

func onStack() bool {
	var pcs [depth]uintptr
	n := runtime.Callers(2, pcs[:])
	key := maphash.Bytes(seed, unsafe.Slice((*byte)(unsafe.Pointer(&pcs)), uintptr(n)*unsafe.Sizeof(pcs[0])))
	found, ok := results.Get(key)
	if !ok {
		found = search(append([]uintptr(nil), pcs[:n]...))
		results.Put(key, found)
	}
	return found
}

func search(pcs []uintptr) bool {
	if len(pcs) == 0 {
		return false
	}
	frames, callee := runtime.CallersFrames(pcs), ""
	for {
		frame, more := frames.Next()
		if exports(frame.Function, callee) {
			return true
		}
		if !more {
			return false
		}
		callee = frame.Function
	}
}

const sdk = "go.opentelemetry.io/otel/sdk/"

// exports reports whether a function that has called another one exports
// telemetry. Functions are named as package runtime does.
func exports(caller, callee string) bool {
	// The method of every exporter of spans, and goroutines that it starts.
	if _, after, ok := strings.Cut(caller, ".ExportSpans"); ok && (after == "" || after[0] == '.' || after[0] == '-') {
		return true
	}
	pkg, ok := strings.CutPrefix(caller, sdk)
	if !ok {
		return false
	}
	switch method := callee[strings.LastIndexByte(callee, '.')+1:]; method {
	case "Export", "ForceFlush", "Shutdown":
		return !strings.HasPrefix(callee, sdk)
	}
	// These packages call nothing else that sends requests.
	return strings.HasPrefix(pkg, "trace.") || strings.HasPrefix(pkg, "log.")
}
