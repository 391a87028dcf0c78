package otelhttpclient_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/oteltest"
	"github.com/otelhttpclient/otelhttpclient/internal/oteltest/instrumented"
)

// faultType is where http.Client names the type of its RoundTripper in the text
// of an error. That one cannot be the same.
var faultType = strings.NewReplacer("*otelhttpclient.Transport", "*", "oteltest.RoundTripFunc", "*")

// TestContractOddBases: a base that does what it should not is seen by the
// program as without the Transport, and its span ends.
func TestContractOddBases(t *testing.T) {
	defer log.SetOutput(log.Writer())
	log.SetOutput(io.Discard) // http.Client logs what it thinks of such bases
	failure := errors.New("in base")
	answers := func(change func(*http.Response)) oteltest.RoundTripFunc {
		return func(req *http.Request) (*http.Response, error) {
			if req.Body != nil {
				_ = req.Body.Close()
			}
			resp := oteltest.Reply(req, http.StatusOK, io.NopCloser(strings.NewReader("text")))
			change(resp)
			return resp, nil
		}
	}
	for _, row := range []struct {
		name string
		base oteltest.RoundTripFunc
	}{
		{"neither response nor error", func(*http.Request) (*http.Response, error) { return nil, nil }},
		{"response and error", func(req *http.Request) (*http.Response, error) { return oteltest.Reply(req, 200, http.NoBody), failure }},
		{"nil body", answers(func(r *http.Response) { r.Body, r.ContentLength = nil, 0 })},
		{"nil body of a length", answers(func(r *http.Response) { r.Body, r.ContentLength = nil, 4 })},
		{"nil header", answers(func(r *http.Response) { r.Header = nil })},
		{"nil header of a redirect", answers(func(r *http.Response) { r.Header, r.StatusCode = nil, 302 })},
		{"status 0", answers(func(r *http.Response) { r.StatusCode = 0 })},
		{"status below zero", answers(func(r *http.Response) { r.StatusCode = -1 })},
		{"no version", answers(func(r *http.Response) { r.Proto, r.ProtoMajor, r.ProtoMinor = "", 0, 0 })},
		{"nil request", answers(func(r *http.Response) { r.Request = nil })},
		{"another request", answers(func(r *http.Response) { r.Request = &http.Request{Method: "OTHER"} })},
		{"nothing at all", func(*http.Request) (*http.Response, error) { return &http.Response{}, nil }},
		{"request body closed twice", func(req *http.Request) (*http.Response, error) {
			_, _ = io.ReadAll(req.Body)
			_, _ = req.Body.Close(), req.Body.Close()
			return oteltest.Reply(req, 200, http.NoBody), nil
		}},
		{"request body kept", func(req *http.Request) (*http.Response, error) { return oteltest.Reply(req, 200, http.NoBody), nil }},
		{"typed nil error", func(req *http.Request) (*http.Response, error) { return nil, (*faultNilError)(nil) }},
		{"panic", func(*http.Request) (*http.Response, error) { panic(failure) }},
		{"panic of a handler", func(*http.Request) (*http.Response, error) { panic(http.ErrAbortHandler) }},
		{"end of the goroutine", func(*http.Request) (*http.Response, error) { runtime.Goexit(); return nil, nil }},
	} {
		t.Run(row.name, func(t *testing.T) {
			outcome := func(rt http.RoundTripper) (text string) {
				text = "nothing returned"
				body := oteltest.NewBody(strings.NewReader("text"))
				panicked := oteltest.Recover(func() {
					req := oteltest.NewRequest(t, t.Context(), "POST", "http://inventory.example/items/1", body)
					resp, err := (&http.Client{Transport: rt}).Do(req)
					text = fmt.Sprintf("error %v, types", err)
					for e := err; e != nil; e = errors.Unwrap(e) {
						text += fmt.Sprintf(" %T", e)
					}
					if resp == nil {
						return
					}
					read, err := io.ReadAll(resp.Body)
					named := "nil"
					if resp.Request != nil {
						named = resp.Request.Method
					}
					text += fmt.Sprintf(", status %d, header %v, body %q, %v, %v, request %s, own %v",
						resp.StatusCode, resp.Header, read, err, resp.Body.Close(), named, resp.Request == req)
				})
				return faultType.Replace(fmt.Sprintf("%s, panic %v, body closed %d times", text, panicked, body.Closes()))
			}
			want := outcome(row.base)
			for _, all := range []bool{false, true} {
				tel := oteltest.New(t)
				options := instrumented.Options(tel)
				if all {
					options = instrumented.EveryOption(tel)
				}
				if got := outcome(otelhttpclient.NewTransport(row.base, options...)); got != want {
					t.Errorf("every option %v:\n got %s\nwant %s, as without the Transport", all, got, want)
				}
				tel.OnlySpan()
			}
		})
	}
}

