package dashboards

import (
	"go/format"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/sdk/resource"

	"github.com/otelhttpclient/otelhttpclient"
)

const documentation = "../docs/metrics.md"

// blocks returns the code of a language in docs/metrics.md.
func blocks(t *testing.T, language string) (code []string) {
	t.Helper()
	for _, m := range regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```$").FindAllStringSubmatch(read(t, documentation), -1) {
		code = append(code, m[1])
	}
	if len(code) == 0 {
		t.Fatalf("docs/metrics.md has no code of language %s", language)
	}
	return code
}

var ruleRange = regexp.MustCompile(`\[\d+m\]`)

// checkDocumentation checks that each query of docs/metrics.md returns series, and that its table has the
// metrics that Prometheus has.
func checkDocumentation(t *testing.T, s *server, end time.Time) {
	for _, query := range blocks(t, "promql") {
		if len(s.query(t, ruleRange.ReplaceAllString(query, "["+window+"]"), end)) == 0 {
			t.Errorf("docs/metrics.md: got no series, want some, from\n%s", query)
		}
	}

	var documented []string
	for _, m := range regexp.MustCompile("(?m)^\\| `[a-z_.]+` \\| `(\\w+)` \\|").FindAllStringSubmatch(read(t, documentation), -1) {
		documented = append(documented, m[1])
	}
	slices.Sort(documented)
	scraped := map[string]bool{}
	for _, r := range s.query(t, `count by (__name__) ({otel_scope_name="github.com/otelhttpclient/otelhttpclient"})`, end) {
		scraped[regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(r.Metric["__name__"], "")] = true
	}
	var got []string
	for name := range scraped {
		got = append(got, name)
	}
	slices.Sort(got)
	if !slices.Equal(got, documented) {
		t.Errorf("metrics in Prometheus: got %q, want those of the table in docs/metrics.md: %q", got, documented)
	}
}

// TestDocumentedNames checks the names of the opt-in metrics in the table.
func TestDocumentedNames(t *testing.T) {
	text := read(t, documentation)
	for _, m := range allMetrics {
		if row := "\n| `" + string(m) + "` | `" + strings.NewReplacer(".", "_").Replace(string(m)); !strings.Contains(text, row) {
			t.Errorf("docs/metrics.md: got no row of %s, want one with its name in Prometheus", m)
		}
	}
}

// TestDocumentedSetup checks the code and the configuration in docs/metrics.md.
func TestDocumentedSetup(t *testing.T) {
	t.Run("Go", func(t *testing.T) {
		source := read(t, "program_test.go")
		for _, code := range blocks(t, "go") {
			formatted, err := format.Source([]byte(code))
			if err != nil || string(formatted) != code {
				t.Errorf("code in docs/metrics.md: got %v and\n%s\nwant it as gofmt has it", err, formatted)
			}
			if strings.HasPrefix(code, "func ") && !strings.Contains(source, code) {
				t.Errorf("code in docs/metrics.md: got a function that is not in program_test.go:\n%s", code)
			}
		}
	})
	t.Run("prometheus.yml", func(t *testing.T) {
		dir := t.TempDir()
		rules := read(t, "rules.yml")
		write(t, filepath.Join(dir, "rules.yml"), rules)
		for i, code := range blocks(t, "yaml") {
			if !strings.Contains(code, "scrape_configs:") {
				continue
			}
			name := filepath.Join(dir, strconv.Itoa(i)+".yml")
			write(t, name, code)
			promtool(t, true, "check", "config", name)
		}
	})
}

// TestCardinality checks what docs/metrics.md says of the number of series.
func TestCardinality(t *testing.T) {
	meters, handler, err := newMeterProvider(resource.Empty())
	if err != nil {
		t.Fatal(err)
	}
	transport := otelhttpclient.NewTransport(roundTripperFunc(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Body: http.NoBody}, nil
	}), otelhttpclient.WithMeterProvider(meters))
	send := func(host string) {
		req := httptest.NewRequest("GET", "http://"+host+"/", nil)
		if _, err := transport.RoundTrip(req); err != nil {
			t.Fatal(err)
		}
	}
	count := func(part string) (n int) {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
		for line := range strings.Lines(w.Body.String()) {
			if strings.HasPrefix(line, "http_client_request_duration_seconds_") && strings.Contains(line, part) {
				n++
			}
		}
		return n
	}
	send("one.example")
	if got, want := count(`server_address="one.example"`), 17; got != want {
		t.Errorf("series of one set of attributes: got %d, want %d", got, want)
	}
	for i := range 2000 {
		send(strconv.Itoa(i) + ".example")
	}
	if got, want := count("_count{"), 2000; got != want {
		t.Errorf("sets of attributes: got %d, want %d", got, want)
	}
	if got := count(`otel_metric_overflow="true"`); got == 0 {
		t.Errorf("series of the overflow: got %d, want some", got)
	}
}

type roundTripperFunc func(*http.Request) (*http.Response, error)

func (f roundTripperFunc) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// TestLinks checks that the files that docs/metrics.md links to are there.
func TestLinks(t *testing.T) {
	for _, m := range regexp.MustCompile(`\]\(([^)#:]+)`).FindAllStringSubmatch(read(t, documentation), -1) {
		if _, err := os.Stat(filepath.Join("../docs", m[1])); err != nil {
			t.Errorf("docs/metrics.md: %v", err)
		}
	}
}
