// Package exporters recognizes requests that an OpenTelemetry SDK sends to export
// its telemetry. It is given the endpoint of a request, and reads the stack of the
// calling goroutine. It does not know requests or spans.
package exporters

import (
	"hash/maphash"
	"math/rand/v2"
	"runtime"
	"strings"
	"unsafe"

	"github.com/otelhttpclient/otelhttpclient/internal/bounded"
)

// SDK and exporters do not mark their contexts, and an exporter may use any HTTP
// client. But the SDK's functions are on the stack of the goroutine on which an
// exporter sends a request. Walking the stack takes 0.5 to 1 µs. Resolving the names
// of its functions takes ten times as long, so results are cached by stack.

// maxFrames limits the search. The SDK's frame is the eighth above http.Client.Do if
// the exporter calls Do itself.
const maxFrames = 64

// probeEvery is the mean number of requests to an endpoint between two searches of
// the stack, until one finds an exporter. An exporter whose endpoint the application
// uses too is found after about this number of its requests.
const probeEvery = 64

var (
	seed            = maphash.MakeSeed()
	stackResults    bounded.Cache[uint64, bool]   // by the hash of the stack's program counters
	endpointResults bounded.Cache[endpoint, bool] // whether an exporter sends to it
)

type endpoint struct{ host, path string }

// CalledBySDK reports whether the caller, which sends a request to this endpoint, was called
// by an exporter, by a processor of spans or logs, or by a sampler of an SDK.
// Callbacks of the application that an SDK runs, such as those of observable
// instruments, do not count.
func CalledBySDK(host, path string) bool {
	to := endpoint{host, path}
	exported, ok := endpointResults.Get(to)
	if ok && !exported && rand.N(probeEvery) != 0 {
		return false
	}
	found := onStack()
	if !ok || found && !exported {
		endpointResults.Put(endpoint{strings.Clone(host), strings.Clone(path)}, found)
	}
	return found
}

func onStack() bool {
	var pcs [maxFrames]uintptr
	n := runtime.Callers(2, pcs[:])
	key := maphash.Bytes(seed, unsafe.Slice((*byte)(unsafe.Pointer(&pcs)), uintptr(n)*unsafe.Sizeof(pcs[0])))
	found, ok := stackResults.Get(key)
	if !ok {
		found = searchFrames(append([]uintptr(nil), pcs[:n]...))
		stackResults.Put(key, found)
	}
	return found
}

func searchFrames(pcs []uintptr) bool {
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

// exports reports whether caller, which called callee, exports telemetry. The names
// are those of package runtime.
func exports(caller, callee string) bool {
	// The method of span exporters, and the goroutines that it starts.
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
