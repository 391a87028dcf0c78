package main

import (
	"bytes"
	"context"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"go.opentelemetry.io/otel/propagation"

	"github.com/otelhttpclient/otelhttpclient/internal/testkit/otlptest"
)

// play runs the whole quickstart, as main does, and returns its output and exit code.
func play(t *testing.T, propagator propagation.TextMapPropagator) (output string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var out bytes.Buffer
	q := quickstart{screen: screen{out: &out}, propagator: propagator}
	err = q.run(ctx)
	return out.String(), err
}

// withoutEnvironment clears the OpenTelemetry environment for the test.
func withoutEnvironment(t *testing.T) {
	t.Helper()
	for _, name := range []string{
		"OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
		"OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES", "OTEL_TRACES_SAMPLER",
	} {
		t.Setenv(name, "")
	}
}

func TestQuickstart(t *testing.T) {
	withoutEnvironment(t)
	output, err := play(t, w3c())
	if err != nil {
		t.Errorf("error: got %v, want none", err)
	}
	if lines := strings.Count(output, "\n"); lines > 100 {
		t.Errorf("lines: got %d, want at most 100", lines)
	}
	for _, want := range []struct{ reason, pattern string }{
		{"scene 1: bar for the connection wait", `CLIENT .*░{3,}█{3,}`},
		{"scene 1: value of the connection wait", `otelhttpclient\.connection\.wait_time = 0\.(0[1-9]|[1-9])`},
		{"scene 1: connection reused by the second call", `otelhttpclient\.connection\.reused = true`},
		{"scene 2: two attempts fail, the third succeeds", `(?s)503 Error.*503 Error.*503 Error.*503 Error.*GET .* 200`},
		{"scene 2: resends counted", `(?s)http\.request\.resend_count = 1\n.*http\.request\.resend_count = 2\n`},
		{"scene 3: secrets redacted", `url\.full +http://REDACTED:REDACTED@127\.0\.0\.1:\d+/prices/mug\?api_key=REDACTED\n`},
		{"scene 4: the SERVER span is a child of the CLIENT span", `CLIENT +└─ GET .*\n.*inventory +SERVER +└─ GET /items/\{sku\}`},
		{"scene 4: trace context received", `traceparent +00-[0-9a-f]{32}-[0-9a-f]{16}-01\n.*the trace`},
		{"scene 4: baggage received", `baggage +customer\.tier=gold`},
		{"scene 4: the caller's header received", `x-request-id +request-1`},
		{"scene 5: attribute of the request hook", `(?s)peer\.service = inventory\n.*peer\.service = pricing\n`},
		{"scene 5: attribute of the response hook", `http\.response\.body\.size = [1-9]`},
		{"scene 6: error type", `error\.type +connection_error\n`},
		{"scene 6: attributes", `http\.request\.method +GET\n`},
		{"result", `✓ All 9 SERVER spans are children of CLIENT spans`},
		{"export", `To export the spans: OTEL_EXPORTER_OTLP_ENDPOINT=`},
	} {
		if !regexp.MustCompile(want.pattern).MatchString(output) {
			t.Errorf("%s: output does not match %s", want.reason, want.pattern)
		}
	}
	for _, unwanted := range []string{"✗", "\x1b", "unknown", "not recorded"} {
		if strings.Contains(output, unwanted) {
			t.Errorf("output contains %q, want it absent", unwanted)
		}
	}
	for line := range strings.Lines(output) {
		line = strings.TrimSuffix(line, "\n")
		if n := utf8.RuneCountInString(line); n > columns {
			t.Errorf("line width: got %d, want at most %d: %s", n, columns, line)
		}
		if strings.HasSuffix(line, " ") {
			t.Errorf("line ends with a space: %q", line)
		}
	}
	if t.Failed() {
		t.Log(output)
	}
}

func TestBrokenTrace(t *testing.T) {
	withoutEnvironment(t)
	// Services that ignore the header start new traces.
	output, err := play(t, propagation.NewCompositeTextMapPropagator())
	if err == nil {
		t.Fatal("error: got none, want one for each SERVER span")
	}
	line := regexp.MustCompile(`(inventory|pricing): SERVER span "GET /`)
	if got := len(line.FindAllString(err.Error(), -1)); got != 9 {
		t.Errorf("stray SERVER spans: got %d, want 9\n%v", got, err)
	}
	if strings.Contains(output, "✓") {
		t.Error("output contains ✓, want only failures")
	}
}

func TestExport(t *testing.T) {
	withoutEnvironment(t)
	var mu sync.Mutex
	received := map[any]int{} // spans by service
	addr := otlptest.Start(t, func(span otlptest.Span) {
		mu.Lock()
		defer mu.Unlock()
		received[span.Resource["service.name"]]++
	})
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://"+addr)
	t.Setenv("OTEL_SERVICE_NAME", "storefront")
	t.Setenv("OTEL_TRACES_SAMPLER", "always_off")

	output, err := play(t, w3c())
	if err != nil {
		t.Errorf("error: got %v, want none", err)
	}
	if want := "✓ The spans were exported"; !strings.Contains(output, want) {
		t.Errorf("output does not contain %q:\n%s", want, output)
	}
	if !strings.Contains(output, "\nstorefr…  CLIENT ") {
		t.Errorf("gateway is not named by OTEL_SERVICE_NAME:\n%s", output)
	}
	mu.Lock()
	defer mu.Unlock()
	for service, want := range map[string]int{"storefront": 16, "inventory": 4, "pricing": 5} {
		if got := received[service]; got != want {
			t.Errorf("spans received from %s: got %d, want %d", service, got, want)
		}
	}
}

// An export failure is printed, but is no error: the traces are correct without a collector.
func TestExportFailure(t *testing.T) {
	addr, release, err := refusingAddr()
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	withoutEnvironment(t)
	t.Setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://"+addr)
	output, err := play(t, w3c())
	if err != nil {
		t.Errorf("error: got %v, want none", err)
	}
	for _, want := range []string{"✓ All 9 SERVER spans", "✗ OpenTelemetry reports: ", "connection refused"} {
		if !strings.Contains(output, want) {
			t.Errorf("output does not contain %q:\n%s", want, output)
		}
	}
}

func TestNextTimeout(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := make(collector, 1).next(ctx, 2)
	if want := "0 spans ended in time, want 2"; err == nil || err.Error() != want {
		t.Errorf("error: got %v, want %s", err, want)
	}
}
