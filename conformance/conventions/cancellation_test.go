package conventions

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/codes"

	"github.com/otelhttpclient/otelhttpclient/internal/testkit/instrumented"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

// fieldErrors is an error that cannot be compared, as lists of validation errors
// are.
type fieldErrors []string

func (e fieldErrors) Error() string { return fmt.Sprint([]string(e)) }

// boxedError has a type that can be compared and a value that cannot: comparing
// two panics.
type boxedError struct{ value any }

func (e boxedError) Error() string { return fmt.Sprint(e.value) }

// causes are reasons to end a context.
var causes = map[string]error{
	"none":                     nil,
	"plain":                    errors.New("no longer needed"),
	"typed":                    &typedError{},
	"a value":                  valueError("no longer needed"),
	"wrapped":                  fmt.Errorf("outer: %w", &typedError{errors.New("inner")}),
	"of an uncomparable type":  fieldErrors{"name", "age"},
	"an uncomparable value":    boxedError{[]int{1}},
	"wrapping an uncomparable": fmt.Errorf("outer: %w", boxedError{fieldErrors{"name"}}),
	"joined":                   errors.Join(errors.New("one"), fieldErrors{"name"}),
	"a sibling's time-out":     &url.Error{Op: "Get", URL: "http://other.invalid/", Err: context.DeadlineExceeded},
	"a bare time-out":          context.DeadlineExceeded,
	"a sibling's cancellation": fmt.Errorf("sibling: %w", context.Canceled),
	"a time-out of the system": &net.OpError{Op: "read", Err: os.ErrDeadlineExceeded},
	"a connection that ended":  io.ErrUnexpectedEOF,
	"with a type of its own":   &namedError{"user_left", nil},
}

// endOfContext is a way to end a request's context.
type endOfContext struct {
	name string
	want string // error.type; "" for a cancellation
	// with returns a context, and what ends it unless a deadline does.
	with    func(context.Context) (_ context.Context, end func())
	timeout time.Duration // of the client
}

// endsOfContexts returns every way to end a context.
func endsOfContexts(t *testing.T) (list []endOfContext) {
	const soon = 250 * time.Millisecond // long enough to receive the headers
	add := func(name, want string, with func(context.Context) (context.Context, func())) {
		list = append(list, endOfContext{name: name, want: want, with: with})
	}
	never := func(ctx context.Context, stop context.CancelFunc) (context.Context, func()) {
		t.Cleanup(stop)
		return ctx, func() {}
	}
	for name, cause := range causes {
		add("cancelled, cause "+name, "", func(ctx context.Context) (context.Context, func()) {
			ctx, cancel := context.WithCancelCause(ctx)
			return ctx, func() { cancel(cause) }
		})
		add("the parent cancelled before a deadline, cause "+name, "", func(ctx context.Context) (context.Context, func()) {
			ctx, cancel := context.WithCancelCause(ctx)
			ctx, stop := context.WithTimeoutCause(ctx, time.Hour, errors.New("too slow for us"))
			t.Cleanup(stop)
			return ctx, func() { cancel(cause) }
		})
		timeout := "timeout"
		if name == "with a type of its own" {
			timeout = "user_left"
		}
		add("deadline, cause "+name, timeout, func(ctx context.Context) (context.Context, func()) {
			return never(context.WithTimeoutCause(ctx, soon, cause))
		})
		add("the parent's deadline, cause "+name, timeout, func(ctx context.Context) (context.Context, func()) {
			ctx, stop := context.WithTimeoutCause(ctx, soon, cause)
			t.Cleanup(stop)
			return never(context.WithTimeout(ctx, time.Hour))
		})
	}
	add("WithCancel", "", func(ctx context.Context) (context.Context, func()) { return context.WithCancel(ctx) })
	add("WithTimeout, cancelled before", "", func(ctx context.Context) (context.Context, func()) {
		return context.WithTimeout(ctx, time.Hour)
	})
	add("WithTimeoutCause, cancelled before", "", func(ctx context.Context) (context.Context, func()) {
		return context.WithTimeoutCause(ctx, time.Hour, fieldErrors{"too slow"})
	})
	add("a context with an error of its own", "", func(ctx context.Context) (context.Context, func()) {
		own := &ownContext{Context: ctx, done: make(chan struct{})}
		return own, func() { close(own.done) }
	})
	for _, e := range list {
		if e.want == "" {
			e.timeout = time.Hour
			e.name += ", with Client.Timeout"
			list = append(list, e)
		}
	}
	list = append(list, endOfContext{"Client.Timeout", "timeout", func(ctx context.Context) (context.Context, func()) {
		return ctx, func() {}
	}, soon})
	return list
}

