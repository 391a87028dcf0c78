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
	"net/url"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/oteltest"
	"github.com/otelhttpclient/otelhttpclient/internal/oteltest/instrumented"
)

func TestOneClientSpanPerRequest(t *testing.T) {
	tel := oteltest.New(t)
	server := oteltest.NewServer(t, "1.1", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "42 left") })
	host, portText, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(portText)
	if err != nil {
		t.Fatal(err)
	}

	ctx, parent := tel.Tracers.Tracer("caller").Start(t.Context(), "caller")
	client := &http.Client{Transport: instrumented.Transport(tel, server.Client().Transport)}
	resp, err := client.Do(oteltest.NewRequest(t, ctx, http.MethodGet, server.URL+"/items/42?limit=10#top", nil))
	if err != nil {
		t.Fatalf("Do() = %v, want no error", err)
	}
	if n := len(tel.Spans()); n != 0 {
		t.Errorf("%d spans have ended before the body was read, want none", n)
	}
	if got, want := oteltest.ReadBody(t, resp), "42 left"; got != want {
		t.Errorf("body = %q, want %q", got, want)
	}

	span := tel.OnlySpan()
	if got, want := span.Name, "GET"; got != want {
		t.Errorf("name = %q, want %q", got, want)
	}
	if got, want := span.SpanKind, trace.SpanKindClient; got != want {
		t.Errorf("kind = %v, want %v", got, want)
	}
	if got, want := span.Parent.SpanID(), parent.SpanContext().SpanID(); got != want {
		t.Errorf("parent = %v, want the span in the request's context, %v", got, want)
	}
	if got, want := span.SpanContext.TraceID(), parent.SpanContext().TraceID(); got != want {
		t.Errorf("trace = %v, want %v", got, want)
	}
	if got, want := span.Status, (sdktrace.Status{Code: codes.Unset}); got != want {
		t.Errorf("status = %v, want %v", got, want)
	}
	if n := len(span.Events); n != 0 {
		t.Errorf("%d events %v, want none", n, span.Events)
	}
	scope := span.InstrumentationScope
	if scope.Name != otelhttpclient.ScopeName || scope.Version != otelhttpclient.Version || scope.SchemaURL != semconv.SchemaURL {
		t.Errorf("scope = %q %q %q, want %q %q %q", scope.Name, scope.Version, scope.SchemaURL,
			otelhttpclient.ScopeName, otelhttpclient.Version, semconv.SchemaURL)
	}
	// All of them: what the conventions call Opt-In is not there.
	want := map[attribute.Key]attribute.Value{
		"http.request.method":       attribute.StringValue("GET"),
		"server.address":            attribute.StringValue(host),
		"server.port":               attribute.IntValue(port),
		"url.full":                  attribute.StringValue(server.URL + "/items/42?limit=10#top"),
		"http.response.status_code": attribute.IntValue(200),
		"network.protocol.version":  attribute.StringValue("1.1"),
		"network.peer.address":      attribute.StringValue(host),
		"network.peer.port":         attribute.IntValue(port),
	}
	if got := oteltest.Attributes(span.Attributes); !maps.Equal(got, want) {
		t.Errorf("attributes\n got %v\nwant %v", got, want)
	}
}

func TestSpanWithoutAParentIsARoot(t *testing.T) {
	tel := oteltest.New(t)
	rt := instrumented.Transport(tel, oteltest.AnswerText(http.StatusOK, ""))
	oteltest.MustSend(t, rt, oteltest.NewRequest(t, t.Context(), http.MethodGet, "http://inventory.example/", nil))
	if span := tel.OnlySpan(); span.Parent.IsValid() || !span.SpanContext.IsValid() {
		t.Errorf("parent = %v, span = %v, want no parent and a valid span", span.Parent, span.SpanContext)
	}
}

func TestSamplersSeeTheRequest(t *testing.T) {
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
		t.Errorf("%d spans were exported although the sampler dropped them", n)
	}
}

