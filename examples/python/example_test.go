package python

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/url"
	"os"
	"reflect"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/otelhttpclienttest"
)

var (
	service string // the URL of a server
	spans   = tracetest.NewInMemoryExporter()
)

func TestMain(m *testing.M) {
	server := httptest.NewServer(newService())
	service = server.URL
	code := m.Run()
	server.Close()
	os.Exit(code)
}

func newService() http.Handler {
	var calls atomic.Int64
	mux := http.NewServeMux()
	mux.HandleFunc("GET /items/{id}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Cache", "HIT")
		io.WriteString(w, "mug")
	})
	mux.HandleFunc("GET /traceparent", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "traceparent received: ", r.Header.Get("Traceparent") != "")
	})
	mux.Handle("GET /moved", http.RedirectHandler("/items/42", http.StatusFound))
	mux.HandleFunc("GET /unsteady", func(w http.ResponseWriter, _ *http.Request) {
		if calls.Add(1)%3 != 0 { // every third call succeeds
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	return mux
}

// setUp installs an SDK that keeps spans in memory, and a propagator.
func setUp() {
	otel.SetTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans)))
	otel.SetTextMapPropagator(propagation.NewCompositeTextMapPropagator(
		propagation.TraceContext{}, propagation.Baggage{}))
}

// tearDown removes what an Example has installed.
func tearDown() {
	otel.SetTracerProvider(noop.NewTracerProvider())
	otel.SetTextMapPropagator(propagation.NewCompositeTextMapPropagator())
	spans.Reset()
}

// get sends a request and returns the response's body. The span ends when the body
// is read to its end.
func get(ctx context.Context, client *http.Client, url string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if err != nil {
		return "", err
	}
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return string(body), err
}

// mustGet is get for Examples in which no request fails.
func mustGet(ctx context.Context, client *http.Client, url string) string {
	body, err := get(ctx, client, url)
	if err != nil {
		log.Fatal(err)
	}
	return body
}

// show prints the spans that have ended since the last call, with their parents
// and some of their attributes.
func show(keys ...attribute.Key) {
	ended := spans.GetSpans()
	spans.Reset()
	place := map[trace.SpanID]string{{}: "root"}
	for _, span := range ended {
		place[span.SpanContext.SpanID()] = "child of " + span.Name
	}
	for _, span := range ended {
		fmt.Printf("%s, %s\n", span.Name, place[span.Parent.SpanID()])
		for _, key := range keys {
			for _, kv := range span.Attributes {
				if kv.Key == key {
					fmt.Printf("  %s = %v\n", key, kv.Value.AsInterface())
				}
			}
		}
	}
}

func Example_setUp() {
	defer tearDown()
	ctx := context.Background()

	// A Transport may be created before the SDK is installed.
	client := &http.Client{Transport: otelhttpclient.NewTransport(nil)}
	fmt.Println(mustGet(ctx, client, service+"/traceparent"))
	fmt.Println("spans:", len(spans.GetSpans()))

	// opentelemetry.trace.set_tracer_provider
	otel.SetTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans)))
	fmt.Println(mustGet(ctx, client, service+"/traceparent"))
	fmt.Println("spans:", len(spans.GetSpans()))

	// Python installs this one by default, Go one that injects nothing.
	otel.SetTextMapPropagator(propagation.NewCompositeTextMapPropagator(
		propagation.TraceContext{}, propagation.Baggage{}))
	fmt.Println(mustGet(ctx, client, service+"/traceparent"))
	fmt.Println("spans:", len(spans.GetSpans()))
	// Output:
	// traceparent received: false
	// spans: 0
	// traceparent received: false
	// spans: 1
	// traceparent received: true
	// spans: 2
}

func Example_oneSession() {
	setUp()
	defer tearDown()
	ctx := context.Background()

	// aiohttp.ClientSession(trace_configs=[create_trace_config()])
	client := &http.Client{Transport: otelhttpclient.NewTransport(http.DefaultTransport)}
	mustGet(ctx, client, service+"/items/42")
	show("http.response.status_code")

	// A client that somebody else has created. Its transport, if any, is kept below.
	other := &http.Client{Timeout: time.Minute}
	otelhttpclient.InstrumentClient(other)
	mustGet(ctx, other, service+"/items/42")
	show("http.response.status_code")

	// AioHttpClientInstrumentor.uninstrument_session(other)
	otelhttpclient.UninstrumentClient(other)
	mustGet(ctx, other, service+"/items/42")
	show()
	// Output:
	// GET, root
	//   http.response.status_code = 200
	// GET, root
	//   http.response.status_code = 200
}

