package otelhttpclient

import (
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
)

// scratch is memory for starting and describing a span: attributes, start
// options and the carrier of the headers. Reusing it saves five allocations and
// 13 to 18 % of the time of a request with a span.
//
// It is reused only if tracer and spans are the SDK's or no-ops, which copy the
// slices that they are given: NewSpanStartConfig copies attributes from options, and
// spans copy those that are set. Any other tracer or span may keep a slice, and
// gets one of its own.
type scratch struct {
	attributes []attribute.KeyValue // in room, or beyond it if there are many
	room       [16]attribute.KeyValue
	// withRoom[n] is the option for the first n attributes in room. It is
	// created once: an option is an allocation.
	withRoom [17]trace.SpanStartOption
	options  []trace.SpanStartOption
	carrier  headerCarrier
	pooled   bool
}

var scratches = sync.Pool{New: func() any { return newScratch(true) }}

func newScratch(pooled bool) *scratch {
	s := &scratch{pooled: pooled}
	s.attributes = s.room[:0]
	return s
}

// scratch returns memory for what is given to this tracer and to its spans.
func (t *providedTracer) scratch() *scratch {
	if t.copies || t.silent.Load() {
		return scratches.Get().(*scratch)
	}
	return newScratch(false)
}

func (s *scratch) release() {
	if !s.pooled {
		return
	}
	// Clear only what was used: s.attributes is at its longest.
	clear(s.room[:min(len(s.attributes), len(s.room))])
	s.attributes = s.room[:0]
	clear(s.options)
	s.options = s.options[:0]
	s.carrier = headerCarrier{}
	scratches.Put(s)
}

var spanKindClient = trace.WithSpanKind(trace.SpanKindClient)

// startOptions returns the options of a span: s.attributes, then the
// application's options, then the kind.
func (s *scratch) startOptions(application []trace.SpanStartOption) []trace.SpanStartOption {
	s.options = s.options[:0]
	if n := len(s.attributes); n > len(s.room) {
		s.options = append(s.options, trace.WithAttributes(s.attributes...))
	} else if n > 0 {
		if s.withRoom[n] == nil {
			s.withRoom[n] = trace.WithAttributes(s.room[:n]...)
		}
		s.options = append(s.options, s.withRoom[n])
	}
	s.options = append(s.options, application...)
	s.options = append(s.options, spanKindClient)
	return s.options
}
