package dashboards

import (
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// window is the range of the scaled rules, and of the dashboard's queries.
const window = "10s"

// scales are the textual rules by which rules.yml becomes fast: ranges of minutes become 10 seconds, an alert
// fires after 2 seconds, and rules are evaluated as often as Prometheus is told. Nothing else changes.
var scales = []struct {
	old  *regexp.Regexp
	new  string
	want int // matches, at least
}{
	{regexp.MustCompile(`\[\d+m\]`), "[" + window + "]", 5},
	{regexp.MustCompile(`(?m)^(    for:) \d+m$`), "$1 2s", 4},
	{regexp.MustCompile(`(?m)^  interval: \d+s\n`), "", 2},
}

func scaledRules(t *testing.T) string {
	t.Helper()
	rules := read(t, "rules.yml")
	for _, s := range scales {
		if n := len(s.old.FindAllString(rules, -1)); n < s.want {
			t.Fatalf("rules.yml: got %d matches of %v, want at least %d", n, s.old, s.want)
		}
		rules = s.old.ReplaceAllString(rules, s.new)
	}
	return rules
}

// causes are the alerts of rules.yml, each with the server of the program that has its cause.
var causes = map[string]string{
	"HTTPClientErrors":         "payments.example",
	"HTTPClientNameResolution": "billing.example",
	"HTTPClientSlow":           "reports.example",
	"HTTPClientPoolExhausted":  "orders.example",
	"HTTPClientBodyLeak":       "images.example",
}

// waitForAlerts waits until each alert has fired for its cause.
func waitForAlerts(t *testing.T, s *server) {
	t.Helper()
	eventually(t, "alerts", func() string {
		firing := s.firing(t, time.Now(), window)
		var missing []string
		for alert, server := range causes {
			if !slices.Contains(firing, alert+" "+server) {
				missing = append(missing, alert+" "+server)
			}
		}
		slices.Sort(missing)
		return strings.Join(missing, ", ")
	})
}

// checkAlerts checks that no alert has fired for another cause since the start.
func checkAlerts(t *testing.T, s *server, start, end time.Time) {
	var want []string
	for alert, server := range causes {
		want = append(want, alert+" "+server)
	}
	slices.Sort(want)
	if got := s.firing(t, end, fmt.Sprintf("%ds", int(end.Sub(start).Seconds())+1)); !slices.Equal(got, want) {
		t.Errorf("alerts: got %q, want each alert for its cause: %q", got, want)
	}
}

// firing returns the alerts that were firing in the time before end, each with its server.
func (s *server) firing(t *testing.T, end time.Time, before string) (firing []string) {
	t.Helper()
	for _, r := range s.query(t, `max_over_time(ALERTS{alertstate="firing"}[`+before+`])`, end) {
		firing = append(firing, r.Metric["alertname"]+" "+r.Metric["server_address"])
	}
	slices.Sort(firing)
	return firing
}

// checkAnnotations checks what an operator reads when an alert fires.
func checkAnnotations(t *testing.T, s *server) {
	summaries := map[string]string{
		"HTTPClientErrors":         `^shop: \d[\d.]*% of the requests to payments\.example:80 fail$`,
		"HTTPClientNameResolution": `^shop: billing\.example has no address for 100% of the requests$`,
		"HTTPClientSlow":           `^shop: one of 20 requests to reports\.example:80 takes more than \d[\d.]*s$`,
		"HTTPClientPoolExhausted":  `^shop: one of 20 requests to orders\.example:80 waits more than \d[\d.]*m?s for a connection$`,
		"HTTPClientBodyLeak":       `^shop leaks response bodies of images\.example:80$`,
	}
	doc := strings.ToLower(read(t, "../docs/metrics.md"))
	annotations := map[string]map[string]string{}
	eventually(t, "all alerts at once", func() string {
		var data struct {
			Alerts []struct {
				Labels, Annotations map[string]string
				State               string
			}
		}
		s.get(t, "alerts", nil, &data)
		clear(annotations)
		for _, a := range data.Alerts {
			if name := a.Labels["alertname"]; a.State == "firing" && a.Labels["server_address"] == causes[name] {
				annotations[name] = a.Annotations
			}
		}
		if len(annotations) < len(causes) {
			return fmt.Sprintf("got %v, want %d", slices.Sorted(maps.Keys(annotations)), len(causes))
		}
		return ""
	})
	for name, annotations := range annotations {
		if got := annotations["summary"]; !regexp.MustCompile(summaries[name]).MatchString(got) {
			t.Errorf("%s: got summary %q, want %s", name, got, summaries[name])
		}
		if len(annotations["description"]) < 80 || strings.Contains(annotations["description"], "{{") {
			t.Errorf("%s: got description %q, want what to do", name, annotations["description"])
		}
		if _, anchor, _ := strings.Cut(annotations["runbook_url"], "/docs/metrics.md#"); anchor == "" || !strings.Contains(doc, "\n### "+anchor+"\n") {
			t.Errorf("%s: got runbook_url %q, want a section of docs/metrics.md", name, annotations["runbook_url"])
		}
	}
}

func TestRules(t *testing.T) {
	t.Parallel()
	promtool(t, true, "check", "rules", "rules.yml")
	promtool(t, true, "test", "rules", "rules_test.yml")
}

// TestRulesTest checks that rules_test.yml fails if a condition of a rule is missing.
func TestRulesTest(t *testing.T) {
	t.Parallel()
	rules, tests := read(t, "rules.yml"), read(t, "rules_test.yml")
	for _, change := range []struct{ reason, old, new string }{
		{"alerts at once", "for: 5m", "for: 0m"},
		{"alerts for few errors", "errors:ratio_rate5m > 0.05", "errors:ratio_rate5m > 0.03"},
		{"alerts for many errors only", "errors:ratio_rate5m > 0.05", "errors:ratio_rate5m > 0.5"},
		{"alerts for very slow answers only", "p95_5m > 1\n", "p95_5m > 5\n"},
		{"alerts for very long queues only", "p95_5m > 0.5\n", "p95_5m > 3\n"},
		{"alerts for a single request", ">= 0.01", ">= 0"},
		{"alerts for the second leak", "[15m])) > 0", "[15m])) > 1.5"},
		{"a long wait is slow, too", "unless job_server:http_client_request_time_in_queue_seconds:p95_5m > 0.5", ""},
		{"a failed lookup exhausts a pool, too", "unless job_server:http_client_name_resolution_errors:ratio_rate5m > 0.05", ""},
		{"a failed lookup is an error, too", `{error_type!="name_resolution_error"}`, ""},
		{"a time-out is slow, too", `_bucket{error_type=""}`, "_bucket"},
	} {
		changed := strings.ReplaceAll(rules, change.old, change.new)
		if changed == rules {
			t.Errorf("%s: rules.yml has no %q", change.reason, change.old)
			continue
		}
		dir := t.TempDir()
		write(t, filepath.Join(dir, "rules.yml"), changed)
		write(t, filepath.Join(dir, "rules_test.yml"), tests)
		t.Run(change.reason, func(t *testing.T) { promtool(t, false, "test", "rules", filepath.Join(dir, "rules_test.yml")) })
	}
}

// promtool runs promtool and checks whether it succeeds.
func promtool(t *testing.T, want bool, args ...string) {
	t.Helper()
	out, err := exec.Command(binary(t, "promtool"), args...).CombinedOutput()
	if ok := err == nil; ok != want {
		t.Errorf("promtool %s: got success %v, want %v\n%s", strings.Join(args, " "), ok, want, out)
	}
}
