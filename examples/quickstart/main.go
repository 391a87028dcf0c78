// Command quickstart shows what otelhttpclient records. It runs without external services:
//
//	go run ./examples/quickstart
//
// The gateway is the client code in this file. It calls two services over HTTP on loopback
// (services.go). Each scene is one operation of the gateway, printed as its trace (waterfall.go).
// export.go has the OpenTelemetry set-up to copy into your own program.
//
// If OTEL_EXPORTER_OTLP_ENDPOINT is set, the traces are also exported to that collector.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelhttpclient/otelhttpclient"
)

func main() {
	svg := flag.String("svg", "", "write a picture of scene 2 to this `file`")
	flag.Parse()
	q := quickstart{
		screen:     screen{out: os.Stdout, colored: isColorTerminal(os.Stdout)},
		propagator: propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{}),
	}
	var output strings.Builder
	if *svg != "" {
		q.screen = screen{out: &output}
	}
	code := q.run(context.Background())
	if *svg != "" && code == 0 {
		if err := os.WriteFile(*svg, []byte(picture(sceneText(output.String(), pictureScene))), 0o644); err != nil {
			code = screen{out: os.Stderr}.fail(err)
		}
	}
	os.Exit(code)
}

// pictureScene is the scene that the README shows as a picture.
const pictureScene = 2

// Far above the normal fraction of a second: these end a broken run.
const (
	runWithin   = 30 * time.Second
	spansWithin = 2 * time.Second // per scene, after its calls
)

type quickstart struct {
	screen screen
	// propagator extracts the trace context in the services. The gateway injects with the global
	// propagator.
	propagator propagation.TextMapPropagator

	tracer             trace.Tracer // for the gateway's own spans, one per scene
	inventory, pricing *service
}

// scope is the instrumentation scope of manually recorded spans.
const scope = "github.com/otelhttpclient/otelhttpclient/examples/quickstart"

// run plays all scenes and returns the exit code: 0 if every SERVER span is in its client's trace.
func (q *quickstart) run(ctx context.Context) (code int) {
	ctx, cancel := context.WithTimeout(ctx, runWithin)
	defer cancel()

	tel := newTelemetry(ctx)
	// The gateway's Transports use the globals by default.
	otel.SetTracerProvider(tel.gateway)
	otel.SetTextMapPropagator(propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{}))
	q.tracer = otel.Tracer(scope)

	var err error
	if q.inventory, err = startInventory(tel.inventory, q.propagator); err != nil {
		return q.screen.fail(err)
	}
	defer q.inventory.stop(ctx)
	if q.pricing, err = startPricing(tel.pricing, q.propagator); err != nil {
		return q.screen.fail(err)
	}
	defer q.pricing.stop(ctx)

	q.screen.introduction()
	var all []sdktrace.ReadOnlySpan
	var problems []string
	for i, scene := range q.scenes() {
		spans, err := q.playScene(ctx, tel, i+1, scene)
		if err != nil {
			problems = append(problems, fmt.Sprintf("scene %d: %v", i+1, err))
		}
		all = append(all, spans...)
	}
	// The hooks of scene 3 make its span the most complete example.
	if i := slices.IndexFunc(all, hasPeerService); i >= 0 {
		q.screen.oneSpan(all[i])
	}

	tel.shutdown(ctx)
	all = append(all, tel.ended.rest()...)
	problems = append(problems, strays(all)...)
	q.screen.result(all, problems, tel.delivery())
	if len(problems) > 0 {
		return 1
	}
	return 0
}

func (q *quickstart) playScene(ctx context.Context, tel *telemetry, number int, s scene) ([]sdktrace.ReadOnlySpan, error) {
	q.screen.sceneTitle(number, s)
	playErr := s.play(ctx)

	// A SERVER span may end after its client has read the whole response.
	ctx, cancel := context.WithTimeout(ctx, spansWithin)
	defer cancel()
	spans, err := tel.ended.next(ctx, s.spans)

	q.screen.waterfalls(spans, s.notes)
	firstScene := number == 1
	q.screen.headers(spans, q.received, firstScene)
	if s.details != nil {
		q.screen.details(s.details(spans))
	}
	return spans, errors.Join(playErr, err)
}

