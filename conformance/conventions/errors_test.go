package conventions

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"go.opentelemetry.io/otel/codes"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/instrumented"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

type namedError struct {
	name string
	err  error
}

func (e *namedError) Error() string { return "named" }

func (e *namedError) ErrorType() string { return e.name }

func (e *namedError) Unwrap() error { return e.err }

type typedError struct{ err error }

func (e *typedError) Error() string { return "typed" }

func (e *typedError) Unwrap() error { return e.err }

type valueError string

func (e valueError) Error() string { return string(e) }

type panickingError struct{}

func (panickingError) Error() string { return "panicking" }

func (panickingError) ErrorType() string { panic("no type today") }

func TestErrorTypeOfErrorValues(t *testing.T) {
	plain := errors.New("plain")
	for _, test := range []struct {
		name string
		err  error
		want string
	}{
		{"an ErrorType method comes first", &namedError{"quota_exceeded", context.DeadlineExceeded}, "quota_exceeded"},
		{"also of a wrapped error", fmt.Errorf("call: %w", &namedError{"quota_exceeded", nil}), "quota_exceeded"},
		{"but not if it is empty", &namedError{"", context.DeadlineExceeded}, "timeout"},
		{"nor if it panics", panickingError{}, "github.com/otelhttpclient/otelhttpclient/conformance/conventions.panickingError"},
		{"timeout comes before name resolution", &net.DNSError{IsTimeout: true}, "timeout"},
		{"name resolution comes before connection", &net.OpError{Op: "dial", Err: &net.DNSError{}}, "name_resolution_error"},
		{"a dial that failed", &net.OpError{Op: "dial", Err: plain}, "connection_error"},
		{"EOF", fmt.Errorf("broken: %w", io.EOF), "response_ended"},
		{"the innermost meaningful type", &typedError{fmt.Errorf("wrapped: %w", &net.OpError{Op: "read", Err: plain})}, "*net.OpError"},
		{"a type that wraps meaningless ones", fmt.Errorf("wrapped: %w", &typedError{fmt.Errorf("wrapped: %w", plain)}), "*conventions.typedError"},
		{"a value type has its package's path", valueError("value"), "github.com/otelhttpclient/otelhttpclient/conformance/conventions.valueError"},
		{"joined errors", errors.Join(plain, &typedError{}), "*conventions.typedError"},
		{"never *errors.errorString", plain, "_OTHER"},
		{"never *fmt.wrapError", fmt.Errorf("twice: %w", fmt.Errorf("once: %w", plain)), "_OTHER"},
		{"never *fmt.wrapErrors", fmt.Errorf("%w and %w", plain, plain), "_OTHER"},
	} {
		t.Run(test.name, func(t *testing.T) {
			oteltest.HandleErrors(t)
			wantErrorType(t, "http://shop.invalid/", test.err, test.want)
		})
	}
}

// net/http reports a refused tunnel by an error's text only, which other errors
// may share.
func TestErrorTypeOfRefusedTunnels(t *testing.T) {
	for _, test := range []struct {
		name, url string
		err       error
		want      string
	}{
		{"https", "https://shop.invalid/", errors.New("Forbidden"), "proxy_tunnel_error"},
		{"there is no tunnel for http", "http://shop.invalid/", errors.New("Forbidden"), "_OTHER"},
		{"nor an error without text", "http://shop.invalid/", errors.New(""), "_OTHER"},
		{"net/http wraps it in nothing", "https://shop.invalid/", fmt.Errorf("token: %w", errors.New("Forbidden")), "_OTHER"},
		{"nor does it have a type", "https://shop.invalid/", valueError("Forbidden"), "github.com/otelhttpclient/otelhttpclient/conformance/conventions.valueError"},
		{"the text is the whole phrase", "https://shop.invalid/", errors.New("Forbidden by policy"), "_OTHER"},
		{"the case matters", "https://shop.invalid/", errors.New("forbidden"), "_OTHER"},
		{"200 opens the tunnel", "https://shop.invalid/", errors.New("OK"), "_OTHER"},
		{"a status code has three digits", "https://shop.invalid/", errors.New("status code 12"), "_OTHER"},
		{"and nothing but digits", "https://shop.invalid/", errors.New("status code +12"), "_OTHER"},
		{"SOCKS has no HTTP tunnel", "https://shop.invalid/", &net.OpError{Op: "socks connect", Err: errors.New("Forbidden")}, "connection_error"},
		{"the connection to the proxy comes first", "https://shop.invalid/", &net.OpError{Op: "proxyconnect", Err: errors.New("Forbidden")}, "connection_error"},
	} {
		t.Run(test.name, func(t *testing.T) { wantErrorType(t, test.url, test.err, test.want) })
	}
}