// faultNilError is an error that is a nil pointer, and does not mind.
type faultNilError struct{}

func (e *faultNilError) Error() string { return "nil" }

// TestContractResponseBesideAnError is what base has returned.
func TestContractResponseBesideAnError(t *testing.T) {
	req := oteltest.NewRequest(t, t.Context(), "GET", "http://inventory.example/", nil)
	failure := errors.New("in base")
	resp, err := instrumented.Transport(oteltest.New(t), oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		return oteltest.Reply(req, 200, http.NoBody), failure
	})).RoundTrip(req)
	if err != failure || resp == nil || resp.Request != req { //nolint:errorlint // the same value
		t.Errorf("got %v, %v, want a response to the caller's request, and %v", resp, err, failure)
	}
}

// faultErrorType is an error that does something when it is asked for its type.
type faultErrorType struct{ act func() }

func (e faultErrorType) Error() string     { return "failed" }
func (e faultErrorType) ErrorType() string { e.act(); return "" }

// faultPropagator does something when it is to inject.
type faultPropagator struct {
	propagation.TraceContext
	act func()
}

func (p faultPropagator) Inject(context.Context, propagation.TextMapCarrier) { p.act() }

// faultConn is a connection whose peer's address does something when it is
// asked for.
type faultConn struct {
	net.Conn
	act func()
}

func (c faultConn) RemoteAddr() net.Addr { return c }
func (c faultConn) Network() string      { return "fault" }
func (c faultConn) String() string       { c.act(); return "" }

