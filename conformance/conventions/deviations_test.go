package conventions

import (
	"context"
	"net/http"
	"os"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/codes"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/instrumented"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

// TestDeviations checks each row of "Deviations" in docs/conventions.md, by the
// words that the row begins with.
func TestDeviations(t *testing.T) {
	const url = "http://h/?SIG=s3cret&page=2"
	deviations := map[string]func(*testing.T){
		"Sensitive query parameters are compared case-sensitively": func(t *testing.T) {
			sdk := oteltest.New(t)
			oteltest.Get(t, t.Context(), instrumented.Transport(sdk, oteltest.Answer(200)), url)
			oteltest.WantAttribute(t, sdk.OnlySpan().Attributes, "url.full", "http://h/?SIG=REDACTED&page=2")
		},
		"An empty list of sensitive parameters or known methods replaces the default": func(t *testing.T) {
			sdk := oteltest.New(t)
			oteltest.Get(t, t.Context(), instrumented.Transport(sdk, oteltest.Answer(200),
				otelhttpclient.WithSensitiveQuery(), otelhttpclient.WithKnownMethods()), url)
			oteltest.WantAttribute(t, sdk.OnlySpan().Attributes, "url.full", "http://h/?SIG=REDACTED&page=2")
			oteltest.WantAttribute(t, sdk.OnlySpan().Attributes, "http.request.method", "GET")
		},
		"An exception event, a log record, is recorded": func(t *testing.T) {
			sdk := oteltest.New(t)
			if err := oteltest.TryGet(t.Context(), instrumented.Transport(sdk, nil), oteltest.ClosedPort(t)); err == nil {
				t.Fatal("got no error, want one")
			}
			if events := sdk.OnlySpan().Events; len(events) != 0 {
				t.Errorf("events: got %v, want none", events)
			}
		},
		"A canceled request is an error": func(t *testing.T) {
			sdk := oteltest.New(t)
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if err := oteltest.TryGet(ctx, instrumented.Transport(sdk, nil), oteltest.ClosedPort(t)); err == nil {
				t.Fatal("got no error, want one")
			}
			oteltest.WantStatus(t, sdk.OnlySpan(), codes.Unset)
		},
		"A redirect beyond the client's limit is an error": func(t *testing.T) {
			sdk := oteltest.New(t)
			server := oteltest.NewServer(t, "1.1", http.RedirectHandler("/again", http.StatusFound).ServeHTTP)
			client := &http.Client{Transport: instrumented.Transport(sdk, server.Base)}
			resp, err := client.Do(oteltest.NewRequest(t, t.Context(), "GET", server.URL, nil))
			if resp != nil {
				resp.Body.Close()
			}
			if err == nil || !strings.Contains(err.Error(), "stopped after 10 redirects") {
				t.Fatalf("error: got %v, want stopped after 10 redirects", err)
			}
			spans := sdk.Spans()
			if len(spans) != 10 {
				t.Fatalf("spans: got %d, want 10", len(spans))
			}
			last := spans[9]
			oteltest.WantAttribute(t, last.Attributes, "http.response.status_code", 302)
			oteltest.WantAttribute(t, last.Attributes, "http.request.resend_count", 9)
			oteltest.WantStatus(t, last, codes.Unset)
		},
		"A span does not end while an unread response is cleaned up": func(t *testing.T) {
			sdk := oteltest.New(t)
			server := oteltest.NewServer(t, "1.1", oteltest.Handler(http.StatusOK, "never read"))
			_ = oteltest.Open(t, instrumented.Transport(sdk, server.Base), oteltest.NewRequest(t, t.Context(), "GET", server.URL, nil))
			oteltest.Eventually(t, "the span of a forgotten body", func() bool {
				oteltest.CollectGarbage()
				return len(sdk.Spans()) == 1
			})
		},
	}
	page, err := os.ReadFile("../../docs/conventions.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "\n## Deviations\n")
	section, _, _ = strings.Cut(section, "\n## ")
	rows := 0
	for line := range strings.Lines(section) {
		cells := strings.Split(line, " | ")
		name := strings.TrimPrefix(cells[0], "| ")
		if len(cells) < 3 || name == "The conventions" {
			continue
		}
		rows++
		test := deviations[name]
		if test == nil {
			t.Errorf("docs/conventions.md: %q: got no test, want one", name)
			continue
		}
		t.Run(name, test)
	}
	if rows != len(deviations) {
		t.Errorf("docs/conventions.md: deviations: got %d, want %d", rows, len(deviations))
	}
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	number := []string{"no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"}[rows]
	if want := "[" + number + " deviations]"; !strings.Contains(string(readme), want) {
		t.Errorf("README.md: got no %q, want it", want)
	}
}
