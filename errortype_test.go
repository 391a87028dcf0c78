package otelhttpclient_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/otelhttpclient/otelhttpclient/internal/oteltest"
	"github.com/otelhttpclient/otelhttpclient/internal/oteltest/instrumented"
)

// failure is a way for a request to fail.
type failure struct {
	name, reason string
	want         string // error.type
	status       int    // http.response.status_code, 0: none
	// run makes the request through wrap's Transport, and returns its error.
	run func(t *testing.T, wrap func(http.RoundTripper) http.RoundTripper) error
}

// againstRaw is a request to a server that does to the connection what serve
// does.
func againstRaw(serve func(net.Conn)) func(*testing.T, func(http.RoundTripper) http.RoundTripper) error {
	return func(t *testing.T, wrap func(http.RoundTripper) http.RoundTripper) error {
		return oteltest.TryGet(t.Context(), wrap(&http.Transport{DisableKeepAlives: true}), oteltest.RawServer(t, serve))
	}
}

func againstHandler(version string, h http.HandlerFunc) func(*testing.T, func(http.RoundTripper) http.RoundTripper) error {
	return func(t *testing.T, wrap func(http.RoundTripper) http.RoundTripper) error {
		w := oteltest.NewServer(t, version, h)
		return oteltest.TryGet(t.Context(), wrap(w.Base), w.URL)
	}
}

