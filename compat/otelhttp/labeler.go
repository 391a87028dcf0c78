package otelhttp

import (
	"context"
	"errors"
	"slices"
	"sync"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"

	"github.com/otelhttpclient/otelhttpclient"
)

// A Labeler collects attributes for [ContextWithClientLabeler]. The zero Labeler is
// ready to use. It is safe for concurrent use.
type Labeler struct {
	mu         sync.Mutex
	attributes []attribute.KeyValue
	used       bool
}

var errLate = errors.New("otelhttp: Labeler.Add: no effect after ContextWithClientLabeler: add the attributes before")

// Add adds attributes. It has no effect on a context that already has the
// Labeler; this is reported to [otel.Handle]. In the original, attributes can
// be added until the headers have been received.
func (l *Labeler) Add(ls ...attribute.KeyValue) {
	l.mu.Lock()
	l.attributes = append(l.attributes, ls...)
	late := l.used
	l.mu.Unlock()
	if late && len(ls) > 0 {
		otel.Handle(errLate)
	}
}

// Get returns a copy of the attributes.
func (l *Labeler) Get() []attribute.KeyValue {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.attributes)
}

type labelerKey struct{}

// ContextWithClientLabeler returns a context whose requests have the attributes
// that the Labeler has now, as by [otelhttpclient.ContextWithAttributes], which new
// code should use. Nil is ignored.
//
// In the original, attributes that are added later are recorded, too; the
// attributes are not on the span; they do not override the library's own of the
// same key; and they replace those of an outer context.
func ContextWithClientLabeler(parent context.Context, l *Labeler) context.Context {
	if l == nil {
		return parent
	}
	l.mu.Lock()
	l.used = true
	l.mu.Unlock()
	return otelhttpclient.ContextWithAttributes(context.WithValue(parent, labelerKey{}, l), l.Get()...)
}

// ClientLabelerFromContext returns the Labeler of [ContextWithClientLabeler], or a
// new one and false. In the original, every context below a Transport has one.
func ClientLabelerFromContext(ctx context.Context) (*Labeler, bool) {
	l, ok := ctx.Value(labelerKey{}).(*Labeler)
	if !ok {
		l = new(Labeler)
	}
	return l, ok
}
