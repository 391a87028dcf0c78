package otelhttpclient

import (
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
)

// scratch is the room that starting and describing a span needs. It is reused
// from request to request where tracer and spans are the SDK's, which copies
// the slices that it is given: options are read by NewSpanStartConfig, which
// copies attributes, and spans copy those that are set on them. Any other
// tracer or span may keep a slice, and gets one of its own.
type scratch struct {
	attributes []attribute.KeyValue // in room, or beyond it if there are many
	room       [16]attribute.KeyValue
	// withRoom are the options that give a span the first n attributes in
	// room. They are made once: an option is an allocation.
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

// scratch returns room for what is given to this tracer and to its spans.
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
	// Not more is cleared than was used: s.attributes is at its longest.
	clear(s.room[:min(len(s.attributes), len(s.room))])
	s.attributes = s.room[:0]
	clear(s.options)
	s.options = s.options[:0]
	s.carrier = headerCarrier{}
	scratches.Put(s)
}

var spanKindClient = trace.WithSpanKind(trace.SpanKindClient)

func (s *scratch) startOptions(in *instrumentation) []trace.SpanStartOption {
	s.options = s.options[:0]
	if n := len(s.attributes); n > len(s.room) {
		s.options = append(s.options, trace.WithAttributes(s.attributes...))
	} else if n > 0 {
		if s.withRoom[n] == nil {
			s.withRoom[n] = trace.WithAttributes(s.room[:n]...)
		}
		s.options = append(s.options, s.withRoom[n])
	}
	s.options = append(s.options, in.spanOptions...)
	s.options = append(s.options, spanKindClient)
	return s.options
}