// scene is one operation of the gateway.
type scene struct {
	title string
	about []string
	play  func(context.Context) error
	// spans is the number of spans to wait for, across all services.
	spans int
	// notes are attributes to print below the spans that have them.
	notes []attribute.Key
	// details returns pairs of label and text to print after the trace. May be nil.
	details func([]sdktrace.ReadOnlySpan) [][2]string
}

func (q *quickstart) scenes() []scene {
	secretURL := strings.Replace(q.pricing.url, "://", "://shop:hunter2@", 1) + "/prices/mug?size=L&api_key=k-4711"
	return []scene{
		{
			title: "A plain call",
			about: []string{
				"The gateway's client is &http.Client{Transport: otelhttpclient.NewTransport(nil)}. Nothing else",
				"is needed: the request gets a CLIENT span, and its headers carry the trace to inventory.",
			},
			play:  q.plainCall,
			spans: 3,
		},
		{
			title: "Success on the third attempt",
			about: []string{
				"pricing answers 503 twice, and the gateway retries. Each attempt has its own span and its own",
				"traceparent. otelhttpclient.ContextWithRetries counts the resends.",
			},
			play:  q.retries,
			spans: 7,
			notes: []attribute.Key{"http.request.resend_count"},
		},
		{
			title: "Hooks",
			about: []string{
				"WithRequestHook adds peer.service, which only the gateway knows.",
				"WithResponseHook adds the size of the response.",
			},
			play:  q.hooks,
			spans: 5,
			notes: []attribute.Key{"peer.service", "http.response.body.size"},
		},
		{
			title: "A URL with secrets",
			about: []string{
				"The URL contains a user, a password and an API key. pricing receives them; the span contains",
				"REDACTED instead. No option is needed for that.",
			},
			play:  func(ctx context.Context) error { return q.secrets(ctx, secretURL) },
			spans: 3,
			details: func(spans []sdktrace.ReadOnlySpan) [][2]string {
				return [][2]string{{"requested", secretURL}, {"url.full", clientAttribute(spans, "url.full")}}
			},
		},
		{
			title: "Two calls, one connection",
			about: []string{
				"The client may open one connection (MaxConnsPerHost: 1), so one call waits for the other.",
				"WithConnectionTimings shows the wait as ░: the pool was too small, inventory was not slow.",
			},
			play:  q.queue,
			spans: 5,
			notes: []attribute.Key{"otelhttpclient.connection.wait_time", "otelhttpclient.connection.reused"},
		},
		{
			title: "A call that fails",
			about: []string{
				"Nothing listens on this port, so there is no SERVER span. The CLIENT span has the cause:",
				"error.type is one of a few short names, suitable for counting and alerting.",
			},
			play:  q.refused,
			spans: 2,
			notes: []attribute.Key{"error.type"},
		},
	}
}

func (q *quickstart) plainCall(ctx context.Context) error {
	ctx, span := q.tracer.Start(ctx, "show item")
	defer span.End()

	// Baggage is application data that is propagated to every called service.
	tier, err := baggage.NewMember("customer.tier", "gold")
	if err != nil {
		return err
	}
	bag, err := baggage.New(tier)
	if err != nil {
		return err
	}
	ctx = baggage.ContextWithBaggage(ctx, bag)

	client := &http.Client{Transport: otelhttpclient.NewTransport(nil)}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, q.inventory.url+"/items/mug", nil)
	if err != nil {
		return err
	}
	req.Header.Set("X-Request-Id", "request-1")
	return expect(http.StatusOK)(do(client, req))
}

func (q *quickstart) retries(ctx context.Context) error {
	ctx, span := q.tracer.Start(ctx, "find offer")
	defer span.End()

	client := &http.Client{Transport: otelhttpclient.NewTransport(nil)}
	ctx = otelhttpclient.ContextWithRetries(ctx)
	pause := 4 * time.Millisecond
	for range 2 {
		status, err := get(ctx, client, q.pricing.url+"/offers/mug")
		if err != nil {
			return err
		}
		if status != http.StatusServiceUnavailable {
			return fmt.Errorf("pricing answered %d, want 503", status)
		}
		time.Sleep(pause)
		pause *= 2
	}
	return expect(http.StatusOK)(get(ctx, client, q.pricing.url+"/offers/mug"))
}