// TestContractPanicsOfCallbacks: whatever a callback panics with, and wherever
// it is called from, the request goes its way, the span ends, and somebody is
// told. A callback that ends the goroutine, as t.FailNow does, leaves no span
// open either.
func TestContractPanicsOfCallbacks(t *testing.T) {
	answer := oteltest.AnswerText(http.StatusOK, "text")
	withConn := func(conn net.Conn, then oteltest.RoundTripFunc) oteltest.RoundTripFunc {
		return func(req *http.Request) (*http.Response, error) {
			if ct := httptrace.ContextClientTrace(req.Context()); ct != nil && ct.GotConn != nil {
				ct.GotConn(httptrace.GotConnInfo{Conn: conn})
			}
			return then(req)
		}
	}
	failing := func(act func()) oteltest.RoundTripFunc {
		return func(*http.Request) (*http.Response, error) { return nil, faultErrorType{act} }
	}
	// second does what act does, but not when it is called for the first time.
	second := func(act func()) func() {
		var calls atomic.Int64
		return func() {
			if calls.Add(1) > 1 {
				act()
			}
		}
	}
	callbacks := []struct {
		name string
		base func(act func()) oteltest.RoundTripFunc // nil: answer
		opt  func(act func()) otelhttpclient.Option
	}{
		{name: "request hook", opt: func(act func()) otelhttpclient.Option {
			return otelhttpclient.WithRequestHook(func(trace.Span, *http.Request) { act() })
		}},
		{name: "response hook", opt: func(act func()) otelhttpclient.Option {
			return otelhttpclient.WithResponseHook(func(trace.Span, *http.Request, *http.Response, error) { act() })
		}},
		{name: "response hook of a failure", base: func(func()) oteltest.RoundTripFunc { return failing(func() {}) }, opt: func(act func()) otelhttpclient.Option {
			return otelhttpclient.WithResponseHook(func(trace.Span, *http.Request, *http.Response, error) { act() })
		}},
		{name: "filter", opt: func(act func()) otelhttpclient.Option {
			return otelhttpclient.WithFilter(func(*http.Request) bool { act(); return true })
		}},
		{name: "span name formatter", opt: func(act func()) otelhttpclient.Option {
			return otelhttpclient.WithSpanNameFormatter(func(*http.Request) string { act(); return "" })
		}},
		{name: "URL templater", opt: func(act func()) otelhttpclient.Option {
			return otelhttpclient.WithURLTemplate(func(*http.Request) string { act(); return "" })
		}},
		{name: "error check", opt: func(act func()) otelhttpclient.Option {
			return otelhttpclient.WithErrorCheck(func(*http.Response) bool { act(); return false })
		}},
		{name: "client trace", opt: func(act func()) otelhttpclient.Option {
			return otelhttpclient.WithClientTrace(func(context.Context) *httptrace.ClientTrace { act(); return nil })
		}},
		{name: "propagator", opt: func(act func()) otelhttpclient.Option {
			return otelhttpclient.WithPropagators(faultPropagator{act: act})
		}},
		{name: "URL filter", opt: func(act func()) otelhttpclient.Option {
			return otelhttpclient.WithURLFilter(func(u *url.URL) *url.URL { act(); return u })
		}},
		{name: "URL filter of a failure", base: func(func()) oteltest.RoundTripFunc { return failing(func() {}) }, opt: func(act func()) otelhttpclient.Option {
			act = second(act)
			return otelhttpclient.WithURLFilter(func(u *url.URL) *url.URL { act(); return u })
		}},
		{name: "error type of a failure", base: failing},
		{name: "error type of a body's failure", base: func(act func()) oteltest.RoundTripFunc {
			return func(req *http.Request) (*http.Response, error) {
				return oteltest.Reply(req, 200, oteltest.FailingBody("te", faultErrorType{act})), nil
			}
		}},
		{name: "address of a peer", base: func(act func()) oteltest.RoundTripFunc { return withConn(faultConn{act: act}, answer) }},
		{name: "address of a peer before a failure", base: func(act func()) oteltest.RoundTripFunc {
			return withConn(faultConn{act: act}, func(*http.Request) (*http.Response, error) { return nil, io.ErrUnexpectedEOF })
		}},
	}
	var none *http.Request
	for _, kind := range []struct {
		name, text string
		act        func()
	}{
		{"text", "a text", func() { panic("a text") }},
		{"error", "an error", func() { panic(errors.New("an error")) }},
		{"mute error", "mute", func() { panic(fmt.Errorf("mute: %w", oteltest.MuteError{})) }},
		{"nil pointer", "nil pointer", func() { _ = none.Method }},
		{"nil", "nil", func() { panic(any(nil)) }},
		{"end of the goroutine", "", runtime.Goexit},
	} {
		for _, row := range callbacks {
			t.Run(row.name+"/"+kind.name, func(t *testing.T) {
				outcome := func(act func(), options ...otelhttpclient.Option) (text string) {
					base := answer
					if row.base != nil {
						base = row.base(act)
					}
					var rt http.RoundTripper = base
					if options != nil {
						rt = otelhttpclient.NewTransport(base, options...)
					}
					text = "nothing returned"
					if panicked := oteltest.Recover(func() {
						status, err := oteltest.Send(rt, oteltest.NewRequest(t, t.Context(), "GET", "http://inventory.example/items/1?a=b", nil))
						text = fmt.Sprintf("status %d, error %v", status, err)
					}); panicked != nil {
						text = fmt.Sprintf("panic %v", panicked)
					}
					return text
				}
				handled := oteltest.HandleErrors(t)
				tel := oteltest.New(t)
				counted := oteltest.CountTracers(tel.Tracers)
				options := instrumented.Options(tel, otelhttpclient.WithTracerProvider(counted), otelhttpclient.WithOptInMetrics(otelhttpclient.MetricActiveRequests))
				if row.opt != nil {
					options = append(options, row.opt(kind.act))
				}
				got := outcome(kind.act, options...)
				if starts, ends := counted.Starts(), counted.Ends(); starts != ends || len(tel.Spans()) != int(ends) {
					t.Errorf("spans: got %d started, %d ended and %d exported, want as many", starts, ends, len(tel.Spans()))
				}
				if n := tel.Count(string(otelhttpclient.MetricActiveRequests), attribute.KeyValue{}); n != 0 {
					t.Errorf("active requests: got %d, want 0", n)
				}
				if kind.text == "" {
					return // what becomes of the request is not ours to say
				}
				if want := outcome(func() {}); got != want {
					t.Errorf("got %s, want %s, as without the callback", got, want)
				}
				if texts := strings.Join(handled.Texts(), "\n"); !strings.Contains(texts, kind.text) {
					t.Errorf("handled errors: got %q, want one with %q", texts, kind.text)
				}
			})
		}
	}
}

