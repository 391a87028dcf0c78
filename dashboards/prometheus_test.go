// Package dashboards tests the dashboard, the rules and docs/metrics.md with a real Prometheus, which scrapes a
// program whose servers have the faults that the alerts are for.
package dashboards

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
)

var update = flag.Bool("update", false, "draw docs/dashboard.svg anew; takes 90 seconds")

func TestMain(m *testing.M) {
	flag.Parse()
	// Not by t.Setenv: the tests run in parallel.
	if err := os.Setenv("OTEL_METRIC_EXPORT_INTERVAL", "1000"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// TestPrometheus is the set-up with the Prometheus exporter.
func TestPrometheus(t *testing.T) {
	t.Parallel()
	binary(t, "prometheus")
	meters, handler, err := newMeterProvider(service)
	if err != nil {
		t.Fatalf("exporter: %v", err)
	}
	metrics := httptest.NewServer(handler)
	t.Cleanup(metrics.Close)
	var f faults
	if *update {
		const s = time.Second
		f = faults{payments: 22 * s, reports: 40 * s, orders: 55 * s, billing: 32 * s, images: 48 * s}
	}
	p := startProgram(t, f, meters)
	config := configured(t, "job_name: shop", "localhost:9464", metrics.Listener.Addr().String())
	checkEverything(t, startPrometheus(t, config), p, metrics.Listener.Addr().String(), *update)
	t.Run("formats", func(t *testing.T) { checkFormats(t, metrics.URL) })
}

// TestCollector is the set-up with OTLP and a Collector.
func TestCollector(t *testing.T) {
	t.Parallel()
	binary(t, "prometheus")
	endpoint, target := startCollector(t)
	meters, err := newOTLPMeterProvider(t.Context(), service, otlpmetricgrpc.WithEndpoint(endpoint), otlpmetricgrpc.WithInsecure())
	if err != nil {
		t.Fatalf("exporter: %v", err)
	}
	t.Cleanup(func() { _ = meters.Shutdown(context.Background()) })
	p := startProgram(t, faults{}, meters)
	config := configured(t, "job_name: collector", "localhost:8889", target)
	checkEverything(t, startPrometheus(t, config), p, "shop-1", false)
}

// configured returns the YAML of docs/metrics.md that contains a text, with addresses replaced.
func configured(t *testing.T, containing string, addresses ...string) string {
	t.Helper()
	for _, code := range blocks(t, "yaml") {
		if !strings.Contains(code, containing) {
			continue
		}
		for i := 0; i < len(addresses); i += 2 {
			if !strings.Contains(code, addresses[i]) {
				t.Fatalf("docs/metrics.md: got no %s, want it in\n%s", addresses[i], code)
			}
		}
		return strings.NewReplacer(addresses...).Replace(code)
	}
	t.Fatalf("docs/metrics.md: got no YAML with %q, want one", containing)
	return ""
}

// checkEverything checks a Prometheus that scrapes the program, directly or not. instance is the label of that
// name. If update is set, it draws the picture.
func checkEverything(t *testing.T, s *server, p *program, instance string, update bool) {
	start := time.Now()
	waitForAlerts(t, s)
	// An alert for another cause has the same time to fire.
	settled := time.Now().Add(15 * time.Second)
	if update {
		settled = start.Add(90 * time.Second)
	}
	p.wait(time.Until(settled))
	end := time.Now()

	t.Run("instance", func(t *testing.T) {
		if got := s.labelValues(t, "instance", `http_client_request_duration_seconds_count{job="shop"}`); !slices.Equal(got, []string{instance}) {
			t.Errorf("label instance: got %q, want %q", got, instance)
		}
	})
	t.Run("alerts", func(t *testing.T) { checkAlerts(t, s, start, end) })
	t.Run("connections of leaked bodies", func(t *testing.T) {
		const query = `sum(http_client_open_connections{server_address="images.example",http_connection_state="idle"})`
		if got := s.query(t, query, end); len(got) != 1 || got[0].Value.value <= maxIdle {
			t.Errorf("idle connections: got %v, want more than the %d that the pool keeps", got, maxIdle)
		}
	})
	t.Run("annotations", func(t *testing.T) { checkAnnotations(t, s) })
	t.Run("panels", func(t *testing.T) { checkPanels(t, s, start, end) })
	t.Run("variables", func(t *testing.T) { checkVariables(t, s) })
	t.Run("documentation", func(t *testing.T) { checkDocumentation(t, s, end) })
	t.Run("picture", func(t *testing.T) {
		svg := draw(t, s, start.Add(10*time.Second), end)
		if update {
			write(t, picture, svg)
		}
		if got, want := pictureTitles(t, svg), pictureTitles(t, read(t, picture)); !slices.Equal(got, want) {
			t.Errorf("picture: got panels %q, want those of docs/dashboard.svg: %q", got, want)
		}
	})

	p.stop()
	t.Run("every request is counted", func(t *testing.T) { checkCount(t, s, p) })
	t.Run("exemplars", func(t *testing.T) { checkExemplars(t, s, p, start) })
}

// checkCount checks that the metrics count all requests, whether sampled or not.
func checkCount(t *testing.T, s *server, p *program) {
	eventually(t, "the count of requests", func() string {
		runtime.GC() // a forgotten body is counted when the garbage collector finds it
		result := s.query(t, "sum(http_client_request_duration_seconds_count)", time.Now())
		if want := float64(p.sent.Load()); len(result) != 1 || result[0].Value.value != want {
			return fmt.Sprintf("got %v, want %v requests", result, want)
		}
		return ""
	})
	if got, all := len(p.spans.GetSpans()), int(p.sent.Load()); got == 0 || got == all {
		t.Errorf("got %d spans of %d requests, want some of them unsampled", got, all)
	}
}

// checkExemplars checks that the exemplars are those of recorded spans, with the labels of these.
func checkExemplars(t *testing.T, s *server, p *program, start time.Time) {
	spans := map[string]map[string]string{}
	for _, span := range p.spans.GetSpans() {
		attributes := map[string]string{"duration": fmt.Sprint(span.EndTime.Sub(span.StartTime).Seconds())}
		for _, a := range span.Attributes {
			attributes[string(a.Key)] = a.Value.String()
		}
		spans[span.SpanContext.TraceID().String()+" "+span.SpanContext.SpanID().String()] = attributes
	}
	servers := map[string]bool{}
	for _, e := range s.exemplars(t, `http_client_request_duration_seconds_bucket`, start, time.Now()) {
		for _, x := range e.Exemplars {
			span := spans[x.Labels["trace_id"]+" "+x.Labels["span_id"]]
			if span == nil {
				t.Errorf("%v: got exemplar %v, want the ids of a recorded span", e.SeriesLabels, x.Labels)
				continue
			}
			servers[span["server.address"]] = true
			for label, attribute := range map[string]string{
				"server_address": "server.address", "url_template": "url.template", "error_type": "error.type",
				"http_request_method": "http.request.method", "http_response_status_code": "http.response.status_code",
			} {
				if e.SeriesLabels[label] != span[attribute] {
					t.Errorf("exemplar %v: got %s %q of the series, want %q of the span", x.Labels, label, e.SeriesLabels[label], span[attribute])
				}
			}
		}
	}
	for _, server := range []string{"catalog.example", "payments.example", "reports.example", "orders.example", "billing.example", "images.example"} {
		if !servers[server] {
			t.Errorf("exemplars: got none of %s, want some of each server", server)
		}
	}
}

// checkFormats checks that exemplars are in OpenMetrics only.
func checkFormats(t *testing.T, url string) {
	for _, test := range []struct {
		accept    string
		exemplars bool
	}{
		{"application/openmetrics-text; version=1.0.0", true},
		{"text/plain", false},
	} {
		req, err := http.NewRequest("GET", url, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept", test.accept)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(string(body), "trace_id="); got != test.exemplars {
			t.Errorf("Accept %s: got exemplars %v, want %v", test.accept, got, test.exemplars)
		}
	}
}
