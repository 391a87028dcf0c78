package callback

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"go.opentelemetry.io/otel"

	"github.com/otelhttpclient/otelhttpclient/internal/redact"
)

func TestPanicReportsAreBounded(t *testing.T) {
	h := &onlyError{}
	withErrorHandler(t, h)
	New(redact.New(redact.Config{})).report("test", strings.Repeat("x", 1<<20))
	if len(h.text) == 0 || len(h.text) > 4<<10 {
		t.Errorf("report: got %d bytes, want some and at most %d", len(h.text), 4<<10)
	}
}

// onlyError keeps the last error that went to otel.Handle.
type onlyError struct{ text string }

func (o *onlyError) Handle(err error) { o.text = err.Error() }

func withErrorHandler(t *testing.T, h otel.ErrorHandler) {
	before := otel.GetErrorHandler()
	otel.SetErrorHandler(h)
	t.Cleanup(func() { otel.SetErrorHandler(before) })
}

func TestPanicsWithCyclicValuesAreReported(t *testing.T) {
	h := &onlyError{}
	withErrorHandler(t, h)
	cyclic := make([]any, 1)
	cyclic[0] = cyclic
	for _, c := range []struct {
		v    any
		want string
	}{{cyclic, "[]interface {}"}, {http.Header{"Authorization": {"secret"}}, "http.Header"}, {42, "42"}, {"text", "text"}, {errors.New("broken"), "broken"}} {
		New(redact.New(redact.Config{})).Call("test", func() { panic(c.v) })
		if !strings.Contains(h.text, c.want) || strings.Contains(h.text, "secret") {
			t.Errorf("report: got %q, want %q in it", h.text, c.want)
		}
	}
}