// TestContractNonsenseOfCallbacks: what callbacks return may be wrong for the
// telemetry, but never for the request.
func TestContractNonsenseOfCallbacks(t *testing.T) {
	long := strings.Repeat("long ", 200_000)
	filter := func(u *url.URL) otelhttpclient.Option {
		return otelhttpclient.WithURLFilter(func(*url.URL) *url.URL { return u })
	}
	flip := false
	for _, row := range []struct {
		name     string
		opt      otelhttpclient.Option
		wantName string
	}{
		{"name that is empty", otelhttpclient.WithSpanNameFormatter(func(*http.Request) string { return "" }), "GET"},
		{"name of a megabyte", otelhttpclient.WithSpanNameFormatter(func(*http.Request) string { return long }), long},
		{"name that is no text", otelhttpclient.WithSpanNameFormatter(func(*http.Request) string { return "\xff\x00" }), "\xff\x00"},
		{"nil URL", filter(nil), "GET"},
		{"empty URL", filter(&url.URL{}), "GET"},
		{"URL without a host", filter(&url.URL{Scheme: "http", Path: "/"}), "GET"},
		{"URL that is none", filter(&url.URL{Scheme: "\x00", Host: "[::", Opaque: "%zz", RawPath: "%", RawQuery: "%&;=%"}), "GET"},
		{"template that is none", otelhttpclient.WithURLTemplate(func(*http.Request) string { return "{{{\x00" }), "GET {{{\x00"},
		{"template of a megabyte", otelhttpclient.WithURLTemplate(func(*http.Request) string { return long }), "GET " + long},
		{"nil client trace", otelhttpclient.WithClientTrace(func(context.Context) *httptrace.ClientTrace { return nil }), "GET"},
		{"empty client trace", otelhttpclient.WithClientTrace(func(context.Context) *httptrace.ClientTrace { return &httptrace.ClientTrace{} }), "GET"},
		{"error check of two minds", otelhttpclient.WithErrorCheck(func(*http.Response) bool { flip = !flip; return flip }), "GET"},
		{"request hook that undoes the request", otelhttpclient.WithRequestHook(func(span trace.Span, _ *http.Request) { span.End() }), "GET"},
		{"response hook that ends the span", otelhttpclient.WithResponseHook(func(span trace.Span, _ *http.Request, _ *http.Response, _ error) { span.End() }), "GET"},
	} {
		t.Run(row.name, func(t *testing.T) {
			handled := oteltest.HandleErrors(t)
			server := oteltest.NewServer(t, "1.1", oteltest.Handler(http.StatusTeapot, "fine"))
			for range 2 {
				tel := oteltest.New(t)
				resp, body := oteltest.MustSend(t, instrumented.Transport(tel, server.Client().Transport, row.opt), oteltest.NewRequest(t, t.Context(), http.MethodGet, server.URL+"/items/1?a=b", nil))
				if resp.StatusCode != http.StatusTeapot || body != "fine" {
					t.Errorf("got %d %q, want %d %q, as without", resp.StatusCode, body, http.StatusTeapot, "fine")
				}
				if got := tel.OnlySpan().Name; got != row.wantName {
					t.Errorf("name: got %.20q of %d bytes, want %.20q of %d", got, len(got), row.wantName, len(row.wantName))
				}
				if p := tel.Seconds("http.client.request.duration"); p.Count != 1 {
					t.Errorf("measurements: got %d, want 1", p.Count)
				}
			}
			if texts := handled.Texts(); len(texts) != 0 {
				t.Errorf("handled errors: got %q, want none, as nothing panicked", texts)
			}
		})
	}
}