// wantErrorType checks what is recorded when base fails with err.
func wantErrorType(t *testing.T, url string, err error, want string) {
	t.Helper()
	tel := oteltest.New(t)
	base := oteltest.RoundTripFunc(func(*http.Request) (*http.Response, error) { return nil, err })
	if got := oteltest.TryGet(t.Context(), instrumented.Transport(tel, base), url); got != err {
		t.Errorf("error = %v, want the same value that base returned: %v", got, err)
	}
	oteltest.WantAttribute(t, tel.OnlySpan().Attributes, "error.type", want)
	oteltest.WantAttribute(t, tel.DurationAttributes(), "error.type", want)
}

// A cancellation by the caller is no error: the status is unset and there is no
// error.type.
func TestCancellationIsNoError(t *testing.T) {
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		for _, test := range []struct {
			name string
			with func(context.Context) (context.Context, func())
		}{
			{"WithCancel", func(ctx context.Context) (context.Context, func()) {
				ctx, cancel := context.WithCancel(ctx)
				return ctx, cancel
			}},
			{"WithCancelCause", func(ctx context.Context) (context.Context, func()) {
				ctx, cancel := context.WithCancelCause(ctx)
				return ctx, func() { cancel(errors.New("the user has left")) }
			}},
			{"WithCancelCause, and a cause that names its type", func(ctx context.Context) (context.Context, func()) {
				ctx, cancel := context.WithCancelCause(ctx)
				return ctx, func() { cancel(&namedError{"user_left", nil}) }
			}},
			{"WithTimeout, cancelled before", func(ctx context.Context) (context.Context, func()) {
				ctx, cancel := context.WithTimeout(ctx, time.Hour)
				return ctx, cancel
			}},
			{"WithTimeoutCause, cancelled before", func(ctx context.Context) (context.Context, func()) {
				ctx, cancel := context.WithTimeoutCause(ctx, time.Hour, errors.New("too slow for us"))
				return ctx, cancel
			}},
		} {
			for _, headers := range []bool{false, true} {
				name := test.name + ", before the answer"
				if headers {
					name = test.name + ", in the body"
				}
				for _, timeout := range []time.Duration{0, time.Hour} {
					t.Run(fmt.Sprintf("%s, Client.Timeout %v", name, timeout), func(t *testing.T) {
						t.Parallel()
						tel := oteltest.New(t)
						arrived := make(chan struct{})
						w := oteltest.NewServer(t, version, func(w http.ResponseWriter, r *http.Request) {
							close(arrived)
							oteltest.Stall(headers)(w, r)
						})
						ctx, cancel := test.with(t.Context())
						defer cancel()
						client := &http.Client{Transport: instrumented.Transport(tel, w.Base), Timeout: timeout}
						if !headers {
							go func() { <-arrived; cancel() }()
						}
						resp, err := client.Do(oteltest.NewRequest(t, ctx, "GET", w.URL, nil))
						if headers {
							if err != nil {
								t.Fatal(err)
							}
							cancel()
							_, err = io.Copy(io.Discard, resp.Body)
							resp.Body.Close()
						}
						if err == nil {
							t.Fatal("error = nil, want that of the cancellation")
						}
						span := tel.OnlySpan()
						oteltest.WantStatus(t, span, codes.Unset)
						oteltest.WantAttribute(t, span.Attributes, "error.type", nil)
						oteltest.WantAttribute(t, tel.DurationAttributes(), "error.type", nil)
					})
				}
			}
		}
	})
}

func TestCancelledDialIsNoError(t *testing.T) {
	tel := oteltest.New(t)
	ctx, cancel := context.WithCancel(t.Context())
	base := &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		cancel()
		<-ctx.Done()
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}}
	if _, err := oteltest.Send(instrumented.Transport(tel, base), oteltest.NewRequest(t, ctx, "GET", oteltest.ClosedPort(t), nil)); err == nil {
		t.Fatal("error = nil, want that of the cancellation")
	}
	oteltest.WantStatus(t, tel.OnlySpan(), codes.Unset)
	oteltest.WantAttribute(t, tel.OnlySpan().Attributes, "error.type", nil)
}