func Example_allSessions() {
	setUp()
	defer tearDown()
	ctx := context.Background()
	early := &http.Client{}                                  // created before: traced
	own := &http.Client{Transport: &http.Transport{}}        // a transport of its own: not traced
	clone := http.DefaultTransport.(*http.Transport).Clone() // of the untraced default: not traced

	// AioHttpClientInstrumentor().instrument()
	uninstrument, err := otelhttpclient.InstrumentDefault()
	if err != nil {
		log.Fatal(err)
	}
	send := func() {
		mustGet(ctx, http.DefaultClient, service+"/items/42")
		mustGet(ctx, early, service+"/items/42")
		mustGet(ctx, own, service+"/items/42")
		mustGet(ctx, &http.Client{Transport: clone}, service+"/items/42")
		fmt.Println("spans of four requests:", len(spans.GetSpans()))
		spans.Reset()
	}
	send()

	otelhttpclient.InstrumentClient(own)
	send()

	// AioHttpClientInstrumentor().uninstrument()
	uninstrument()
	otelhttpclient.UninstrumentClient(own)
	send()
	// Output:
	// spans of four requests: 2
	// spans of four requests: 3
	// spans of four requests: 0
}

func Example_context() {
	setUp()
	defer tearDown()
	uninstrument, err := otelhttpclient.InstrumentDefault()
	if err != nil {
		log.Fatal(err)
	}
	defer uninstrument()

	// with tracer.start_as_current_span("checkout"):
	ctx, span := otel.Tracer("shop").Start(context.Background(), "checkout")
	mustGet(ctx, http.DefaultClient, service+"/items/42")

	// http.Get takes no context, so its span is the root of another trace.
	resp, err := http.Get(service + "/items/42")
	if err != nil {
		log.Fatal(err)
	}
	io.Copy(io.Discard, resp.Body)
	resp.Body.Close()

	// asyncio.create_task copies the context. A goroutine has to be given it; one that
	// outlives the caller needs it without the caller's cancellation.
	done := make(chan struct{})
	go func(ctx context.Context) {
		defer close(done)
		mustGet(ctx, http.DefaultClient, service+"/items/42")
	}(context.WithoutCancel(ctx))
	<-done
	span.End()
	show()
	// Output:
	// GET, child of checkout
	// GET, root
	// GET, child of checkout
	// checkout, root
}

func Example_hooks() {
	setUp()
	defer tearDown()
	client := &http.Client{Transport: otelhttpclient.NewTransport(nil,
		// request_hook(span, params)
		otelhttpclient.WithRequestHook(func(span trace.Span, req *http.Request) {
			req.Header.Set("X-Tenant", "acme") // is sent
			if span.IsRecording() {
				span.SetAttributes(attribute.String("tenant", "acme"))
			}
		}),
		// response_hook(span, params)
		otelhttpclient.WithResponseHook(func(span trace.Span, req *http.Request, resp *http.Response, err error) {
			if err != nil { // TraceRequestExceptionParams; resp is nil
				span.RecordError(err) // Python does this by itself
				return
			}
			span.SetAttributes(attribute.String("cache", resp.Header.Get("X-Cache"))) // TraceRequestEndParams
		}))}

	mustGet(context.Background(), client, service+"/items/42")
	show("tenant", "cache")

	_, err := get(context.Background(), client, "http://127.0.0.1:0/")
	fmt.Println("failed:", err != nil, "events:", len(spans.GetSpans()[0].Events))
	show("tenant", "error.type")
	// Output:
	// GET, root
	//   tenant = acme
	//   cache = HIT
	// failed: true events: 1
	// GET, root
	//   tenant = acme
	//   error.type = connection_error
}