// faultSDK is an SDK that panics in one of its methods.
type faultSDK struct {
	in    string
	calls atomic.Int64 // of that method
}

func (s *faultSDK) at(method string) {
	if s.in == method {
		s.calls.Add(1)
		panic("in " + method)
	}
}

type (
	faultTracers struct {
		trace.TracerProvider
		sdk *faultSDK
	}
	faultTracer struct {
		trace.Tracer
		sdk *faultSDK
	}
	faultSpan struct {
		trace.Span
		sdk *faultSDK
	}
	faultMeters struct {
		metric.MeterProvider
		sdk *faultSDK
	}
	faultMeter struct {
		metric.Meter
		sdk *faultSDK
	}
	faultHistogram struct {
		metric.Float64Histogram
		name string
		sdk  *faultSDK
	}
	faultCounter struct {
		metric.Int64UpDownCounter
		name string
		sdk  *faultSDK
	}
)

func (f faultTracers) Tracer(name string, o ...trace.TracerOption) trace.Tracer {
	f.sdk.at("Tracer")
	return faultTracer{f.TracerProvider.Tracer(name, o...), f.sdk}
}

func (f faultTracer) Start(ctx context.Context, name string, o ...trace.SpanStartOption) (context.Context, trace.Span) {
	f.sdk.at("Start")
	ctx, span := f.Tracer.Start(ctx, name, o...)
	own := faultSpan{span, f.sdk}
	return trace.ContextWithSpan(ctx, own), own
}

func (f faultSpan) SetAttributes(kv ...attribute.KeyValue) {
	f.sdk.at("SetAttributes")
	f.Span.SetAttributes(kv...)
}

func (f faultSpan) SpanContext() trace.SpanContext {
	f.sdk.at("SpanContext")
	return f.Span.SpanContext()
}

func (f faultSpan) IsRecording() bool {
	f.sdk.at("IsRecording")
	return f.Span.IsRecording()
}

func (f faultSpan) End(o ...trace.SpanEndOption) {
	f.Span.End(o...)
	f.sdk.at("End")
}

func (f faultMeters) Meter(name string, o ...metric.MeterOption) metric.Meter {
	f.sdk.at("Meter")
	return faultMeter{f.MeterProvider.Meter(name, o...), f.sdk}
}

func (f faultMeter) Float64Histogram(name string, o ...metric.Float64HistogramOption) (metric.Float64Histogram, error) {
	f.sdk.at("Float64Histogram")
	h, err := f.Meter.Float64Histogram(name, o...)
	return faultHistogram{h, name, f.sdk}, err
}

func (f faultMeter) Int64UpDownCounter(name string, o ...metric.Int64UpDownCounterOption) (metric.Int64UpDownCounter, error) {
	c, err := f.Meter.Int64UpDownCounter(name, o...)
	return faultCounter{c, name, f.sdk}, err
}

func (f faultHistogram) Enabled(ctx context.Context) bool {
	f.sdk.at("Enabled")
	return f.Float64Histogram.Enabled(ctx)
}

func (f faultHistogram) Record(ctx context.Context, v float64, o ...metric.RecordOption) {
	f.sdk.at("Record")
	f.sdk.at("Record of " + f.name)
	f.Float64Histogram.Record(ctx, v, o...)
}

