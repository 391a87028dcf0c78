package oteltest

import (
	"sync"
	"testing"

	"go.opentelemetry.io/otel"
)

// HandledErrors keeps the errors that were passed to otel.Handle.
type HandledErrors struct {
	mu    sync.Mutex
	texts []string
}

// HandleErrors keeps the errors that are passed to otel.Handle until the test
// ends. The handler is global: the test must not be parallel to others that
// replace it.
func HandleErrors(t testing.TB) *HandledErrors {
	t.Helper()
	before := otel.GetErrorHandler()
	h := &HandledErrors{}
	otel.SetErrorHandler(h)
	t.Cleanup(func() { otel.SetErrorHandler(before) })
	return h
}

// Handle keeps the text of err.
func (h *HandledErrors) Handle(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.texts = append(h.texts, err.Error())
}

// Texts returns the texts of the errors so far.
func (h *HandledErrors) Texts() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]string{}, h.texts...)
}

// Take returns the texts since the last call and forgets them.
func (h *HandledErrors) Take() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	texts := h.texts
	h.texts = nil
	return texts
}
