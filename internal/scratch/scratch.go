// Package scratch has reusable memory for data that a request needs until it is
// sent. It is given whether the memory may be reused. It does not know requests.
package scratch

import (
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelhttpclient/otelhttpclient/internal/inject"
)

// Memory is memory for starting and describing a span: attributes, start
// options and the carrier of the headers. Reusing it saves five allocations and
// 13 to 18 % of the time of a request with a span.
//
// It is reused only if tracer and spans are the SDK's or no-ops, which copy the
// slices that they are given: NewSpanStartConfig copies attributes from options, and
// spans copy the attributes that are set. Other tracers and spans may keep a slice,
// so they get new memory.
type Memory struct {
	Attributes []attribute.KeyValue // stored in inline unless there are more than 16
	inline     [16]attribute.KeyValue
	// options[n] are the options of a span with the first n attributes of inline.
	// They are created once, as each option is an allocation.
	options [17][]trace.SpanStartOption
	merged  []trace.SpanStartOption // with those of the application
	Carrier inject.Carrier
	pooled  bool
}

var pool = sync.Pool{New: func() any { return newMemory(true) }}

func newMemory(pooled bool) *Memory {
	s := &Memory{pooled: pooled}
	s.Attributes = s.inline[:0]
	return s
}

// Get returns memory. reusable: Release may give it to other requests.
func Get(reusable bool) *Memory {
	if reusable {
		return pool.Get().(*Memory)
	}
	return newMemory(false)
}

// Release returns the memory to the pool, unless it is not reusable. The caller must
// not use it afterwards.
func (s *Memory) Release() {
	if !s.pooled {
		return
	}
	// Clear only the used part: s.Attributes has never been longer.
	clear(s.inline[:min(len(s.Attributes), len(s.inline))])
	s.Attributes = s.inline[:0]
	s.Carrier = inject.Carrier{}
	pool.Put(s)
}

var spanKindClient = trace.WithSpanKind(trace.SpanKindClient)

// StartOptions returns the start options of a span: s.Attributes, the application's
// options, and the kind, in this order.
func (s *Memory) StartOptions(application []trace.SpanStartOption) []trace.SpanStartOption {
	n := len(s.Attributes)
	if n >= len(s.options) {
		return startOptions(s.Attributes, application)
	}
	if s.options[n] == nil {
		s.options[n] = startOptions(s.inline[:n], nil)
	}
	if len(application) == 0 {
		return s.options[n]
	}
	s.merged = append(append(s.merged[:0], s.options[n][0]), application...)
	s.merged = append(s.merged, spanKindClient)
	return s.merged
}

func startOptions(a []attribute.KeyValue, application []trace.SpanStartOption) []trace.SpanStartOption {
	options := append([]trace.SpanStartOption{trace.WithAttributes(a...)}, application...)
	return append(options, spanKindClient)
}