func Example_pool() {
	setUp()
	defer tearDown()
	base := http.DefaultTransport.(*http.Transport).Clone()
	base.MaxConnsPerHost = 1 // aiohttp.TCPConnector(limit_per_host=1)
	defer base.CloseIdleConnections()
	client := &http.Client{Transport: otelhttpclient.NewTransport(base, otelhttpclient.WithConnectionTimings())}

	// The first response is open, so the second request waits for the connection.
	first, err := client.Get(service + "/items/1")
	if err != nil {
		log.Fatal(err)
	}
	queued, done := make(chan time.Time, 1), make(chan struct{})
	go func() {
		defer close(done)
		ctx := httptrace.WithClientTrace(context.Background(), &httptrace.ClientTrace{
			GetConn: func(string) { queued <- time.Now() },
		})
		mustGet(ctx, client, service+"/items/2")
	}()
	since := <-queued
	held := time.Since(since)
	io.Copy(io.Discard, first.Body)
	first.Body.Close() // async with does this; in Go it is yours to do
	<-done

	// They end at the same time, in any order.
	both := spans.GetSpans()
	slices.SortFunc(both, func(a, b tracetest.SpanStub) int { return a.StartTime.Compare(b.StartTime) })
	for _, stub := range both {
		span := otelhttpclienttest.Span{SpanStub: stub}
		fmt.Println("reused:", span.Attribute("otelhttpclient.connection.reused").AsBool())
	}
	second := otelhttpclienttest.Span{SpanStub: both[1]}
	fmt.Println("waited for the connection:", second.Attribute("otelhttpclient.connection.wait_time").AsFloat64() >= held.Seconds())
	// Output:
	// reused: false
	// reused: true
	// waited for the connection: true
}

func Example_timing() {
	setUp()
	defer tearDown()
	for _, end := range []otelhttpclient.SpanEnd{otelhttpclient.EndOnBody, otelhttpclient.EndOnHeaders} {
		client := &http.Client{Transport: otelhttpclient.NewTransport(nil, otelhttpclient.WithSpanEnd(end))}
		resp, err := client.Get(service + "/items/42")
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println("spans at the headers:", len(spans.GetSpans()))
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		fmt.Println("spans after the body:", len(spans.GetSpans()))
		spans.Reset()
	}
	// Output:
	// spans at the headers: 0
	// spans after the body: 1
	// spans at the headers: 1
	// spans after the body: 1
}

func Example_retries() {
	setUp()
	defer tearDown()
	client := &http.Client{Transport: otelhttpclient.NewTransport(nil)}

	// Each attempt has a span. One context for all of them counts the resends.
	ctx, span := otel.Tracer("shop").Start(context.Background(), "checkout")
	attempts := otelhttpclient.ContextWithRetries(ctx)
	for range 3 {
		mustGet(attempts, client, service+"/unsteady")
	}

	// A redirect has a span, too, where aiohttp's instrumentation has one for all hops.
	mustGet(ctx, client, service+"/moved")
	span.End()
	show("http.request.resend_count", "http.response.status_code")
	// Output:
	// GET, child of checkout
	//   http.response.status_code = 503
	// GET, child of checkout
	//   http.request.resend_count = 1
	//   http.response.status_code = 503
	// GET, child of checkout
	//   http.request.resend_count = 2
	//   http.response.status_code = 200
	// GET, child of checkout
	//   http.response.status_code = 302
	// GET, child of checkout
	//   http.request.resend_count = 1
	//   http.response.status_code = 200
	// checkout, root
}

func Example_capturedHeaders() {
	setUp()
	defer tearDown()
	os.Setenv("OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_CLIENT_RESPONSE", "content-length,x-.*")
	defer os.Unsetenv("OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_CLIENT_RESPONSE")

	// The variables are read here.
	client := &http.Client{Transport: otelhttpclient.NewTransport(nil)}
	mustGet(context.Background(), client, service+"/items/42")
	show("http.response.header.content-length", "http.response.header.x-cache", // here
		"http.response.header.content_length", "http.response.header.x_cache") // Python
	// Output:
	// GET, root
	//   http.response.header.content-length = [3]
	//   http.response.header.x-cache = [HIT]
}

func Example_excludedURLs() {
	setUp()
	defer tearDown()

	// As OTEL_GO_EXCLUDED_URLS="items/.*,healthz"
	excluded, err := otelhttpclient.ParseExcludedURLs("items/.*,healthz")
	if err != nil {
		log.Fatal(err)
	}
	client := &http.Client{Transport: otelhttpclient.NewTransport(nil, otelhttpclient.WithFilter(excluded))}
	ctx := context.Background()
	mustGet(ctx, client, service+"/items/42")
	fmt.Println("spans:", len(spans.GetSpans()))

	// with suppress_http_instrumentation():
	fmt.Println(mustGet(otelhttpclient.ContextWithoutTracing(ctx), client, service+"/traceparent"))
	fmt.Println("spans:", len(spans.GetSpans()))

	fmt.Println(mustGet(ctx, client, service+"/traceparent"))
	fmt.Println("spans:", len(spans.GetSpans()))
	// Output:
	// spans: 0
	// traceparent received: false
	// spans: 0
	// traceparent received: true
	// spans: 1
}

