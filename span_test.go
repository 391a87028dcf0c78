package otelhttpclient_test

import (
	"context"
	"errors"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/instrumented"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

func TestRootSpan(t *testing.T) {
	tel := oteltest.New(t)
	rt := instrumented.Transport(tel, oteltest.AnswerText(http.StatusOK, ""))
	oteltest.MustSend(t, rt, oteltest.NewRequest(t, t.Context(), http.MethodGet, "http://inventory.example/", nil))
	if span := tel.OnlySpan(); span.Parent.IsValid() || !span.SpanContext.IsValid() {
		t.Errorf("parent = %v, span = %v, want no parent and a valid span", span.Parent, span.SpanContext)
	}
}

func TestSamplerInput(t *testing.T) {
	sampler := &oteltest.RecordingSampler{Sampler: sdktrace.NeverSample()}
	tel := oteltest.NewSampled(t, sampler)
	rt := instrumented.Transport(tel, oteltest.AnswerText(http.StatusOK, ""))
	oteltest.MustSend(t, rt, oteltest.NewRequest(t, t.Context(), http.MethodPost, "https://inventory.example/items?limit=10", nil))

	if len(sampler.Seen()) != 1 {
		t.Fatalf("the sampler was asked %d times, want once", len(sampler.Seen()))
	}
	p := sampler.Seen()[0]
	if p.Kind != trace.SpanKindClient || p.Name != "POST" {
		t.Errorf("the sampler saw kind %v and name %q, want client and %q", p.Kind, p.Name, "POST")
	}
	want := map[attribute.Key]attribute.Value{
		"http.request.method": attribute.StringValue("POST"),
		"server.address":      attribute.StringValue("inventory.example"),
		"server.port":         attribute.IntValue(443),
		"url.full":            attribute.StringValue("https://inventory.example/items?limit=10"),
	}
	if got := oteltest.Attributes(p.Attributes); !maps.Equal(got, want) {
		t.Errorf("attributes at creation\n got %v\nwant %v", got, want)
	}
	if n := len(tel.Spans()); n != 0 {
		t.Errorf("%d spans were exported, want 0 of a dropped one", n)
	}
}

func TestSpanOptions(t *testing.T) {
	tel := oteltest.New(t)
	link := trace.Link{SpanContext: trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}})}
	rt := instrumented.Transport(tel, oteltest.AnswerText(http.StatusOK, ""), otelhttpclient.WithSpanOptions(trace.WithAttributes(attribute.String("peer.service", "inventory")), nil), otelhttpclient.WithSpanOptions(trace.WithLinks(link), trace.WithSpanKind(trace.SpanKindServer)))
	oteltest.MustSend(t, rt, oteltest.NewRequest(t, t.Context(), http.MethodGet, "http://inventory.example/", nil))
	span := tel.OnlySpan()
	if got, want := oteltest.Attributes(span.Attributes)["peer.service"].String(), "inventory"; got != want {
		t.Errorf("peer.service = %q, want %q", got, want)
	}
	if len(span.Links) != 1 || !span.Links[0].SpanContext.Equal(link.SpanContext) {
		t.Errorf("links = %v, want %v", span.Links, link)
	}
	if span.SpanKind != trace.SpanKindClient {
		t.Errorf("kind = %v, want client", span.SpanKind)
	}
}

func TestInvalidSpanEnd(t *testing.T) {
	errs := oteltest.HandleErrors(t)
	otelhttpclient.NewTransport(nil, otelhttpclient.WithSpanEnd(7))
	if got := errs.Texts(); len(got) != 1 || !strings.Contains(got[0], "WithSpanEnd") {
		t.Errorf("handled errors: got %q, want one that names WithSpanEnd", got)
	}
}

// startedSpans is a span processor that sends every started span to a channel.
type startedSpans struct {
	sdktrace.SpanProcessor
	started chan sdktrace.ReadOnlySpan
}

func (s *startedSpans) OnStart(_ context.Context, span sdktrace.ReadWriteSpan) { s.started <- span }

func newStartedSpans() *startedSpans {
	return &startedSpans{
		SpanProcessor: sdktrace.NewSimpleSpanProcessor(tracetest.NewNoopExporter()),
		started:       make(chan sdktrace.ReadOnlySpan, 16),
	}
}

func TestSpanCoversDialing(t *testing.T) {
	tel := oteltest.New(t)
	server := oteltest.NewServer(t, "1.1", func(http.ResponseWriter, *http.Request) {})
	dialed := make(chan time.Time, 1)
	inSpan := make(chan bool, 1)
	base := &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		dialed <- time.Now()
		inSpan <- trace.SpanFromContext(ctx).IsRecording() && len(tel.Spans()) == 0
		return new(net.Dialer).DialContext(ctx, network, addr)
	}}
	t.Cleanup(base.CloseIdleConnections)
	oteltest.MustSend(t, instrumented.Transport(tel, base), oteltest.NewRequest(t, t.Context(), http.MethodGet, server.URL, nil))
	if !<-inSpan {
		t.Error("the connection was dialed outside of the span, want inside")
	}
	if at, start := <-dialed, tel.OnlySpan().StartTime; start.After(at) {
		t.Errorf("the span started at %v, after the connection was asked for at %v", start, at)
	}
}