func TestSpanOptionsAreAddedAndTheKindStays(t *testing.T) {
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

// startedSpans tells of every span that starts.
type startedSpans struct {
	sdktrace.SpanProcessor
	started chan sdktrace.ReadOnlySpan
}

func newStartedSpans() *startedSpans {
	return &startedSpans{
		SpanProcessor: sdktrace.NewSimpleSpanProcessor(tracetest.NewNoopExporter()),
		started:       make(chan sdktrace.ReadOnlySpan, 16),
	}
}

func (s *startedSpans) OnStart(_ context.Context, span sdktrace.ReadWriteSpan) { s.started <- span }

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

func TestSpanCoversTLSHandshakeFailure(t *testing.T) {
	tel := oteltest.New(t)
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	base := &http.Transport{} // which does not know the server's certificate
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

func TestSpanCoversWaitingForAConnection(t *testing.T) {
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
	queued := <-starts.started // while the only connection is taken
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
		name   string // the path, and so the reason
		method string
		base   oteltest.RoundTripFunc
		opts   []otelhttpclient.Option
		early  bool // the span ends before RoundTrip returns
		late   bool // it ends only when the garbage collector has found the body
		use    func(*testing.T, *http.Response)
	}{
		{name: "base fails", early: true, base: func(*http.Request) (*http.Response, error) { return nil, errBase }},
		{name: "base fails with an error that cannot tell its text", early: true, base: func(*http.Request) (*http.Response, error) { return nil, oteltest.MuteError{} }},
		{name: "base returns nothing at all", early: true, base: func(*http.Request) (*http.Response, error) { return nil, nil }},
		{name: "base panics", early: true, base: func(*http.Request) (*http.Response, error) { panic("in base") }},
		{name: "base ends the goroutine", early: true, base: func(*http.Request) (*http.Response, error) { runtime.Goexit(); return nil, nil }},
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
				t.Errorf("panic = %v, want it to go on", got)
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

func TestSpanEndsOnceWhenManyCloseAtOnce(t *testing.T) {
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
				for ready.Load() < closers { // spinning, to be at it at the same time
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

func TestSpansThatNobodySeesEndToo(t *testing.T) {
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

// waitForDuration waits until a duration was measured, which for a body that was
// forgotten is when the garbage collector has found it.
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

func TestPanicOfBaseGoesOn(t *testing.T) {
	tel := oteltest.New(t)
	rt := instrumented.Transport(tel, oteltest.RoundTripFunc(func(*http.Request) (*http.Response, error) { panic("in base") }))
	req := oteltest.NewRequest(t, t.Context(), http.MethodGet, "http://inventory.example/", nil)
	if got := oteltest.Recover(func() { _, _ = rt.RoundTrip(req) }); got != "in base" {
		t.Errorf("panic = %v, want base's own, %q", got, "in base")
	}
	if got := tel.OnlySpan().Status.Code; got != codes.Error {
		t.Errorf("status = %v, want Error", got)
	}
}

func TestZeroTransport(t *testing.T) {
	if !oteltest.OwnProcess(t) {
		return
	}
	tel := oteltest.New(t)
	otel.SetTracerProvider(tel.Tracers)
	otel.SetMeterProvider(tel.Meters)
	otel.SetTextMapPropagator(propagation.TraceContext{})
	got := make(chan string, 1)
	server := oteltest.NewServer(t, "1.1", func(_ http.ResponseWriter, r *http.Request) { got <- r.Header.Get("Traceparent") })

	for name, rt := range map[string]*otelhttpclient.Transport{
		"zero": {}, "NewTransport(nil)": otelhttpclient.NewTransport(nil), "NewTransport(nil, nil)": otelhttpclient.NewTransport(nil, nil),
	} {
		tel.Reset()
		oteltest.MustSend(t, rt, oteltest.NewRequest(t, t.Context(), http.MethodGet, server.URL, nil))
		span := tel.OnlySpan()
		if sent, want := <-got, oteltest.Traceparent(span.SpanContext); sent != want {
			t.Errorf("%s: traceparent = %q, want %q", name, sent, want)
		}
		if span.SpanKind != trace.SpanKindClient {
			t.Errorf("%s: kind = %v, want client", name, span.SpanKind)
		}
		if rt.Unwrap() != http.DefaultTransport {
			t.Errorf("%s: Unwrap() = %v, want http.DefaultTransport", name, rt.Unwrap())
		}
		rt.CloseIdleConnections()
	}
	m, ok := tel.Metric("http.client.request.duration")
	if !ok {
		t.Fatal("http.client.request.duration is missing")
	}
	if n := m.Data.(metricdata.Histogram[float64]).DataPoints[0].Count; n != 3 {
		t.Errorf("duration was measured %d times, want 3", n)
	}
}

// replaceDefaultTransport makes rt the default until the test ends.
func replaceDefaultTransport(t *testing.T, rt http.RoundTripper) {
	t.Helper()
	before := http.DefaultTransport
	http.DefaultTransport = rt
	t.Cleanup(func() { http.DefaultTransport = before })
}

func TestNilBaseIsTheDefaultOfTheMoment(t *testing.T) {
	tel := oteltest.New(t)
	rt := instrumented.Transport(tel, nil)
	replaceDefaultTransport(t, oteltest.AnswerText(http.StatusTeapot, "installed later"))
	resp, body := oteltest.MustSend(t, rt, oteltest.NewRequest(t, t.Context(), http.MethodGet, "http://inventory.example/", nil))
	if resp.StatusCode != http.StatusTeapot || body != "installed later" {
		t.Errorf("got %d %q, want the answer of the default transport that was installed later", resp.StatusCode, body)
	}
	tel.OnlySpan()
}

func TestTransportAsTheDefaultTransport(t *testing.T) {
	initial := http.DefaultTransport
	rows := []struct {
		name string
		make func(opts []otelhttpclient.Option) http.RoundTripper
	}{
		{"around nil, which must not mean itself", func(opts []otelhttpclient.Option) http.RoundTripper {
			return otelhttpclient.NewTransport(nil, opts...)
		}},
		{"around the former default", func(opts []otelhttpclient.Option) http.RoundTripper {
			return otelhttpclient.NewTransport(initial, opts...)
		}},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			tel := oteltest.New(t)
			server := oteltest.NewServer(t, "1.1", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })
			replaceDefaultTransport(t, row.make(instrumented.Options(tel)))
			resp, err := http.Get(server.URL)
			if err != nil {
				t.Fatalf("http.Get() = %v, want no error", err)
			}
			oteltest.ReadBody(t, resp)
			tel.OnlySpan()

			// A client of its own with a nil base goes through the default
			// one: that is one request, and one span.
			tel.Reset()
			resp, err = (&http.Client{Transport: instrumented.Transport(tel, nil)}).Get(server.URL)
			if err != nil {
				t.Fatalf("Get() = %v, want no error", err)
			}
			oteltest.ReadBody(t, resp)
			tel.OnlySpan()

			tel.Reset()
			oteltest.MustSend(t, &otelhttpclient.Transport{}, oteltest.NewRequest(t, t.Context(), http.MethodGet, server.URL, nil))
		})
	}
}

func TestNoTransportAtAllIsAnError(t *testing.T) {
	replaceDefaultTransport(t, nil)
	body := oteltest.NewBody(strings.NewReader("text"))
	req := oteltest.NewRequest(t, t.Context(), http.MethodPost, "http://inventory.example/", nil)
	req.Body = body
	resp, err := otelhttpclient.NewTransport(nil).RoundTrip(req)
	if err == nil || resp != nil {
		t.Errorf("RoundTrip() = %v, %v, want an error", resp, err)
	}
	if n := body.Closes(); n != 1 {
		t.Errorf("the request body was closed %d times, want once", n)
	}
}

func TestNilOptionsChangeNothing(t *testing.T) {
	tel := oteltest.New(t)
	opts := instrumented.Options(tel, nil, otelhttpclient.WithTracerProvider(nil), otelhttpclient.WithMeterProvider(nil), otelhttpclient.WithPropagators(nil), otelhttpclient.WithPropagationTargets(), otelhttpclient.WithSpanOptions(nil, nil), otelhttpclient.WithSpanOptions(), otelhttpclient.WithSpanNameFormatter(nil), otelhttpclient.WithClientTrace(nil), otelhttpclient.WithKnownMethods(), otelhttpclient.WithErrorCheck(nil), otelhttpclient.WithOptInAttributes(), otelhttpclient.WithOptInMetrics(), otelhttpclient.WithRequestHook(nil), otelhttpclient.WithResponseHook(nil), otelhttpclient.WithURLFilter(nil), otelhttpclient.WithSensitiveQuery(), otelhttpclient.WithFilter(nil), otelhttpclient.WithFilter(otelhttpclient.ExcludeURLs(nil)), otelhttpclient.WithRequestHeaders(), otelhttpclient.WithResponseHeaders(), otelhttpclient.WithSensitiveHeaders(), otelhttpclient.WithURLTemplate(nil))
	var sent string
	rt := otelhttpclient.NewTransport(oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		sent = req.Header.Get("Traceparent")
		return oteltest.Reply(req, http.StatusNotFound, io.NopCloser(strings.NewReader("none"))), nil
	}), opts...)
	oteltest.MustSend(t, rt, oteltest.NewRequest(t, t.Context(), http.MethodGet, "http://u:p@inventory.example/items?sig=1&a=b", nil))

	span := tel.OnlySpan()
	if want := oteltest.Traceparent(span.SpanContext); sent != want {
		t.Errorf("traceparent = %q, want %q", sent, want)
	}
	want := map[attribute.Key]attribute.Value{
		"http.request.method":       attribute.StringValue("GET"),
		"server.address":            attribute.StringValue("inventory.example"),
		"server.port":               attribute.IntValue(80),
		"url.full":                  attribute.StringValue("http://REDACTED:REDACTED@inventory.example/items?sig=REDACTED&a=b"),
		"http.response.status_code": attribute.IntValue(404),
		"error.type":                attribute.StringValue("404"),
		"network.protocol.version":  attribute.StringValue("1.1"),
	}
	if got := oteltest.Attributes(span.Attributes); !maps.Equal(got, want) || span.Name != "GET" || span.Status.Code != codes.Error {
		t.Errorf("span %q %v\n got %v\nwant %v", span.Name, span.Status, got, want)
	}
	if _, ok := tel.Metric("http.client.request.duration"); !ok {
		t.Error("http.client.request.duration is missing")
	}
}

func TestProvidersInstalledLater(t *testing.T) {
	if !oteltest.OwnProcess(t) {
		return
	}
	got := make(chan http.Header, 1)
	server := oteltest.NewServer(t, "1.1", func(_ http.ResponseWriter, r *http.Request) { got <- r.Header })
	transports := map[string]*otelhttpclient.Transport{"zero": {}, "NewTransport": otelhttpclient.NewTransport(nil)}
	for name, rt := range transports {
		// Requests before there is an SDK are made like without the library.
		for range 2 {
			oteltest.MustSend(t, rt, oteltest.NewRequest(t, t.Context(), http.MethodGet, server.URL, nil))
			if h := (<-got).Get("Traceparent"); h != "" {
				t.Errorf("%s: traceparent %q was sent without an SDK", name, h)
			}
		}
	}

	// A second SDK in the place of the first is used as well.
	for _, round := range []string{"the first SDK", "the second SDK"} {
		tel := oteltest.New(t)
		otel.SetTracerProvider(tel.Tracers)
		otel.SetMeterProvider(tel.Meters)
		otel.SetTextMapPropagator(propagation.TraceContext{})
		for name, rt := range transports {
			tel.Reset()
			oteltest.MustSend(t, rt, oteltest.NewRequest(t, t.Context(), http.MethodGet, server.URL, nil))
			span := tel.OnlySpan()
			if sent, want := (<-got).Get("Traceparent"), oteltest.Traceparent(span.SpanContext); sent != want {
				t.Errorf("%s, %s: traceparent = %q, want %q", round, name, sent, want)
			}
			if oteltest.Attributes(span.Attributes)["url.full"].String() != server.URL {
				t.Errorf("%s, %s: attributes = %v, want url.full = %q among them", round, name, span.Attributes, server.URL)
			}
		}
		m, ok := tel.Metric("http.client.request.duration")
		if !ok {
			t.Fatalf("%s: http.client.request.duration is missing", round)
		}
		if n := m.Data.(metricdata.Histogram[float64]).DataPoints[0].Count; n != uint64(len(transports)) {
			t.Errorf("%s: duration was measured %d times, want %d", round, n, len(transports))
		}
	}
}

func TestUnwrap(t *testing.T) {
	base := &http.Transport{}
	if got := otelhttpclient.NewTransport(base).Unwrap(); got != http.RoundTripper(base) {
		t.Errorf("Unwrap() = %v, want the base, %v", got, base)
	}
	if got := otelhttpclient.NewTransport(nil).Unwrap(); got != http.DefaultTransport {
		t.Errorf("Unwrap() of a nil base = %v, want http.DefaultTransport", got)
	}
}

// idleCloser is a base that counts the calls of CloseIdleConnections.
type idleCloser struct {
	oteltest.RoundTripFunc
	closed int
}

func (c *idleCloser) CloseIdleConnections() { c.closed++ }

func TestCloseIdleConnections(t *testing.T) {
	base := &idleCloser{}
	client := &http.Client{Transport: otelhttpclient.NewTransport(base)}
	client.CloseIdleConnections()
	if base.closed != 1 {
		t.Errorf("CloseIdleConnections reached base %d times, want once", base.closed)
	}
	// A base without the method is no reason to fail.
	otelhttpclient.NewTransport(oteltest.AnswerText(http.StatusOK, "")).CloseIdleConnections()
}

func TestDurationOfSampledAndUnsampledRequests(t *testing.T) {
	server := oteltest.NewServer(t, "1.1", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/missing" {
			w.WriteHeader(http.StatusNotFound)
		}
		_, _ = io.WriteString(w, "ok")
	})
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	port, _ := strconv.Atoi(u.Port())
	common := []attribute.KeyValue{
		attribute.String("http.request.method", "GET"),
		attribute.String("server.address", u.Hostname()),
		attribute.Int("server.port", port),
		attribute.String("network.protocol.version", "1.1"),
	}
	found := attribute.NewSet(append(slices.Clone(common), attribute.Int("http.response.status_code", 200))...)
	missing := attribute.NewSet(append(slices.Clone(common), attribute.Int("http.response.status_code", 404), attribute.String("error.type", "404"))...)

	for name, sampler := range map[string]sdktrace.Sampler{"sampled": sdktrace.AlwaysSample(), "unsampled": sdktrace.NeverSample()} {
		t.Run(name, func(t *testing.T) {
			tel := oteltest.NewSampled(t, sampler)
			rt := instrumented.Transport(tel, server.Client().Transport)
			for _, path := range []string{"/items", "/items?b=c", "/missing"} {
				oteltest.MustSend(t, rt, oteltest.NewRequest(t, t.Context(), http.MethodGet, server.URL+path, nil))
			}
			m, ok := tel.Metric("http.client.request.duration")
			if !ok {
				t.Fatal("http.client.request.duration is missing")
			}
			if m.Unit != "s" {
				t.Errorf("unit = %q, want %q", m.Unit, "s")
			}
			histogram, ok := m.Data.(metricdata.Histogram[float64])
			if !ok || histogram.Temporality != metricdata.CumulativeTemporality {
				t.Fatalf("data = %T, want a histogram of float64", m.Data)
			}
			counts := map[attribute.Distinct]uint64{}
			sum := 0.0
			for _, p := range histogram.DataPoints {
				counts[p.Attributes.Equivalent()] = p.Count
				sum += p.Sum
				if want := []float64{0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10}; !slices.Equal(p.Bounds, want) {
					t.Errorf("buckets = %v, want %v", p.Bounds, want)
				}
			}
			if len(counts) != 2 || counts[found.Equivalent()] != 2 || counts[missing.Equivalent()] != 1 {
				t.Errorf("points = %+v\nwant 2 of %v and 1 of %v", histogram.DataPoints, found.ToSlice(), missing.ToSlice())
			}
			if sum <= 0 {
				t.Errorf("sum = %v s, want more than 0", sum)
			}
			spans := tel.Spans()
			if want := map[string]int{"sampled": 3}[name]; len(spans) != want {
				t.Fatalf("%d spans, want %d", len(spans), want)
			}
			if name == "sampled" {
				want := 0.0
				for _, s := range spans {
					want += s.EndTime.Sub(s.StartTime).Seconds()
				}
				if diff := sum - want; diff > 1e-9 || diff < -1e-9 {
					t.Errorf("sum = %v s, want the spans' duration, %v s", sum, want)
				}
			}
		})
	}
}