// Request.Cancel is another way to cancel.
func TestRequestCancelIsNoError(t *testing.T) {
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		tel := oteltest.New(t)
		cancel := make(chan struct{})
		w := oteltest.NewServer(t, version, func(w http.ResponseWriter, r *http.Request) {
			close(cancel)
			oteltest.Stall(false)(w, r)
		})
		req := oteltest.NewRequest(t, t.Context(), "GET", w.URL, nil)
		//lint:ignore SA1019 it works still, and so has to be known
		req.Cancel = cancel
		if _, err := oteltest.Send(instrumented.Transport(tel, w.Base), req); err == nil {
			t.Fatal("error = nil, want that of the cancellation")
		}
		oteltest.WantStatus(t, tel.OnlySpan(), codes.Unset)
		oteltest.WantAttribute(t, tel.OnlySpan().Attributes, "error.type", nil)
	})
}

// A request that fails before the caller cancels it is an error.
func TestCancellationAfterFailure(t *testing.T) {
	tel := oteltest.New(t)
	ctx, cancel := context.WithCancel(t.Context())
	base := oteltest.RoundTripFunc(func(*http.Request) (*http.Response, error) {
		cancel()
		return nil, &net.OpError{Op: "dial", Err: errors.New("connection refused")}
	})
	oteltest.Send(instrumented.Transport(tel, base), oteltest.NewRequest(t, ctx, "GET", "http://shop.invalid/", nil))
	oteltest.WantStatus(t, tel.OnlySpan(), codes.Error)
	oteltest.WantAttribute(t, tel.OnlySpan().Attributes, "error.type", "connection_error")
}

func TestErrorTypeOfBrokenErrorResponse(t *testing.T) {
	tel := oteltest.New(t)
	url := oteltest.RawServer(t, oteltest.Write("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 100\r\n\r\nbeginning"))
	if err := oteltest.TryGet(t.Context(), instrumented.Transport(tel, &http.Transport{}), url); err == nil {
		t.Fatal("error = nil, want that of the body")
	}
	oteltest.WantAttribute(t, tel.OnlySpan().Attributes, "error.type", "503")
	oteltest.WantAttribute(t, tel.DurationAttributes(), "error.type", "503")
}

func TestErrorCheck(t *testing.T) {
	check := func(isError func(*http.Response) bool) []otelhttpclient.Option {
		return []otelhttpclient.Option{otelhttpclient.WithErrorCheck(isError)}
	}
	not404 := func(resp *http.Response) bool {
		return resp.StatusCode >= 400 && resp.StatusCode != http.StatusNotFound
	}
	for _, row := range []struct {
		name    string
		status  int
		options []otelhttpclient.Option
		want    string // error.type
	}{
		{"by default", 404, nil, "404"},
		{"by default a success", 204, nil, ""},
		{"one that is excluded", 404, check(not404), ""},
		{"one that is not excluded", 410, check(not404), "410"},
		{"a success that counts", 200, check(func(*http.Response) bool { return true }), "200"},
		{"nil", 500, check(nil), "500"},
		{"nil leaves the one before", 404, append(check(not404), check(nil)...), ""},
		{"one that panics", 404, check(func(*http.Response) bool { panic("no idea") }), "404"},
	} {
		t.Run(row.name, func(t *testing.T) {
			oteltest.HandleErrors(t)
			server := oteltest.NewServer(t, "1.1", oteltest.Handler(row.status, ""))
			tel := oteltest.New(t)
			oteltest.Fetch(t, t.Context(), &http.Client{Transport: instrumented.Transport(tel, server.Client().Transport, row.options...)}, server.URL)
			span := tel.OnlySpan()
			if got := oteltest.Attributes(span.Attributes)["error.type"].AsString(); got != row.want {
				t.Errorf("error.type of the span: got %q, want %q", got, row.want)
			}
			if got := oteltest.Attributes(tel.DurationAttributes())["error.type"].AsString(); got != row.want {
				t.Errorf("error.type of the duration: got %q, want %q", got, row.want)
			}
			if got, want := span.Status.Code == codes.Error, row.want != ""; got != want {
				t.Errorf("status is Error: got %v, want %v", got, want)
			}
			if got := oteltest.Attributes(span.Attributes)["http.response.status_code"].AsInt64(); got != int64(row.status) {
				t.Errorf("http.response.status_code: got %d, want %d", got, row.status)
			}
		})
	}
}
