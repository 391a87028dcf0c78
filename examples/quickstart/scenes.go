package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"slices"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelhttpclient/otelhttpclient"
)

// scene is one operation of the gateway.
type scene struct {
	title, about string
	play         func(context.Context) error
	spans        int                           // to wait for, across all services
	notes        []attribute.Key               // printed below the spans that have them
	after        func([]sdktrace.ReadOnlySpan) // prints more; may be nil
}

func (q *quickstart) scenes() []scene {
	secretURL := strings.Replace(q.pricing.URL, "://", "://shop:hunter2@", 1) + "/prices/mug?api_key=k-4711"
	return []scene{
		{
			title: "Two calls, one connection",
			about: "The pool allows one connection (MaxConnsPerHost: 1), so one call waits: ░.\n" +
				"WithConnectionTimings shows why: the pool is too small; inventory is not slow.",
			play:  q.queue,
			spans: 5,
			notes: []attribute.Key{"otelhttpclient.connection.wait_time", "otelhttpclient.connection.reused"},
		},
		{
			title: "Success on the third attempt",
			about: "pricing answers 503 twice. Each attempt has its own span and headers, and\n" +
				"ContextWithRetries counts the resends.",
			play:  q.retries,
			spans: 7,
			notes: []attribute.Key{"http.request.resend_count"},
		},
		{
			title: "A URL with secrets",
			about: "pricing receives user, password and API key. By default, the span hides them.",
			play:  func(ctx context.Context) error { return q.secrets(ctx, secretURL) },
			spans: 3,
			after: func(spans []sdktrace.ReadOnlySpan) {
				q.screen.line(q.screen.paint(dim, "requested  ") + secretURL)
				q.screen.line(q.screen.paint(dim, "url.full   ") + clientAttribute(spans, "url.full"))
			},
		},
		{
			title: "What the service receives",
			about: "The global propagator injects trace context and baggage.",
			play:  q.plainCall,
			spans: 3,
			after: q.headers,
		},
		{
			title: "Hooks",
			about: "WithRequestHook adds peer.service, WithResponseHook the size of the response.",
			play:  q.hooks,
			spans: 5,
			notes: []attribute.Key{"peer.service", "http.response.body.size"},
		},
		{
			title: "A call that fails, and all attributes of its span",
			about: "Nothing listens on this port. error.type has a small set of values for alerts.",
			play:  q.refused,
			spans: 2,
			after: q.attributes,
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
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, q.inventory.URL+"/items/mug", nil)
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
		status, err := get(ctx, client, q.pricing.URL+"/offers/mug")
		if err != nil {
			return err
		}
		if status != http.StatusServiceUnavailable {
			return fmt.Errorf("pricing answered %d, want 503", status)
		}
		time.Sleep(pause)
		pause *= 2
	}
	return expect(http.StatusOK)(get(ctx, client, q.pricing.URL+"/offers/mug"))
}

func (q *quickstart) hooks(ctx context.Context) error {
	ctx, span := q.tracer.Start(ctx, "show product page")
	defer span.End()

	peers := map[string]string{strings.TrimPrefix(q.inventory.URL, "http://"): "inventory", strings.TrimPrefix(q.pricing.URL, "http://"): "pricing"}
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
	if err := expect(http.StatusOK)(get(ctx, client, q.inventory.URL+"/items/mug")); err != nil {
		return err
	}
	return expect(http.StatusOK)(get(ctx, client, q.pricing.URL+"/prices/mug"))
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
		return expect(http.StatusOK)(get(ctx, client, q.inventory.URL+"/stock/"+item))
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

// headers prints what the first SERVER span's request carried.
func (q *quickstart) headers(spans []sdktrace.ReadOnlySpan) {
	for _, span := range spans {
		received := q.inventory.receivedBy(span.SpanContext().SpanID())
		for _, name := range []string{"Traceparent", "Baggage", "X-Request-Id"} {
			if received == nil {
				break // a span of the gateway
			}
			q.screen.line(pad(strings.ToLower(name), 14) + received.Get(name))
			if name == "Traceparent" {
				q.screen.line(pad("", 14) + q.screen.paint(dim, "   └────────── the trace ─────────┘ └ CLIENT span ─┘ └ recorded"))
			}
		}
	}
}

// attributes prints a CLIENT span's attributes.
func (q *quickstart) attributes(spans []sdktrace.ReadOnlySpan) {
	for _, span := range spans {
		if span.SpanKind() != trace.SpanKindClient {
			continue
		}
		for _, kv := range slices.SortedFunc(slices.Values(span.Attributes()), func(a, b attribute.KeyValue) int {
			return strings.Compare(string(a.Key), string(b.Key))
		}) {
			q.screen.line(pad(string(kv.Key), 26) + text(kv.Value))
		}
	}
}

func clientAttribute(spans []sdktrace.ReadOnlySpan, key attribute.Key) string {
	for _, span := range spans {
		if value, ok := attributeOf(span, key); ok && span.SpanKind() == trace.SpanKindClient {
			return value.String()
		}
	}
	return "not recorded"
}