func TestDurationOfFailedRequests(t *testing.T) {
	tel := oteltest.New(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := listener.Addr().String()
	_ = listener.Close()
	resp, err := instrumented.Transport(tel, &http.Transport{}).RoundTrip(oteltest.NewRequest(t, t.Context(), http.MethodGet, "http://"+addr, nil))
	if err == nil {
		t.Fatalf("RoundTrip() = %v, want an error", resp.Status)
	}
	m, ok := tel.Metric("http.client.request.duration")
	if !ok {
		t.Fatal("http.client.request.duration is missing")
	}
	points := m.Data.(metricdata.Histogram[float64]).DataPoints
	if len(points) != 1 || points[0].Count != 1 {
		t.Fatalf("points = %+v, want one", points)
	}
	if v, _ := points[0].Attributes.Value("error.type"); v.String() != "connection_error" {
		t.Errorf("error.type = %q, want %q", v.String(), "connection_error")
	}
	if v := oteltest.Attributes(tel.OnlySpan().Attributes)["error.type"]; v.String() != "connection_error" {
		t.Errorf("error.type of the span = %q, want the metric's, %q", v.String(), "connection_error")
	}
}

func TestDurationLinksToItsSpan(t *testing.T) {
	tel := oteltest.New(t)
	rt := instrumented.Transport(tel, oteltest.AnswerText(http.StatusOK, "ok"))
	oteltest.MustSend(t, rt, oteltest.NewRequest(t, t.Context(), http.MethodGet, "http://inventory.example/", nil))
	m, ok := tel.Metric("http.client.request.duration")
	if !ok {
		t.Fatal("http.client.request.duration is missing")
	}
	exemplars := m.Data.(metricdata.Histogram[float64]).DataPoints[0].Exemplars
	want := tel.OnlySpan().SpanContext.SpanID()
	if len(exemplars) != 1 || !slices.Equal(exemplars[0].SpanID, want[:]) {
		t.Errorf("exemplars = %+v, want one that links to span %v", exemplars, want)
	}
}

func TestDurationWithoutAnyTracing(t *testing.T) {
	reader := sdkmetric.NewManualReader()
	meters := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
	rt := otelhttpclient.NewTransport(oteltest.AnswerText(http.StatusOK, "ok"), otelhttpclient.WithMeterProvider(meters))
	oteltest.MustSend(t, rt, oteltest.NewRequest(t, t.Context(), http.MethodGet, "http://inventory.example/", nil))
	var rm metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &rm); err != nil {
		t.Fatal(err)
	}
	if len(rm.ScopeMetrics) != 1 || len(rm.ScopeMetrics[0].Metrics) != 1 {
		t.Fatalf("metrics = %+v, want the one of the duration", rm.ScopeMetrics)
	}
	scope := rm.ScopeMetrics[0].Scope
	if scope.Name != otelhttpclient.ScopeName || scope.Version != otelhttpclient.Version || scope.SchemaURL != semconv.SchemaURL {
		t.Errorf("scope = %+v, want %q %q %q", scope, otelhttpclient.ScopeName, otelhttpclient.Version, semconv.SchemaURL)
	}
}