func (f faultCounter) Add(ctx context.Context, n int64, o ...metric.AddOption) {
	f.sdk.at("Add")
	f.sdk.at("Add of " + f.name)
	f.Int64UpDownCounter.Add(ctx, n, o...)
}

// TestContractPanicsOfTheSDK: telemetry never fails a request, nor the process
// when it is over, even where an implementation of the API panics.
func TestContractPanicsOfTheSDK(t *testing.T) {
	handled := oteltest.HandleErrors(t)
	for _, row := range []struct {
		method string
		open   bool // the span stays so
		late   bool // it is called, too, when a closed connection is found
	}{
		{method: "Tracer"}, {method: "Start"}, {method: "IsRecording", open: true},
		{method: "SetAttributes"}, {method: "SpanContext"}, {method: "End"},
		{method: "Meter"}, {method: "Float64Histogram"}, {method: "Enabled"}, {method: "Record"}, {method: "Add"},
		{method: "Add of http.client.open_connections", late: true}, {method: "Record of http.client.connection.duration", late: true},
	} {
		t.Run(row.method, func(t *testing.T) {
			t.Parallel() // as the connections are looked after only once a second
			sdk := &faultSDK{in: row.method}
			tel := oteltest.New(t)
			server := oteltest.NewServer(t, "1.1", oteltest.Handler(http.StatusOK, "fine"))
			base := &http.Transport{}
			defer base.CloseIdleConnections()
			rt := otelhttpclient.NewTransport(base, append(instrumented.EveryOption(tel),
				otelhttpclient.WithTracerProvider(faultTracers{tel.Tracers, sdk}),
				otelhttpclient.WithMeterProvider(faultMeters{tel.Meters, sdk}))...)
			request := func(url string) chan string {
				done := make(chan string, 1)
				go func() {
					status, err := oteltest.Send(rt, oteltest.NewRequest(t, t.Context(), "GET", url, nil))
					done <- fmt.Sprintf("status %d, failed %v", status, err != nil)
				}()
				return done
			}
			for _, r := range []struct{ url, want string }{
				{server.URL, "status 200, failed false"}, {server.URL, "status 200, failed false"}, {oteltest.ClosedPort(t), "status 0, failed true"},
			} {
				select {
				case got := <-request(r.url):
					if got != r.want {
						t.Errorf("got %s, want %s", got, r.want)
					}
				case <-time.After(10 * time.Second):
					t.Fatal("the request has not come back, want it to be as fast as without")
				}
			}
			if started, ended := tel.Started(), tel.Ended(); !row.open && started != ended {
				t.Errorf("spans: got %d started and %d ended, want as many", started, ended)
			}
			if row.late {
				// That is on a goroutine where a panic would end the process.
				calls := sdk.calls.Load()
				base.CloseIdleConnections()
				oteltest.Eventually(t, "the closed connection is measured", func() bool { return sdk.calls.Load() > calls })
			}
			oteltest.Eventually(t, "the panic is told of", func() bool {
				return strings.Contains(strings.Join(handled.Texts(), "\n"), "panicked: in "+row.method)
			})
		})
	}
}

// faultExporter blocks until it is released, or fails.
type faultExporter struct {
	release  chan struct{}
	err      error
	exported atomic.Int64
}

func (e *faultExporter) ExportSpans(_ context.Context, spans []sdktrace.ReadOnlySpan) error {
	if e.release != nil {
		<-e.release
	}
	e.exported.Add(int64(len(spans)))
	return e.err
}

func (e *faultExporter) Shutdown(context.Context) error { return nil }