func Example_oldNames() {
	setUp()
	defer tearDown()
	keys := []attribute.Key{"http.request.method", "http.response.status_code", "http.method", "http.status_code"}

	client := &http.Client{Transport: otelhttpclient.NewTransport(nil)}
	mustGet(context.Background(), client, service+"/items/42")
	show(keys...)

	os.Setenv("OTEL_SEMCONV_STABILITY_OPT_IN", "http/dup")
	defer os.Unsetenv("OTEL_SEMCONV_STABILITY_OPT_IN")
	client = &http.Client{Transport: otelhttpclient.NewTransport(nil)}
	mustGet(context.Background(), client, service+"/items/42")
	show(keys...)
	// Output:
	// GET, root
	//   http.request.method = GET
	//   http.response.status_code = 200
	// GET, root
	//   http.request.method = GET
	//   http.response.status_code = 200
	//   http.method = GET
	//   http.status_code = 200
}

func Example_urlFilter() {
	setUp()
	defer tearDown()
	for _, filter := range []otelhttpclient.URLFilter{
		nil,                       // redaction alone
		otelhttpclient.StripQuery, // str(url.with_query(None))
		func(u *url.URL) *url.URL { // a function of your own
			u.Path = "/items/someone"
			return u
		},
	} {
		client := &http.Client{Transport: otelhttpclient.NewTransport(nil, otelhttpclient.WithURLFilter(filter))}
		mustGet(context.Background(), client, service+"/items/42?page=2&api_key=hunter2")
		span := otelhttpclienttest.Span{SpanStub: spans.GetSpans()[0]}
		recorded, err := url.Parse(span.Attribute("url.full").AsString())
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(recorded.RequestURI())
		spans.Reset()
	}
	// Output:
	// /items/42?page=2&api_key=REDACTED
	// /items/42
	// /items/someone?page=2&api_key=REDACTED
}

func Example_verification() {
	// A recorder needs no globals, so tests can run in parallel.
	rec := otelhttpclienttest.NewRecorder(nil)

	ctx, parent := rec.TracerProvider().Tracer("test").Start(context.Background(), "test")
	mustGet(ctx, rec.Client(), service+"/items/42")
	parent.End()

	span := rec.Spans()[0]
	sent := rec.Requests()[0]
	fmt.Println(span.Name, span.Attribute("http.response.status_code").AsInt64())
	fmt.Println("child:", span.Parent.SpanID() == parent.SpanContext().SpanID())
	fmt.Println("traceparent sent:", sent.Header.Get("Traceparent") != "")
	_, count := rec.Sum("http.client.request.duration")
	fmt.Println("measured:", count)
	// Output:
	// GET 200
	// child: true
	// traceparent sent: true
	// measured: 1
}

func Example_replay() {
	// Without hosts, WithPropagationTargets injects into no request.
	for _, options := range [][]otelhttpclient.Option{
		nil,
		{otelhttpclient.WithPropagationTargets()},
	} {
		rec := otelhttpclienttest.NewRecorder(nil, options...)
		mustGet(context.Background(), rec.Client(), service+"/items/42")
		mustGet(context.Background(), rec.Client(), service+"/items/42")
		sent := rec.Requests()
		fmt.Println("the same headers twice:", reflect.DeepEqual(sent[0].Header, sent[1].Header))
	}
	// Output:
	// the same headers twice: false
	// the same headers twice: true
}

func Example_cancellation() {
	setUp()
	defer tearDown()
	client := &http.Client{Transport: otelhttpclient.NewTransport(nil)}

	canceled, cancel := context.WithCancel(context.Background())
	cancel() // task.cancel()
	_, err := get(canceled, client, service+"/items/42")
	fmt.Println(errors.Is(err, context.Canceled), spans.GetSpans()[0].Status.Code)
	show("error.type")

	// aiohttp.ClientTimeout(total=…); aiohttp's default is 5 minutes, Go's is none.
	expired, cancel := context.WithDeadline(context.Background(), time.Now())
	defer cancel()
	_, err = get(expired, client, service+"/items/42")
	fmt.Println(errors.Is(err, context.DeadlineExceeded), spans.GetSpans()[0].Status.Code)
	show("error.type")
	// Output:
	// true Unset
	// GET, root
	// true Error
	// GET, root
	//   error.type = timeout
}