func TestSpanCoversTLSHandshake(t *testing.T) {
	tel := oteltest.New(t)
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	base := &http.Transport{} // does not know the server's certificate
	t.Cleanup(base.CloseIdleConnections)
	resp, err := instrumented.Transport(tel, base).RoundTrip(oteltest.NewRequest(t, t.Context(), http.MethodGet, server.URL, nil))
	if err == nil {
		t.Fatalf("RoundTrip() = %v, want an error", resp.Status)
	}
	span := tel.OnlySpan()
	if got, want := oteltest.Attributes(span.Attributes)["error.type"].String(), "secure_connection_error"; got != want {
		t.Errorf("error.type = %q, want %q (of %v)", got, want, err)
	}
	if span.Status.Code != codes.Error {
		t.Errorf("status = %v, want Error", span.Status)
	}
}

func TestSpanCoversWaiting(t *testing.T) {
	tel := oteltest.New(t)
	starts := newStartedSpans()
	tel.Tracers.RegisterSpanProcessor(starts)
	server := oteltest.NewServer(t, "1.1", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })
	base := &http.Transport{MaxConnsPerHost: 1}
	t.Cleanup(base.CloseIdleConnections)
	rt := instrumented.Transport(tel, base)

	first := oteltest.Open(t, rt, oteltest.NewRequest(t, t.Context(), http.MethodGet, server.URL+"/first", nil))
	<-starts.started
	done := make(chan error, 1)
	second := oteltest.NewRequest(t, t.Context(), http.MethodGet, server.URL+"/second", nil)
	go func() {
		resp, err := rt.RoundTrip(second)
		if err == nil {
			_, _ = io.Copy(io.Discard, resp.Body)
			err = resp.Body.Close()
		}
		done <- err
	}()
	queued := <-starts.started // while the only connection is in use
	released := time.Now()
	oteltest.ReadBody(t, first)
	if err := <-done; err != nil {
		t.Fatalf("the second request = %v, want no error", err)
	}
	if start := queued.StartTime(); start.After(released) {
		t.Errorf("the queued span started at %v, want before the connection was free at %v", start, released)
	}
	spans := tel.Spans()
	if len(spans) != 2 || spans[1].EndTime.Before(released) {
		t.Errorf("spans = %v, want two of which the second ends after %v", spans, released)
	}
}

type panickingBody struct{}

func (panickingBody) Read([]byte) (int, error) { panic("in Read") }
func (panickingBody) Close() error             { return nil }