func TestConcurrentRequests(t *testing.T) {
	const clients, requests = 16, 8
	tel := oteltest.New(t)
	server := oteltest.NewServer(t, "1.1", func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Header.Get("Traceparent")) })
	rt := instrumented.Transport(tel, server.Client().Transport)
	var received sync.Map
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for range requests {
				resp, err := (&http.Client{Transport: rt}).Get(server.URL)
				if err != nil {
					t.Errorf("Get() = %v, want no error", err)
					return
				}
				b, _ := io.ReadAll(resp.Body)
				_ = resp.Body.Close()
				received.Store(string(b), true)
			}
		})
	}
	wg.Wait()
	spans := tel.Spans()
	if len(spans) != clients*requests {
		t.Errorf("%d spans, want %d", len(spans), clients*requests)
	}
	for _, s := range spans {
		if _, ok := received.Load(oteltest.Traceparent(s.SpanContext)); !ok {
			t.Errorf("the server has not received the traceparent of span %v", s.SpanContext.SpanID())
		}
	}
}

func TestBadRequestsGetTheErrorsOfNetHTTP(t *testing.T) {
	with := func(change func(*http.Request)) func() *http.Request {
		return func() *http.Request {
			req := &http.Request{
				Method: http.MethodPost,
				URL:    &url.URL{Scheme: "http", Host: "127.0.0.1:1", Path: "/items"},
				Header: http.Header{},
				Body:   io.NopCloser(strings.NewReader("text")),
			}
			change(req)
			return req
		}
	}
	rows := []struct {
		name string
		make func() *http.Request
	}{
		{"nil URL", with(func(r *http.Request) { r.URL = nil })},
		{"nil Header", with(func(r *http.Request) { r.Header = nil })},
		{"nil URL and Header", with(func(r *http.Request) { r.URL, r.Header = nil, nil })},
		{"nothing but zeroes", func() *http.Request { return &http.Request{} }},
		{"empty URL", with(func(r *http.Request) { r.URL = &url.URL{} })},
		{"no host", with(func(r *http.Request) { r.URL.Host = "" })},
		{"a scheme that nobody knows", with(func(r *http.Request) { r.URL.Scheme = "gopher" })},
		{"a method that is none", with(func(r *http.Request) { r.Method = "GET /" })},
		{"a header name that is none", with(func(r *http.Request) { r.Header["a b"] = []string{"c"} })},
		{"a header value that is none", with(func(r *http.Request) { r.Header["A"] = []string{"b\nc"} })},
		{"a header without values", with(func(r *http.Request) { r.Header["A"] = nil; r.URL.Host = "" })},
		{"a host with an @", with(func(r *http.Request) { r.URL.Host = "user:secret@127.0.0.1:1" })},
		{"a port that is none", with(func(r *http.Request) { r.URL.Host = "127.0.0.1:x" })},
	}
	base := &http.Transport{}
	t.Cleanup(base.CloseIdleConnections)
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			_, want := base.RoundTrip(row.make())
			if want == nil {
				t.Fatal("net/http accepts this, want a request that it refuses")
			}
			tel := oteltest.New(t)
			for kind, opts := range map[string][]otelhttpclient.Option{"default": instrumented.Options(tel), "every option": instrumented.EveryOption(tel)} {
				req := row.make()
				body := oteltest.NewBody(strings.NewReader("text"))
				if req.Body != nil {
					req.Body = body
				}
				tel.Reset()
				resp, err := otelhttpclient.NewTransport(base, opts...).RoundTrip(req)
				if resp != nil || err == nil || err.Error() != want.Error() {
					t.Errorf("%s: RoundTrip() = %v, %v, want the error of net/http alone: %v", kind, resp, err, want)
				}
				if n := body.Closes(); req.Body != nil && n == 0 {
					t.Errorf("%s: the request body was closed %d times, want it closed", kind, n)
				}
				span := tel.OnlySpan()
				if span.Status.Code != codes.Error {
					t.Errorf("%s: status = %v, want Error", kind, span.Status)
				}
				for _, a := range span.Attributes {
					if strings.Contains(a.Value.String(), "secret") {
						t.Errorf("%s: %s = %q, want no password", kind, a.Key, a.Value.String())
					}
				}
				if strings.Contains(span.Status.Description, "secret") {
					t.Errorf("%s: the status tells %q, want no password", kind, span.Status.Description)
				}
			}
		})
	}
}