func failures() []failure {
	var list []failure
	add := func(name, reason, want string, status int, run func(*testing.T, func(http.RoundTripper) http.RoundTripper) error) {
		list = append(list, failure{name, reason, want, status, run})
	}
	type wrapper = func(http.RoundTripper) http.RoundTripper

	add("refused port", "none could be established", "connection_error", 0, func(t *testing.T, wrap wrapper) error {
		return oteltest.TryGet(t.Context(), wrap(&http.Transport{}), oteltest.ClosedPort(t))
	})
	add("refused proxy", "none could be established", "connection_error", 0, func(t *testing.T, wrap wrapper) error {
		proxy := oteltest.NewRequest(t, t.Context(), "GET", oteltest.ClosedPort(t), nil).URL
		return oteltest.TryGet(t.Context(), wrap(&http.Transport{Proxy: http.ProxyURL(proxy)}), "https://shop.invalid/")
	})
	add("name that does not resolve", "the resolver says so", "name_resolution_error", 0, func(t *testing.T, wrap wrapper) error {
		return oteltest.TryGet(t.Context(), wrap(&http.Transport{DialContext: func(_ context.Context, network, _ string) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Net: network, Err: &net.DNSError{Err: "no such host", Name: "shop.invalid", IsNotFound: true}}
		}}), "http://shop.invalid/")
	})
	add("name resolution that times out", "timeout comes first", "timeout", 0, func(t *testing.T, wrap wrapper) error {
		return oteltest.TryGet(t.Context(), wrap(&http.Transport{DialContext: func(_ context.Context, network, _ string) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Net: network, Err: &net.DNSError{Err: "i/o timeout", Name: "shop.invalid", IsTimeout: true}}
		}}), "http://shop.invalid/")
	})
	add("untrusted certificate", "unknown authority", "secure_connection_error", 0, func(t *testing.T, wrap wrapper) error {
		return oteltest.TryGet(t.Context(), wrap(untrusting()), oteltest.NewServer(t, "2", func(http.ResponseWriter, *http.Request) {}).URL)
	})
	add("certificate for another name", "", "secure_connection_error", 0, func(t *testing.T, wrap wrapper) error {
		w := oteltest.NewServer(t, "2", func(http.ResponseWriter, *http.Request) {})
		roots := x509.NewCertPool()
		roots.AddCert(w.Certificate())
		base := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "shop.invalid"}}
		defer base.CloseIdleConnections()
		return oteltest.TryGet(t.Context(), wrap(base), w.URL)
	})
	add("TLS versions that do not meet", "an alert of the server's", "secure_connection_error", 0, func(t *testing.T, wrap wrapper) error {
		w := oteltest.NewServer(t, "2", func(http.ResponseWriter, *http.Request) {})
		base := w.Base.Clone()
		base.TLSClientConfig.MaxVersion = tls.VersionTLS11
		return oteltest.TryGet(t.Context(), wrap(base), w.URL)
	})
	add("https to a server that speaks http", "", "secure_connection_error", 0, func(t *testing.T, wrap wrapper) error {
		w := oteltest.NewServer(t, "1.1", func(http.ResponseWriter, *http.Request) {})
		return oteltest.TryGet(t.Context(), wrap(w.Base), "https://"+w.Listener.Addr().String())
	})

	add("closed before the answer", "EOF", "response_ended", 0, againstRaw(func(net.Conn) {}))
	add("closed before the answer, hijacked", "EOF", "response_ended", 0, againstHandler("1.1", func(w http.ResponseWriter, _ *http.Request) {
		c, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			c.Close()
		}
	}))
	// net/http tells of half a header line as of a malformed one, not of the EOF.
	add("closed in the header", "malformed MIME header", "http_protocol_error", 0, againstRaw(oteltest.Write("HTTP/1.1 200 OK\r\nContent-Le")))
	add("closed in a body of known length", "unexpected EOF", "response_ended", 200, againstRaw(oteltest.Write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbeginning")))
	add("closed in a chunk", "unexpected EOF", "response_ended", 200, againstRaw(oteltest.Write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nbeginning")))
	add("closed between chunks", "unexpected EOF", "response_ended", 200, againstRaw(oteltest.Write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nbeg\r\n")))
	reset := func(text string) func(net.Conn) {
		return func(c net.Conn) {
			if text != "" {
				io.WriteString(c, text)
				// The client has the text when it says so by another byte.
				bufio.NewReader(c).ReadByte()
			}
			c.(*net.TCPConn).SetLinger(0)
		}
	}
	add("reset before the answer", "ECONNRESET", "response_ended", 0, againstRaw(reset("")))
	add("reset in the body", "ECONNRESET", "response_ended", 200, func(t *testing.T, wrap wrapper) error {
		url := oteltest.RawServer(t, reset("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbeginning"))
		body, more := io.Pipe()
		defer body.Close()
		resp, err := wrap(&http.Transport{DisableKeepAlives: true}).RoundTrip(oteltest.NewRequest(t, t.Context(), "POST", url, body))
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		go more.Write([]byte("!"))
		_, err = io.Copy(io.Discard, resp.Body)
		return err
	})
	for _, version := range []string{"1.1", "2"} {
		add("aborted before the answer, HTTP/"+version, "on HTTP/2 the stream is reset", "response_ended", 0, againstHandler(version, oteltest.Abort(false)))
		add("aborted in the body, HTTP/"+version, "on HTTP/2 the stream is reset", "response_ended", 200, againstHandler(version, oteltest.Abort(true)))
	}

	add("nonsense", "no status line", "http_protocol_error", 0, againstRaw(oteltest.Write("220 mail.invalid ESMTP\r\n\r\n")))
	add("nonsense for a status", "", "http_protocol_error", 0, againstRaw(oteltest.Write("HTTP/1.1 abc OK\r\n\r\n")))
	add("nonsense for a header", "", "http_protocol_error", 0, againstRaw(oteltest.Write("HTTP/1.1 200 OK\r\nno colon\r\n\r\n")))
	add("nonsense for a length", "", "http_protocol_error", 0, againstRaw(oteltest.Write("HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n")))
	add("nonsense for a chunk's length", "", "http_protocol_error", 200, againstRaw(oteltest.Write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n")))
	add("header without end", "MaxResponseHeaderBytes", "http_protocol_error", 0, func(t *testing.T, wrap wrapper) error {
		url := oteltest.RawServer(t, func(c net.Conn) {
			io.WriteString(c, "HTTP/1.1 200 OK\r\n")
			for {
				if _, err := io.WriteString(c, "X: y\r\n"); err != nil {
					return
				}
			}
		})
		return oteltest.TryGet(t.Context(), wrap(&http.Transport{MaxResponseHeaderBytes: 4096}), url)
	})
	add("gzip that is none", "", "http_protocol_error", 200, againstRaw(oteltest.Write("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 12\r\n\r\nnothing like")))

	// Long enough for the headers to have come on a busy machine.
	const soon = 250 * time.Millisecond
	for _, version := range []string{"1.1", "2"} {
		add("ResponseHeaderTimeout, HTTP/"+version, "", "timeout", 0, func(t *testing.T, wrap wrapper) error {
			w := oteltest.NewServer(t, version, oteltest.Stall(false))
			base := w.Base.Clone()
			base.ResponseHeaderTimeout = soon
			return oteltest.TryGet(t.Context(), wrap(base), w.URL)
		})
		for _, headers := range []bool{false, true} {
			where, status := "before the answer", 0
			if headers {
				where, status = "in the body", 200
			}
			where += ", HTTP/" + version
			add("Client.Timeout "+where, "", "timeout", status, func(t *testing.T, wrap wrapper) error {
				w := oteltest.NewServer(t, version, oteltest.Stall(headers))
				client := &http.Client{Transport: wrap(w.Base), Timeout: soon}
				resp, err := client.Get(w.URL)
				if err != nil {
					return err
				}
				defer resp.Body.Close()
				_, err = io.Copy(io.Discard, resp.Body)
				return err
			})
			withContext := func(name, reason string, deadline func(context.Context) (context.Context, context.CancelFunc)) {
				add(name+" "+where, reason, "timeout", status, func(t *testing.T, wrap wrapper) error {
					w := oteltest.NewServer(t, version, oteltest.Stall(headers))
					ctx, cancel := deadline(t.Context())
					defer cancel()
					_, err := oteltest.Send(wrap(w.Base), oteltest.NewRequest(t, ctx, "GET", w.URL, nil))
					return err
				})
			}
			withContext("context deadline", "", func(ctx context.Context) (context.Context, context.CancelFunc) {
				return context.WithTimeout(ctx, soon)
			})
			withContext("context deadline with a cause", "the cause is what net/http returns", func(ctx context.Context) (context.Context, context.CancelFunc) {
				return context.WithTimeoutCause(ctx, soon, errors.New("too slow for us"))
			})
			withContext("cancelled with a deadline's error as cause", "the cause tells", func(ctx context.Context) (context.Context, context.CancelFunc) {
				ctx, cancel := context.WithCancelCause(ctx)
				timer := time.AfterFunc(soon, func() { cancel(fmt.Errorf("budget: %w", context.DeadlineExceeded)) })
				return ctx, func() { timer.Stop(); cancel(nil) }
			})
		}
	}
	add("TLS handshake timeout", "", "timeout", 0, func(t *testing.T, wrap wrapper) error {
		l, err := net.Listen("tcp", "127.0.0.1:0") // which accepts, and says nothing
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		return oteltest.TryGet(t.Context(), wrap(&http.Transport{TLSHandshakeTimeout: soon}), "https://"+l.Addr().String())
	})
	return list
}

// proxyFailures are the ways for a proxy to fail an https request, but for one
// that cannot be connected to.
func proxyFailures() []failure {
	var list []failure
	type wrapper = func(http.RoundTripper) http.RoundTripper
	add := func(name, reason, want string, run func(*testing.T, wrapper) error) {
		list = append(list, failure{name, reason, want, 0, run})
	}
	throughProxy := func(serve func(net.Conn)) func(*testing.T, wrapper) error {
		return func(t *testing.T, wrap wrapper) error {
			proxy := oteltest.NewRequest(t, t.Context(), "GET", oteltest.RawServer(t, serve), nil).URL
			return oteltest.TryGet(t.Context(), wrap(&http.Transport{Proxy: http.ProxyURL(proxy)}), "https://shop.invalid/")
		}
	}
	for name, status := range map[string]string{
		"403":                       "403 Forbidden",
		"407":                       "407 Proxy Authentication Required",
		"502":                       "502 Bad Gateway",
		"an empty phrase":           "403 ",
		"no phrase":                 "403",
		"an unknown status":         "799",
		"Go's for unknown statuses": "799 status code 799",
	} {
		add("proxy that refuses the tunnel, "+name, "net/http returns the phrase as an error", "proxy_tunnel_error",
			throughProxy(oteltest.Write("HTTP/1.1 "+status+"\r\nContent-Length: 0\r\n\r\n")))
	}
	add("proxy that hangs up at CONNECT", "EOF", "response_ended", throughProxy(func(net.Conn) {}))
	add("proxy that answers CONNECT with nonsense", "", "http_protocol_error", throughProxy(oteltest.Write("220 mail.invalid ESMTP\r\n\r\n")))
	add("proxy that refuses the tunnel, named by the application", "through OnProxyConnectResponse", "blocked_by_policy", func(t *testing.T, wrap wrapper) error {
		proxy := oteltest.NewRequest(t, t.Context(), "GET", oteltest.RawServer(t, oteltest.Write("HTTP/1.1 403 Blocked by policy\r\n\r\n")), nil).URL
		base := &http.Transport{Proxy: http.ProxyURL(proxy)}
		base.OnProxyConnectResponse = func(context.Context, *url.URL, *http.Request, *http.Response) error {
			return &namedError{"blocked_by_policy", nil}
		}
		return oteltest.TryGet(t.Context(), wrap(base), "https://shop.invalid/")
	})
	add("TLS to a proxy that is not trusted", "", "secure_connection_error", func(t *testing.T, wrap wrapper) error {
		proxy := oteltest.NewRequest(t, t.Context(), "GET", oteltest.NewServer(t, "2", func(http.ResponseWriter, *http.Request) {}).URL, nil).URL
		base := untrusting()
		base.Proxy = http.ProxyURL(proxy)
		return oteltest.TryGet(t.Context(), wrap(base), "https://shop.invalid/")
	})
	return list
}

func TestErrorTypeOfRealFailures(t *testing.T) {
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

func TestErrorTypeSameOnSpanAndUnsampledMetric(t *testing.T) {
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

type namedError struct {
	name string
	err  error
}

func (e *namedError) Error() string     { return "named" }
func (e *namedError) ErrorType() string { return e.name }
func (e *namedError) Unwrap() error     { return e.err }

type typedError struct{ err error }

func (e *typedError) Error() string { return "typed" }
func (e *typedError) Unwrap() error { return e.err }

type valueError string

func (e valueError) Error() string { return string(e) }

type panickingError struct{}

func (panickingError) Error() string     { return "panicking" }
func (panickingError) ErrorType() string { panic("no type today") }

func TestErrorTypeOfErrorValues(t *testing.T) {
	plain := errors.New("plain")
	for _, test := range []struct {
		name string
		err  error
		want string
	}{
		{"an ErrorType method comes first", &namedError{"quota_exceeded", context.DeadlineExceeded}, "quota_exceeded"},
		{"also that of a wrapped error", fmt.Errorf("call: %w", &namedError{"quota_exceeded", nil}), "quota_exceeded"},
		{"but not where it says nothing", &namedError{"", context.DeadlineExceeded}, "timeout"},
		{"nor where it panics", panickingError{}, "github.com/otelhttpclient/otelhttpclient_test.panickingError"},
		{"timeout comes before name resolution", &net.DNSError{IsTimeout: true}, "timeout"},
		{"name resolution comes before connection", &net.OpError{Op: "dial", Err: &net.DNSError{}}, "name_resolution_error"},
		{"a dial that failed", &net.OpError{Op: "dial", Err: plain}, "connection_error"},
		{"EOF", fmt.Errorf("broken: %w", io.EOF), "response_ended"},
		{"the innermost type that says something", &typedError{fmt.Errorf("wrapped: %w", &net.OpError{Op: "read", Err: plain})}, "*net.OpError"},
		{"a type that wraps what says nothing", fmt.Errorf("wrapped: %w", &typedError{fmt.Errorf("wrapped: %w", plain)}), "*otelhttpclient_test.typedError"},
		{"a value type has its package's path", valueError("value"), "github.com/otelhttpclient/otelhttpclient_test.valueError"},
		{"joined errors", errors.Join(plain, &typedError{}), "*otelhttpclient_test.typedError"},
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

// net/http reports a refused tunnel by a text alone, which others may use too.
func TestErrorTypeOfTextsOfRefusedTunnels(t *testing.T) {
	for _, test := range []struct {
		name, url string
		err       error
		want      string
	}{
		{"https", "https://shop.invalid/", errors.New("Forbidden"), "proxy_tunnel_error"},
		{"there is no tunnel for http", "http://shop.invalid/", errors.New("Forbidden"), "_OTHER"},
		{"nor an error without text", "http://shop.invalid/", errors.New(""), "_OTHER"},
		{"net/http wraps it in nothing", "https://shop.invalid/", fmt.Errorf("token: %w", errors.New("Forbidden")), "_OTHER"},
		{"nor does it have a type", "https://shop.invalid/", valueError("Forbidden"), "github.com/otelhttpclient/otelhttpclient_test.valueError"},
		{"it says nothing else", "https://shop.invalid/", errors.New("Forbidden by policy"), "_OTHER"},
		{"in no other case", "https://shop.invalid/", errors.New("forbidden"), "_OTHER"},
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

// What the caller has cancelled on purpose is no error: the status is unset,
// and there is no error.type.
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

func TestCancellationOfADialIsNoError(t *testing.T) {
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

// Request.Cancel is another way to cancel on purpose.
func TestCancellationByRequestCancelIsNoError(t *testing.T) {
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

// A request that fails on its own while its context is fine, or that the caller
// cancels when it has failed, is an error.
func TestCancellationAfterAFailureChangesNothing(t *testing.T) {
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

func TestErrorTypeOfAnErrorResponseStandsWhenItsBodyFails(t *testing.T) {
	tel := oteltest.New(t)
	url := oteltest.RawServer(t, oteltest.Write("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 100\r\n\r\nbeginning"))
	if err := oteltest.TryGet(t.Context(), instrumented.Transport(tel, &http.Transport{}), url); err == nil {
		t.Fatal("error = nil, want that of the body")
	}
	oteltest.WantAttribute(t, tel.OnlySpan().Attributes, "error.type", "503")
	oteltest.WantAttribute(t, tel.DurationAttributes(), "error.type", "503")
}