// ownContext is a context whose error is neither of package context's.
type ownContext struct {
	context.Context
	done chan struct{}
}

func (c *ownContext) Done() <-chan struct{} { return c.done }

func (c *ownContext) Err() error {
	select {
	case <-c.done:
		return boxedError{[]string{"shutting down"}}
	default:
		return nil
	}
}

// Only the request's own deadline is its time-out. A context that ends for any
// other reason is a cancellation, which is no error, whatever its cause.
func TestEndOfContext(t *testing.T) {
	const before, headers, body = "before the headers", "in the headers", "in the body"
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		arrived := new(sync.Map) // of functions, by number
		w := oteltest.NewServer(t, version, func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Query().Get("phase") {
			case "":
				return
			case headers:
				w.WriteHeader(http.StatusEarlyHints)
			case body:
				io.WriteString(w, "beginning")
				w.(http.Flusher).Flush()
			default:
				f, _ := arrived.Load(r.URL.Query().Get("number"))
				f.(func())()
			}
			<-r.Context().Done()
		})
		oteltest.Get(t, t.Context(), w.Base, w.URL) // so that HTTP/2 has a connection
		handled := oteltest.HandleErrors(t)
		var all sync.WaitGroup
		number := 0
		for _, e := range endsOfContexts(t) {
			for _, phase := range []string{before, headers, body} {
				name := e.name + ", " + phase
				number++
				id := strconv.Itoa(number)
				all.Go(func() {
					tel := oteltest.New(t)
					ctx, end := e.with(t.Context())
					ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{Got1xxResponse: func(int, textproto.MIMEHeader) error {
						end()
						return nil
					}})
					arrived.Store(id, end)
					query := url.Values{"phase": {phase}, "number": {id}}
					req, err := http.NewRequestWithContext(ctx, "GET", w.URL+"?"+query.Encode(), nil)
					if err != nil {
						t.Error(err)
						return
					}
					client := &http.Client{Transport: instrumented.Transport(tel, w.Base), Timeout: e.timeout}
					resp, err := client.Do(req)
					if err == nil {
						io.ReadFull(resp.Body, make([]byte, len("beginning")))
						end()
						_, err = io.Copy(io.Discard, resp.Body)
						resp.Body.Close()
					}
					if err == nil {
						t.Errorf("%s: error: got none, want that of the context", name)
						return
					}
					status := codes.Unset
					if e.want != "" {
						status = codes.Error
					}
					span := tel.OnlySpan()
					got := oteltest.Attributes(span.Attributes)["error.type"].AsString()
					measured := oteltest.Attributes(tel.DurationAttributes())["error.type"].AsString()
					if got != e.want || measured != e.want || span.Status.Code != status {
						t.Errorf("%s: error.type, on metrics, status: got %q, %q, %v, want %q, %[5]q, %v (error %v)",
							name, got, measured, span.Status.Code, e.want, status, err)
					}
				})
			}
		}
		all.Wait()
		if got := handled.Texts(); len(got) > 0 {
			t.Errorf("handled errors: got %q, want none", got)
		}
	})
}