func TestSpanEndsExactlyOnce(t *testing.T) {
	errBase, errBody := errors.New("base failed"), errors.New("body failed")
	text := func() io.ReadCloser { return io.NopCloser(strings.NewReader("text")) }
	with := func(body func() io.ReadCloser) oteltest.RoundTripFunc {
		return func(req *http.Request) (*http.Response, error) {
			return oteltest.Reply(req, http.StatusOK, body()), nil
		}
	}
	ignore := func(*testing.T, *http.Response) {}
	readAll := func(t *testing.T, resp *http.Response) {
		if _, err := io.ReadAll(resp.Body); err != nil {
			t.Errorf("reading the body = %v, want no error", err)
		}
	}
	rows := []struct {
		name   string // the code path
		method string
		base   oteltest.RoundTripFunc
		opts   []otelhttpclient.Option
		early  bool // the span ends before RoundTrip returns
		late   bool // it ends when the body is garbage collected
		use    func(*testing.T, *http.Response)
	}{
		{name: "base fails", early: true, base: func(*http.Request) (*http.Response, error) { return nil, errBase }},
		{name: "base fails with an error whose Error panics", early: true, base: func(*http.Request) (*http.Response, error) { return nil, oteltest.MuteError{} }},
		{name: "base returns neither response nor error", early: true, base: func(*http.Request) (*http.Response, error) { return nil, nil }},
		{name: "base panics", early: true, base: func(*http.Request) (*http.Response, error) { panic("in base") }},
		{name: "base calls runtime.Goexit", early: true, base: func(*http.Request) (*http.Response, error) { runtime.Goexit(); return nil, nil }},
		{name: "no body (nil)", early: true, base: with(func() io.ReadCloser { return nil })},
		{name: "no body (http.NoBody)", early: true, base: with(func() io.ReadCloser { return http.NoBody })},
		{name: "no body (http.NoBody), closed", early: true, base: with(func() io.ReadCloser { return http.NoBody }),
			use: func(_ *testing.T, resp *http.Response) { _ = resp.Body.Close() }},
		{name: "HEAD", early: true, method: http.MethodHead, base: with(text)},
		{name: "EndOnHeaders", early: true, base: with(text), opts: []otelhttpclient.Option{otelhttpclient.WithSpanEnd(otelhttpclient.EndOnHeaders)}, use: readAll},
		{name: "EOF", base: with(text), use: readAll},
		{name: "EOF, then read again, then Close twice", base: with(text), use: func(t *testing.T, resp *http.Response) {
			readAll(t, resp)
			readAll(t, resp)
			_ = resp.Body.Close()
			_ = resp.Body.Close()
		}},
		{name: "Close without a read", base: with(text), use: func(_ *testing.T, resp *http.Response) { _ = resp.Body.Close() }},
		{name: "Close in the middle, then read", base: with(text), use: func(_ *testing.T, resp *http.Response) {
			_, _ = resp.Body.Read(make([]byte, 1))
			_ = resp.Body.Close()
			_, _ = io.ReadAll(resp.Body)
		}},
		{name: "reading fails, then Close", base: with(func() io.ReadCloser { return oteltest.FailingBody("te", errBody) }),
			use: func(t *testing.T, resp *http.Response) {
				if _, err := io.ReadAll(resp.Body); err != errBody { //nolint:errorlint // the same value
					t.Errorf("reading the body = %v, want %v itself", err, errBody)
				}
				_ = resp.Body.Close()
			}},
		{name: "reading panics", base: with(func() io.ReadCloser { return panickingBody{} }), use: func(t *testing.T, resp *http.Response) {
			if got := oteltest.Recover(func() { _, _ = resp.Body.Read(make([]byte, 1)) }); got != "in Read" {
				t.Errorf("panic = %v, want the body's own", got)
			}
			_ = resp.Body.Close()
		}},
		{name: "never closed", late: true, base: with(text), use: ignore},
		{name: "read in part, never closed", late: true, base: with(text), use: func(_ *testing.T, resp *http.Response) { _, _ = resp.Body.Read(make([]byte, 1)) }},
	}
	samplers := []struct {
		name string
		sdktrace.Sampler
	}{{"sampled", sdktrace.AlwaysSample()}, {"unsampled", sdktrace.NeverSample()}}
	for _, sampler := range samplers {
		for _, row := range rows {
			t.Run(sampler.name+"/"+row.name, func(t *testing.T) {
				tel := oteltest.NewSampled(t, sampler.Sampler)
				counted := oteltest.CountTracers(tel.Tracers)
				rt := otelhttpclient.NewTransport(row.base, append(instrumented.Options(tel, otelhttpclient.WithTracerProvider(counted)), row.opts...)...)
				method := row.method
				if method == "" {
					method = http.MethodGet
				}
				req := oteltest.NewRequest(t, t.Context(), method, "http://inventory.example/items", nil)
				early := int64(0)
				_ = oteltest.Recover(func() {
					resp, _ := rt.RoundTrip(req)
					early = counted.Ends()
					if row.use != nil && resp != nil {
						row.use(t, resp)
					}
				})
				if !row.early && early != 0 {
					t.Errorf("ended %d times when RoundTrip returned, want not yet", early)
				}
				if !row.late && counted.Ends() == 0 {
					t.Error("not ended by then, want ended without help of the garbage collector")
				}
				if points := waitForDuration(t, tel); len(points) != 1 || points[0].Count != 1 {
					t.Errorf("duration was measured in %d sets, %+v, want once", len(points), points)
				}
				starts, ends := counted.Starts(), counted.Ends()
				if starts != 1 || ends != 1 {
					t.Errorf("%d spans started and %d were ended, want 1 and 1", starts, ends)
				}
			})
		}
	}
}

func TestSpanEndsOnceInConcurrentCloses(t *testing.T) {
	tel := oteltest.New(t)
	counted := oteltest.CountTracers(tel.Tracers)
	rt := instrumented.Transport(tel, oteltest.AnswerText(http.StatusOK, "text"), otelhttpclient.WithTracerProvider(counted))
	const requests, closers = 500, 4
	for range requests {
		resp := oteltest.Open(t, rt, oteltest.NewRequest(t, t.Context(), http.MethodGet, "http://inventory.example/", nil))
		var wg sync.WaitGroup
		var ready atomic.Int64
		for range closers {
			wg.Go(func() {
				ready.Add(1)
				for ready.Load() < closers { // spin, so that all close together
					runtime.Gosched()
				}
				_ = resp.Body.Close()
			})
		}
		wg.Wait()
	}
	if got := counted.Ends(); got != requests {
		t.Errorf("%d spans were ended %d times, want once each", requests, got)
	}
	m, ok := tel.Metric("http.client.request.duration")
	if !ok {
		t.Fatal("http.client.request.duration is missing")
	}
	if got := m.Data.(metricdata.Histogram[float64]).DataPoints[0].Count; got != requests {
		t.Errorf("duration was measured %d times, want once for each of %d requests", got, requests)
	}
}

