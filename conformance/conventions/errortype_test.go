package conventions

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"net/textproto"
	"slices"
	"testing"

	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/otelhttpclient/otelhttpclient/internal/testkit/instrumented"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

// errorsByType returns an error of net/http, or of a package below it, for each
// error.type.
func errorsByType() map[string]error {
	return map[string]error{
		"timeout":                 context.DeadlineExceeded,
		"name_resolution_error":   &net.DNSError{Err: "no such host", Name: "shop.invalid", IsNotFound: true},
		"secure_connection_error": x509.UnknownAuthorityError{},
		"connection_error":        &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")},
		"response_ended":          io.ErrUnexpectedEOF,
		"http_protocol_error":     textproto.ProtocolError("malformed MIME header line"),
	}
}

// An error that matches several values of error.type gets the first of them.
func TestErrorTypePrecedence(t *testing.T) {
	want := []string{"timeout", "name_resolution_error", "secure_connection_error", "connection_error",
		"response_ended", "http_protocol_error"}
	got := map[string]bool{}
	for _, f := range failures() {
		got[f.want] = true
	}
	for _, value := range want {
		if !got[value] {
			t.Errorf("no failure of a real connection has the error.type %q, want one", value)
		}
	}
	if keys := slices.Sorted(maps.Keys(got)); len(keys) != len(want) {
		t.Errorf("values of error.type for failures of real connections = %q, want those of the list, %q", keys, want)
	}
	for i := range want {
		// Each is joined with all later ones, in reverse order.
		var all []error
		for _, later := range slices.Backward(want[i:]) {
			all = append(all, errorsByType()[later])
		}
		tel := oteltest.New(t)
		base := oteltest.RoundTripFunc(func(*http.Request) (*http.Response, error) { return nil, errors.Join(all...) })
		_ = oteltest.TryGet(t.Context(), instrumented.Transport(tel, base), "http://shop.invalid/")
		oteltest.WantAttribute(t, tel.OnlySpan().Attributes, "error.type", want[i])
		oteltest.WantAttribute(t, tel.DurationAttributes(), "error.type", want[i])
	}
}

// The failures that net/http can cause, on both versions.
func TestErrorTypeOfFailures(t *testing.T) {
	for _, f := range slices.Concat(failures(), proxyFailures()) {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			tel := oteltest.New(t)
			err := f.run(t, func(base http.RoundTripper) http.RoundTripper {
				if b, ok := base.(*http.Transport); ok {
					t.Cleanup(b.CloseIdleConnections)
				}
				return instrumented.Transport(tel, base)
			})
			if err == nil {
				t.Fatal("error = nil, want one")
			}
			span := tel.OnlySpan()
			oteltest.WantAttribute(t, span.Attributes, "error.type", f.want)
			oteltest.WantStatus(t, span, codes.Error)
			if span.Status.Description == "" && err.Error() != "" {
				t.Errorf("status description is empty, want the text of %q", err)
			}
			if len(span.Events) != 0 {
				t.Errorf("span events = %v, want none: RecordError is not called", span.Events)
			}
			point := tel.DurationAttributes()
			oteltest.WantAttribute(t, point, "error.type", f.want)
			var status any
			if f.status != 0 {
				status = f.status
			}
			oteltest.WantAttribute(t, span.Attributes, "http.response.status_code", status)
			oteltest.WantAttribute(t, point, "http.response.status_code", status)
			if t.Failed() {
				t.Logf("the error was %#v: %v; %s", err, err, f.reason)
			}
		})
	}
}

func TestErrorTypeOfUnsampledFailures(t *testing.T) {
	for _, f := range slices.Concat(failures(), proxyFailures()) {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			tel := oteltest.NewSampled(t, sdktrace.NeverSample())
			_ = f.run(t, func(base http.RoundTripper) http.RoundTripper {
				if b, ok := base.(*http.Transport); ok {
					t.Cleanup(b.CloseIdleConnections)
				}
				return instrumented.Transport(tel, base)
			})
			if n := len(tel.Spans()); n != 0 {
				t.Errorf("%d spans, want none", n)
			}
			oteltest.WantAttribute(t, tel.DurationAttributes(), "error.type", f.want)
		})
	}
}
