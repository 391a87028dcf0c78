package errortype

import (
	"errors"
	"io"
	"net/http"
	"testing"

	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

// The test fails when net/http's error for a reset HTTP/2 stream no longer fills in
// a streamError.
func TestStreamErrorsOfNetHTTP(t *testing.T) {
	server := oteltest.NewServer(t, "2", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "some")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	_, err := oteltest.Send(server.Base, oteltest.NewRequest(t, t.Context(), http.MethodGet, server.URL, nil))
	const internalError = 0x2 // RFC 9113, section 7
	var reset streamError
	if !errors.As(err, &reset) || reset.Code != internalError {
		t.Errorf("reset stream: got error %T %v, as a streamError %+v, want code %d", err, err, reset, internalError)
	}
}

// The test fails when net/http's error for Request.Cancel has another text.
func TestRequestCancelOfNetHTTP(t *testing.T) {
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		server := oteltest.NewServer(t, version, oteltest.Stall(false))
		req := oteltest.NewRequest(t, t.Context(), http.MethodGet, server.URL, nil)
		cancel := make(chan struct{})
		close(cancel)
		//lint:ignore SA1019 http.Client.Timeout uses it
		req.Cancel = cancel
		if _, err := oteltest.Send(server.Base, req); err == nil || !isRequestCanceled(err) {
			t.Errorf("canceled request: got error %v, want one that isRequestCanceled knows", err)
		}
	})
}
