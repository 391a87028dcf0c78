package dashboards

import (
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A dashboard is what the tests read of dashboards/otelhttpclient.json.
type dashboard struct {
	UID, Title string
	Templating struct {
		List []struct {
			Name, Type string
			Query      json.RawMessage
		}
	}
	Panels []panel
}

type panel struct {
	ID          int
	Type, Title string
	Description string
	GridPos     struct{ X, Y, W, H int }
	Datasource  struct{ Type, UID string }
	FieldConfig struct {
		Defaults struct {
			Unit       string
			Decimals   *int
			Thresholds struct {
				Steps []struct {
					Color string
					Value *float64
				}
			}
		}
		Overrides []struct {
			Matcher    struct{ ID, Options string }
			Properties []struct{ ID string }
		}
	}
	Targets         []target
	Transformations []struct{ ID string }
}

type target struct {
	RefID, Expr, LegendFormat, Format string
	Instant, Range, Exemplar          bool
}

func readDashboard(t *testing.T) dashboard {
	t.Helper()
	var d dashboard
	if err := json.Unmarshal([]byte(read(t, "otelhttpclient.json")), &d); err != nil {
		t.Fatalf("otelhttpclient.json: %v", err)
	}
	if len(d.Panels) == 0 {
		t.Fatal("otelhttpclient.json has no panels")
	}
	return d
}

// variable is a use of a variable in an expression or a legend.
var variable = regexp.MustCompile(`\$\w+|\$\{[^}]*\}`)

// A selection is the values of the variables.
type selection struct{ job, server, template string }

var everything = selection{".*", ".*", ".*"}

// expression returns the query of a target as Grafana sends it.
func expression(expr string, s selection, shown time.Duration) string {
	return strings.NewReplacer(
		"$__rate_interval", window,
		"$__range", strconv.Itoa(int(shown.Seconds())+1)+"s",
		"$job", grafanaRegexp(s.job), "$server", grafanaRegexp(s.server), "$template", grafanaRegexp(s.template),
	).Replace(expr)
}

// grafanaRegexp returns a value of a variable as Grafana writes it into a regular expression in a string.
func grafanaRegexp(value string) string {
	if value == ".*" {
		return value
	}
	return strings.ReplaceAll(regexp.QuoteMeta(value), `\`, `\\`)
}

// TestDashboardFile checks what needs no data.
func TestDashboardFile(t *testing.T) {
	d := readDashboard(t)
	known := map[string]bool{"row": true, "timeseries": true, "stat": true, "table": true, "heatmap": true}
	ids, titles := map[int]bool{}, map[string]bool{}
	cells := map[[2]int]string{}
	for _, p := range d.Panels {
		switch {
		case !known[p.Type]:
			t.Errorf("panel %q: got type %q, want one of the plain panels", p.Title, p.Type)
		case p.Title == "" || p.Description == "" || p.FieldConfig.Defaults.Unit == "":
			t.Errorf("panel %d: got title %q, description %q, unit %q, want all three", p.ID, p.Title, p.Description, p.FieldConfig.Defaults.Unit)
		case ids[p.ID] || titles[p.Title]:
			t.Errorf("panel %d, %q: got id or title twice, want each once", p.ID, p.Title)
		case p.Datasource.UID != "${datasource}":
			t.Errorf("panel %q: got data source %q, want the variable", p.Title, p.Datasource.UID)
		}
		ids[p.ID], titles[p.Title] = true, true
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other := cells[[2]int{x, y}]; other != "" || x >= 24 {
					t.Fatalf("panel %q: got cell %d,%d, which is outside of the grid or of panel %q", p.Title, x, y, other)
				}
				cells[[2]int{x, y}] = p.Title
			}
		}
		for _, target := range p.Targets {
			if left := variable.FindString(expression(target.Expr, everything, time.Minute)); left != "" {
				t.Errorf("panel %q: got variable %s, want only those of the dashboard", p.Title, left)
			}
		}
	}
	for _, v := range d.Templating.List {
		if v.Name != "datasource" && v.Type != "query" {
			t.Errorf("variable %s: got type %q, want query", v.Name, v.Type)
		}
	}
}

// checkPanels checks that each query returns series, and that these have the labels of the legend.
func checkPanels(t *testing.T, s *server, start, end time.Time) {
	for _, p := range readDashboard(t).Panels {
		if len(p.Targets) == 0 {
			t.Errorf("panel %q: got no query, want one", p.Title)
		}
		for _, target := range p.Targets {
			expr := expression(target.Expr, everything, end.Sub(start))
			result := s.targetResult(t, target, everything, start, end)
			if valuesOf(result) == 0 {
				t.Errorf("panel %q: got no values, want some, from %s", p.Title, expr)
			}
			for _, label := range legendLabels(target.LegendFormat) {
				if !anyHasLabel(result, label) {
					t.Errorf("panel %q: got no series with label %s of the legend %q, from %s", p.Title, label, target.LegendFormat, expr)
				}
			}
			if target.Exemplar && len(s.exemplars(t, expr, start, end)) == 0 {
				t.Errorf("panel %q: got no exemplars, want some, from %s", p.Title, expr)
			}
			checkSelections(t, s, p, target, start, end)
		}
	}
}

// checkSelections checks that the variables select: a query has values for some server, and none for a job that
// does not exist.
func checkSelections(t *testing.T, s *server, p panel, q target, start, end time.Time) {
	selected := 0
	for server, template := range map[string]string{
		"payments.example": "/charges/{id}", "billing.example": "/invoices/{id}", "images.example": "/images/{name}",
		"rates.example": "/rates/{currency}", "catalog.example": "/search",
	} {
		result := s.targetResult(t, q, selection{"shop", server, template}, start, end)
		selected += valuesOf(result)
		for _, r := range result {
			for _, label := range []string{"server_address", "dns_question_name"} {
				if got := r.Metric[label]; got != "" && got != server {
					t.Errorf("panel %q: got a series of %s, want only %s, which is selected", p.Title, got, server)
				}
			}
		}
	}
	if selected == 0 {
		t.Errorf("panel %q: got no values for any selected server, want some, from %s", p.Title, q.Expr)
	}
	if got := valuesOf(s.targetResult(t, q, selection{"none", ".*", ".*"}, start, end)); got != 0 {
		t.Errorf("panel %q: got %d values for a job that does not exist, want none", p.Title, got)
	}
}

// targetResult returns the series of a target. Those of an instant query have one value.
func (s *server) targetResult(t *testing.T, q target, selected selection, start, end time.Time) []series {
	t.Helper()
	expr := expression(q.Expr, selected, end.Sub(start))
	if !q.Instant {
		return s.queryRange(t, expr, start, end, time.Second)
	}
	result := s.query(t, expr, end)
	for i := range result {
		result[i].Values = []point{result[i].Value}
	}
	return result
}

func valuesOf(result []series) (n int) {
	for _, s := range result {
		for _, v := range s.Values {
			if !math.IsNaN(v.value) {
				n++
			}
		}
	}
	return n
}

var legendLabel = regexp.MustCompile(`\{\{(\w+)\}\}`)

func legendLabels(format string) (labels []string) {
	for _, m := range legendLabel.FindAllStringSubmatch(format, -1) {
		labels = append(labels, m[1])
	}
	return labels
}

func legend(format string, labels map[string]string) string {
	return legendLabel.ReplaceAllStringFunc(format, func(s string) string { return labels[strings.Trim(s, "{}")] })
}

func anyHasLabel(result []series, label string) bool {
	for _, s := range result {
		if s.Metric[label] != "" {
			return true
		}
	}
	return false
}

// checkVariables checks that each variable has values.
func checkVariables(t *testing.T, s *server) {
	labelValues := regexp.MustCompile(`^label_values\((.+), (\w+)\)$`)
	names := map[string]bool{}
	for _, v := range readDashboard(t).Templating.List {
		names[v.Name] = true
		if v.Type != "query" {
			continue
		}
		var q struct{ Query string }
		if err := json.Unmarshal(v.Query, &q); err != nil {
			t.Errorf("variable %s: %v", v.Name, err)
			continue
		}
		m := labelValues.FindStringSubmatch(q.Query)
		if m == nil {
			t.Errorf("variable %s: got query %q, want label_values(SERIES, LABEL)", v.Name, q.Query)
			continue
		}
		if values := s.labelValues(t, m[2], expression(m[1], everything, 0)); len(values) == 0 {
			t.Errorf("variable %s: got no values, want some, from %s", v.Name, q.Query)
		}
	}
	for _, name := range []string{"datasource", "job", "server", "template"} {
		if !names[name] {
			t.Errorf("variables: got %v, want %s among them", names, name)
		}
	}
}

func (s *server) labelValues(t *testing.T, label, match string) []string {
	t.Helper()
	var values []string
	s.get(t, "label/"+label+"/values", map[string][]string{"match[]": {match}}, &values)
	return values
}

// withUnit returns a value with its unit, as Grafana does.
func withUnit(unit string, v float64) string {
	short := func(v float64) string { return strconv.FormatFloat(v, 'g', 3, 64) }
	switch {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return "–"
	case unit == "s" && v != 0 && v < 1:
		return short(v*1000) + " ms"
	case unit == "s":
		return short(v) + " s"
	case unit == "percentunit":
		return fmt.Sprintf("%.1f %%", v*100)
	case unit == "reqps":
		return short(v) + " req/s"
	case unit == "ops":
		return short(v) + " ops/s"
	}
	return short(v)
}
