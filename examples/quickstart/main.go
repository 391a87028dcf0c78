// Command quickstart shows what otelhttpclient records. It runs without external services:
//
//	go run ./examples/quickstart
//
// The gateway is the client code in scenes.go. It calls two services over HTTP on loopback
// (services.go). Each scene is one operation of the gateway, printed as its trace.
//
// If OTEL_EXPORTER_OTLP_ENDPOINT is set, the traces are also exported to that collector.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

func main() {
	q := &quickstart{screen: newScreen(os.Stdout), propagator: w3c()}
	if err := q.run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "quickstart:", err)
		os.Exit(1)
	}
}

// These limits are far above what a run takes. They end a broken one.
const (
	runWithin   = 30 * time.Second
	spansWithin = 2 * time.Second // per scene, after its calls
)

type quickstart struct {
	screen screen
	// propagator extracts the trace context in the services. The gateway injects it with the global
	// propagator.
	propagator propagation.TextMapPropagator

	tracer             trace.Tracer // for the gateway's own spans, one per scene
	inventory, pricing *service
}

// scope is the instrumentation scope of the spans that are recorded by hand.
const scope = "github.com/otelhttpclient/otelhttpclient/examples/quickstart"

func w3c() propagation.TextMapPropagator {
	return propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{})
}

// run plays all scenes. It returns an error if a SERVER span is not in its client's trace.
func (q *quickstart) run(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, runWithin)
	defer cancel()
	tel, err := newTelemetry(ctx)
	if err != nil {
		return err
	}
	// The gateway's Transports use the globals by default.
	otel.SetTracerProvider(tel.gateway)
	otel.SetTextMapPropagator(w3c())
	q.tracer = otel.Tracer(scope)
	q.inventory = startInventory(tel.inventory, q.propagator)
	defer q.inventory.Close()
	q.pricing = startPricing(tel.pricing, q.propagator)
	defer q.pricing.Close()

	q.screen.line("A gateway calls two services. otelhttpclient records CLIENT spans, the services")
	q.screen.line("record SERVER spans, and the traceparent header links them.")
	servers := 0
	for i, s := range q.scenes() {
		n, sceneErr := q.playScene(ctx, tel, i+1, s)
		if sceneErr != nil {
			err = errors.Join(err, fmt.Errorf("scene %d: %w", i+1, sceneErr))
		}
		servers += n
	}
	q.screen.line("")
	if err == nil {
		q.screen.line(q.screen.paint(green, fmt.Sprintf("✓ All %d SERVER spans are children of CLIENT spans, in the same trace.", servers)))
	}
	q.screen.line(tel.shutdown(ctx))
	return err
}

// playScene prints a scene and returns the number of its SERVER spans.
func (q *quickstart) playScene(ctx context.Context, tel *telemetry, number int, s scene) (servers int, err error) {
	q.screen.heading(fmt.Sprintf("%d  %s", number, s.title))
	for line := range strings.SplitSeq(s.about, "\n") {
		q.screen.line(line)
	}
	err = s.play(ctx)

	// A SERVER span may end after its client has read the whole response.
	waiting, cancel := context.WithTimeout(ctx, spansWithin)
	defer cancel()
	spans, late := tel.ended.next(waiting, s.spans)
	q.screen.waterfalls(spans, s.notes)
	if s.after != nil {
		s.after(spans)
	}
	servers, stray := checkServers(spans)
	return servers, errors.Join(err, late, stray)
}

// checkServers counts the SERVER spans. It returns an error for each whose parent is not a CLIENT span of
// the same trace.
func checkServers(spans []sdktrace.ReadOnlySpan) (servers int, err error) {
	clients := map[[2]string]bool{}
	for _, span := range spans {
		if span.SpanKind() == trace.SpanKindClient {
			clients[[2]string{span.SpanContext().TraceID().String(), span.SpanContext().SpanID().String()}] = true
		}
	}
	for _, span := range spans {
		if span.SpanKind() != trace.SpanKindServer {
			continue
		}
		servers++
		if !clients[[2]string{span.SpanContext().TraceID().String(), span.Parent().SpanID().String()}] {
			err = errors.Join(err, fmt.Errorf("%s: SERVER span %q is not the child of a CLIENT span", serviceName(span), span.Name()))
		}
	}
	return servers, err
}

// screen prints to a terminal of 80 columns.
type screen struct {
	out     io.Writer
	colored bool
}

// newScreen uses colors if f is a terminal and they are not disabled.
func newScreen(f *os.File) screen {
	info, err := f.Stat()
	return screen{f, err == nil && info.Mode()&os.ModeCharDevice != 0 &&
		os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"}
}

func (s screen) heading(title string) {
	s.line("")
	s.line(s.paint(bold, title))
}

func (s screen) line(text string) { fmt.Fprintln(s.out, strings.TrimRight(text, " ")) }

// Colors and styles of a terminal.
const bold, dim, red, green = "1", "2", "31", "32"

func (s screen) paint(code, text string) string {
	if !s.colored || strings.TrimSpace(text) == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}