func TestErrorOfBaseComesBackAsItIs(t *testing.T) {
	tel := oteltest.New(t)
	want := errors.New("base failed")
	_, got := instrumented.Transport(tel, oteltest.RoundTripFunc(func(*http.Request) (*http.Response, error) { return nil, want })).
		RoundTrip(oteltest.NewRequest(t, t.Context(), http.MethodGet, "http://inventory.example/", nil))
	if got != want { //nolint:errorlint // the same value
		t.Errorf("error = %v, want base's value, %v", got, want)
	}
}

func TestMethodsThatNobodyKnows(t *testing.T) {
	rows := []struct{ method, name, recorded, original, reason string }{
		{"", "GET", "GET", "", "an empty method means GET"},
		{"QUERY", "QUERY", "QUERY", "", "it is one of the conventions'"},
		{"PURGE", "HTTP", "_OTHER", "PURGE", "it is none of the conventions'"},
		{"get", "HTTP", "_OTHER", "get", "methods are case-sensitive"},
	}
	for _, row := range rows {
		t.Run(row.method, func(t *testing.T) {
			tel := oteltest.New(t)
			server := oteltest.NewServer(t, "1.1", func(http.ResponseWriter, *http.Request) {})
			req := oteltest.NewRequest(t, t.Context(), http.MethodGet, server.URL, nil)
			req.Method = row.method
			oteltest.MustSend(t, instrumented.Transport(tel, server.Client().Transport), req)
			span := tel.OnlySpan()
			got := oteltest.Attributes(span.Attributes)
			if span.Name != row.name || got["http.request.method"].String() != row.recorded {
				t.Errorf("name %q, http.request.method %q, want %q and %q: %s", span.Name, got["http.request.method"].String(), row.name, row.recorded, row.reason)
			}
			if original, ok := got["http.request.method_original"]; ok != (row.original != "") || ok && original.String() != row.original {
				t.Errorf("http.request.method_original = %q, want %q: %s", original.String(), row.original, row.reason)
			}
			if req.Method != row.method {
				t.Errorf("the caller's method became %q, want %q", req.Method, row.method)
			}
		})
	}
}