// TestContractExporterThatBlocks: with the SDK's batches, which drop what does
// not fit, no request waits for an exporter.
func TestContractExporterThatBlocks(t *testing.T) {
	const requests, queue, batch = 1000, 64, 16
	e := &faultExporter{release: make(chan struct{})}
	tracers := sdktrace.NewTracerProvider(sdktrace.WithBatcher(e,
		sdktrace.WithMaxQueueSize(queue), sdktrace.WithMaxExportBatchSize(batch), sdktrace.WithBatchTimeout(time.Millisecond),
		sdktrace.WithExportTimeout(0)))
	server := oteltest.NewServer(t, "1.1", oteltest.Handler(http.StatusOK, "fine"))
	rt := instrumented.Transport(oteltest.New(t), server.Client().Transport, otelhttpclient.WithTracerProvider(tracers))
	done := make(chan error, requests)
	go oteltest.Concurrently(requests, 1, func(int) {
		req, err := http.NewRequest("GET", server.URL, nil)
		if err == nil {
			_, err = oteltest.Send(rt, req)
		}
		done <- err
	})
	late := time.After(30 * time.Second)
	for n := range requests {
		select {
		case err := <-done:
			if err != nil {
				t.Fatalf("request %d: got %v, want no error", n, err)
			}
		case <-late:
			t.Fatalf("got %d requests done in 30 s, want all %d, while the exporter blocks", n, requests)
		}
	}
	close(e.release)
	if err := tracers.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	// One batch is with the exporter, one is being made, and the queue is full.
	if got := e.exported.Load(); got > queue+2*batch || got < batch {
		t.Errorf("exported spans: got %d of %d, want from %d to %d: the others are dropped", got, requests, batch, queue+2*batch)
	}
}

// TestContractExporterThatFails: the error handler is told, the program is not.
func TestContractExporterThatFails(t *testing.T) {
	handled := oteltest.HandleErrors(t)
	e := &faultExporter{err: errors.New("no room for spans")}
	for name, processor := range map[string]sdktrace.TracerProviderOption{"syncer": sdktrace.WithSyncer(e), "batcher": sdktrace.WithBatcher(e)} {
		tracers := sdktrace.NewTracerProvider(processor)
		oteltest.MustSend(t, instrumented.Transport(oteltest.New(t), oteltest.Answer(200), otelhttpclient.WithTracerProvider(tracers)), oteltest.NewRequest(t, t.Context(), "GET", "http://inventory.example/", nil))
		_ = tracers.Shutdown(t.Context())
		if got := strings.Join(handled.Texts(), "\n"); strings.Count(got, "no room for spans") == 0 {
			t.Errorf("%s: handled errors: got %q, want the exporter's", name, got)
		}
	}
	if got := e.exported.Load(); got != 2 {
		t.Errorf("exported spans: got %d, want 2", got)
	}
}

// TestContractMemoryStaysBounded, whatever comes in ever new kinds, and however
// many Transports are made.
func TestContractMemoryStaysBounded(t *testing.T) {
	status := 0
	w := oteltest.NewCounting(t)
	// Streams that are dropped by the SDK's limit would grow it otherwise.
	meters := sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader()), sdkmetric.WithCardinalityLimit(50))
	rt := otelhttpclient.NewTransport(oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		status++
		resp, err := oteltest.Answer(status)(req)
		resp.Header.Set(fmt.Sprint("X-Back-", status), "x")
		return resp, err
	}), append(instrumented.EveryOption(oteltest.New(t)),
		otelhttpclient.WithTracerProvider(w.Tracers), otelhttpclient.WithMeterProvider(meters),
		otelhttpclient.WithURLTemplate(func(r *http.Request) string { return r.URL.Path }))...)
	n := 0
	heap := func() uint64 {
		for range 5000 {
			n++
			req := oteltest.NewRequest(t, t.Context(), fmt.Sprint("M", n), fmt.Sprintf("https://h%d.example.com/t%d", n, n), nil)
			req.Header.Set(fmt.Sprint("X-Sent-", n), "x")
			oteltest.MustSend(t, rt, req)
			oteltest.MustSend(t, otelhttpclient.NewTransport(oteltest.Answer(200), otelhttpclient.WithTracerProvider(w.Tracers),
				otelhttpclient.WithMeterProvider(metricnoop.NewMeterProvider())), req)
		}
		runtime.GC()
		runtime.GC() // pools are emptied in two
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	heap()
	first := heap()
	if second := heap(); second > first+2<<20 {
		t.Errorf("heap: got %d bytes after as much again, want about the %d of before", second, first)
	}
}