func TestUnsampledSpansEnd(t *testing.T) {
	for name, opts := range map[string][]otelhttpclient.Option{
		"nothing to propagate": {otelhttpclient.WithPropagators(propagation.NewCompositeTextMapPropagator())},
		"propagated":           nil,
		"with a request hook":  {otelhttpclient.WithRequestHook(func(trace.Span, *http.Request) {})},
		"with a response hook": {otelhttpclient.WithResponseHook(func(trace.Span, *http.Request, *http.Response, error) {})},
	} {
		t.Run(name, func(t *testing.T) {
			tel := oteltest.NewSampled(t, sdktrace.NeverSample())
			counted := oteltest.CountTracers(tel.Tracers)
			rt := otelhttpclient.NewTransport(oteltest.AnswerText(http.StatusOK, "text"), append(instrumented.Options(tel, otelhttpclient.WithTracerProvider(counted), otelhttpclient.WithMeterProvider(metricnoop.NewMeterProvider())), opts...)...)
			oteltest.MustSend(t, rt, oteltest.NewRequest(t, t.Context(), http.MethodGet, "http://inventory.example/", nil))
			if starts, ends := counted.Starts(), counted.Ends(); starts != 1 || ends != 1 {
				t.Errorf("%d spans started and %d were ended, want 1 and 1", starts, ends)
			}
		})
	}
}

// WithFailureCheck decides which errors of base and of the body are errors.
func TestWithFailureCheck(t *testing.T) {
	noRows, lost := errors.New("no rows"), errors.New("lost")
	for _, row := range []struct {
		base   http.RoundTripper
		check  otelhttpclient.FailureCheck
		want   string // error.type
		reason string
	}{
		{failing(noRows), func(err error) bool { return !errors.Is(err, noRows) }, "", "the check excludes it"},
		{failing(lost), func(err error) bool { return !errors.Is(err, noRows) }, "_OTHER", "the check includes it"},
		{failing(noRows), nil, "_OTHER", "nil is no check"},
		{failing(noRows), func(error) bool { panic("no check") }, "_OTHER", "the default applies if it panics"},
		{failing(context.Canceled), func(error) bool { return true }, "_OTHER", "base canceled, not the caller"},
		{failingBody(noRows), func(err error) bool { return !errors.Is(err, noRows) }, "", "the check sees errors of the body"},
		{failingBody(lost), func(err error) bool { return !errors.Is(err, noRows) }, "_OTHER", "the check sees errors of the body"},
	} {
		t.Run(row.reason, func(t *testing.T) {
			oteltest.HandleErrors(t)
			tel := oteltest.New(t)
			rt := instrumented.Transport(tel, row.base, otelhttpclient.WithFailureCheck(row.check))
			if resp, err := rt.RoundTrip(oteltest.NewRequest(t, t.Context(), "GET", "https://example.com/", nil)); err == nil {
				_, _ = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
			}
			span := tel.OnlySpan()
			for what, a := range map[string][]attribute.KeyValue{"span": span.Attributes, "duration": tel.DurationAttributes()} {
				got := ""
				for _, kv := range a {
					if kv.Key == "error.type" {
						got = kv.Value.AsString()
					}
				}
				if got != row.want {
					t.Errorf("%s: error.type: got %q, want %q", what, got, row.want)
				}
			}
			if got, want := span.Status.Code == codes.Error, row.want != ""; got != want {
				t.Errorf("status Error: got %v, want %v", got, want)
			}
		})
	}
}

func failing(err error) http.RoundTripper {
	return oteltest.RoundTripFunc(func(*http.Request) (*http.Response, error) { return nil, err })
}

func failingBody(err error) http.RoundTripper {
	return oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, ProtoMajor: 1, ProtoMinor: 1, ContentLength: -1, Body: oteltest.FailingBody("part", err), Request: req}, nil
	})
}

// waitForDuration waits until a duration is measured. For a forgotten body,
// that is after its garbage collection.
func waitForDuration(t *testing.T, tel *oteltest.SDK) []metricdata.HistogramDataPoint[float64] {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); runtime.GC() {
		if m, ok := tel.Metric("http.client.request.duration"); ok {
			return m.Data.(metricdata.Histogram[float64]).DataPoints
		}
		runtime.Gosched()
	}
	t.Fatal("no duration was measured in 10 s")
	return nil
}
