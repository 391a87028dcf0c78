package otlptest

import (
	"math"

	"go.opentelemetry.io/otel/trace"
)

// Span is a span as it arrived.
type Span struct {
	Resource                   map[string]any
	Scope, ScopeVersion        string
	ScopeSchemaURL             string
	TraceID                    trace.TraceID
	SpanID, ParentID           trace.SpanID
	Name                       string
	Kind                       trace.SpanKind // has OTLP's numbers
	StartUnixNano, EndUnixNano uint64
	Attributes                 map[string]any // string, int64, float64, bool; []byte for what is none of these
	Events                     int
	StatusCode                 StatusCode
	StatusMessage              string
}

// StatusCode is OTLP's.
type StatusCode int

const (
	StatusUnset StatusCode = iota
	StatusOK
	StatusError
)

// decode returns the spans of an ExportTraceServiceRequest. The numbers of the
// fields are those of opentelemetry-proto.
func decode(request []byte) (spans []Span, err error) {
	defer func() {
		if p := recover(); p != nil {
			malformed, ok := p.(malformed)
			if !ok {
				panic(p)
			}
			spans, err = nil, malformed
		}
	}()
	for resourceSpans := range messages(request, 1) {
		resource := map[string]any{}
		for message := range messages(resourceSpans, 1) {
			resource = attributes(message, 1)
		}
		for scopeSpans := range messages(resourceSpans, 2) {
			scope := Span{Resource: resource}
			for f := range fields(scopeSpans) {
				switch f.number {
				case 1:
					scope.Scope, scope.ScopeVersion = text(f.bytes, 1), text(f.bytes, 2)
				case 3:
					scope.ScopeSchemaURL = string(f.bytes)
				}
			}
			for message := range messages(scopeSpans, 2) {
				span := scope
				span.decode(message)
				spans = append(spans, span)
			}
		}
	}
	return spans, nil
}

func (s *Span) decode(message []byte) {
	s.Attributes = attributes(message, 9)
	for f := range fields(message) {
		switch f.number {
		case 1:
			copy(s.TraceID[:], f.bytes)
		case 2:
			copy(s.SpanID[:], f.bytes)
		case 4:
			copy(s.ParentID[:], f.bytes)
		case 5:
			s.Name = string(f.bytes)
		case 6:
			s.Kind = trace.SpanKind(f.value)
		case 7:
			s.StartUnixNano = f.value
		case 8:
			s.EndUnixNano = f.value
		case 11:
			s.Events++
		case 15:
			s.StatusMessage = text(f.bytes, 2)
			for f := range fields(f.bytes) {
				if f.number == 3 {
					s.StatusCode = StatusCode(f.value)
				}
			}
		}
	}
}

// attributes returns the KeyValues with the number in message.
func attributes(message []byte, number uint64) map[string]any {
	m := map[string]any{}
	for kv := range messages(message, number) {
		for value := range messages(kv, 2) {
			m[text(kv, 1)] = anyValue(value)
		}
	}
	return m
}

func anyValue(message []byte) (v any) {
	v = message
	for f := range fields(message) {
		switch f.number {
		case 1:
			v = string(f.bytes)
		case 2:
			v = f.value != 0
		case 3:
			v = int64(f.value)
		case 4:
			v = math.Float64frombits(f.value)
		}
	}
	return v
}