func (q *quickstart) hooks(ctx context.Context) error {
	ctx, span := q.tracer.Start(ctx, "show product page")
	defer span.End()

	peers := map[string]string{q.inventory.host(): "inventory", q.pricing.host(): "pricing"}
	client := &http.Client{Transport: otelhttpclient.NewTransport(nil,
		otelhttpclient.WithRequestHook(func(span trace.Span, req *http.Request) {
			span.SetAttributes(attribute.String("peer.service", peers[req.URL.Host]))
		}),
		otelhttpclient.WithResponseHook(func(span trace.Span, _ *http.Request, resp *http.Response, _ error) {
			// resp is nil if the request failed; ContentLength is -1 if the length is unknown.
			if resp != nil && resp.ContentLength >= 0 {
				span.SetAttributes(attribute.Int64("http.response.body.size", resp.ContentLength))
			}
		}),
	)}
	if err := expect(http.StatusOK)(get(ctx, client, q.inventory.url+"/items/mug")); err != nil {
		return err
	}
	return expect(http.StatusOK)(get(ctx, client, q.pricing.url+"/prices/mug"))
}

func (q *quickstart) secrets(ctx context.Context, secretURL string) error {
	ctx, span := q.tracer.Start(ctx, "look up price")
	defer span.End()

	client := &http.Client{Transport: otelhttpclient.NewTransport(nil)}
	return expect(http.StatusOK)(get(ctx, client, secretURL))
}

func (q *quickstart) queue(ctx context.Context) error {
	ctx, span := q.tracer.Start(ctx, "count stock")
	defer span.End()

	pool := &http.Transport{MaxConnsPerHost: 1}
	defer pool.CloseIdleConnections()
	client := &http.Client{Transport: otelhttpclient.NewTransport(pool, otelhttpclient.WithConnectionTimings())}

	// The second call starts while the first establishes the connection.
	var once sync.Once
	connecting := make(chan struct{})
	start := func() { once.Do(func() { close(connecting) }) }
	first := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{ConnectStart: func(string, string) { start() }})
	call := func(ctx context.Context, item string) error {
		return expect(http.StatusOK)(get(ctx, client, q.inventory.url+"/stock/"+item))
	}
	var wg sync.WaitGroup
	var errs [2]error
	wg.Go(func() {
		defer start()
		errs[0] = call(first, "mug")
	})
	wg.Go(func() {
		<-connecting
		errs[1] = call(ctx, "teapot")
	})
	wg.Wait()
	return errors.Join(errs[:]...)
}

func (q *quickstart) refused(ctx context.Context) error {
	ctx, span := q.tracer.Start(ctx, "show item")
	defer span.End()

	addr, release, err := refusingAddr()
	if err != nil {
		return err
	}
	defer release()

	client := &http.Client{Transport: otelhttpclient.NewTransport(nil)}
	if _, err := get(ctx, client, "http://"+addr+"/items/mug"); err == nil {
		return errors.New("a request to a closed port succeeded")
	}
	// The library sets the status of CLIENT spans only; the gateway's own span is up to the gateway.
	span.SetStatus(codes.Error, "the item cannot be shown")
	return nil
}

func get(ctx context.Context, client *http.Client, url string) (status int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	return do(client, req)
}

func do(client *http.Client, req *http.Request) (status int, err error) {
	resp, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	// The CLIENT span ends when the body is read or closed. Otherwise it would be missing when the
	// scene is printed, and the connection could not be reused.
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, err
}

func expect(want int) func(status int, err error) error {
	return func(status int, err error) error {
		if err == nil && status != want {
			err = fmt.Errorf("got status %d, want %d", status, want)
		}
		return err
	}
}

// received returns the headers of the request of a SERVER span, or nil.
func (q *quickstart) received(id trace.SpanID) http.Header {
	if header := q.inventory.receivedBy(id); header != nil {
		return header
	}
	return q.pricing.receivedBy(id)
}

func clientAttribute(spans []sdktrace.ReadOnlySpan, key attribute.Key) string {
	for _, span := range spans {
		if value, ok := attributeOf(span, key); ok && span.SpanKind() == trace.SpanKindClient {
			return value.String()
		}
	}
	return "not recorded"
}

func hasPeerService(span sdktrace.ReadOnlySpan) bool {
	_, ok := attributeOf(span, "peer.service")
	return ok
}
