package dashboards

import (
	"cmp"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

const picture = "../docs/dashboard.svg"

// drawnRows is how many rows of the dashboard's grid the picture shows, from the top.
const drawnRows = 36

// The picture's measures. A grid has 24 columns.
const (
	pictureWidth = 1000.0
	margin       = 8.0
	header       = 36.0
	column       = (pictureWidth - 2*margin) / 24
	row          = 23.0
	gap          = 4.0 // between panels
	letter       = 6.5 // the width of a letter of a legend, at most
	legendLine   = 15.0
	colors       = 12
)

const pictureStyle = `<style>
text{font:11px Inter,-apple-system,"Segoe UI",Roboto,Helvetica,Arial,sans-serif;fill:#24292e}
.back{fill:#f4f5f5}.panel{fill:#fff;stroke:#e0e1e3}.title{font-weight:600;font-size:12px}.name{font-weight:600;font-size:15px}
.dim{fill:#6a6f76}.grid{stroke:#e9eaeb;fill:none}.end{text-anchor:end}.mid{text-anchor:middle}
.line{fill:none;stroke-width:1.5;stroke-linejoin:round}.dash{stroke-dasharray:6 4}
.stat{font-size:24px;font-weight:600;text-anchor:middle}.ok{fill:#37872d}.bad{fill:#c4162a}.mark{fill:#fa6400}.cell{fill:#1f60c4}
LIGHT
@media(prefers-color-scheme:dark){text{fill:#d8d9da}.back{fill:#111217}.panel{fill:#181b1f;stroke:#2a2d33}.dim{fill:#9aa0a8}
.grid{stroke:#2a2d33}.ok{fill:#73bf69}.bad{fill:#f2495c}.mark{fill:#ff9830}.cell{fill:#8ab8ff}
DARK
}
</style>
`

var (
	lightColors = [colors]string{"56a64b", "c79500", "3274d9", "fa6400", "e02f44", "8f3bb8", "00868b", "b5558f", "7a8b00", "5e6d82", "a0522d", "1f60c4"}
	darkColors  = [colors]string{"73bf69", "f2cc0c", "5794f2", "ff780a", "f2495c", "b877d9", "33c3c9", "f28cc8", "c0d65a", "9fb2cc", "d08a5f", "8ab8ff"}
)

func style() string {
	rules := func(colors [colors]string) string {
		var b strings.Builder
		for i, c := range colors {
			fmt.Fprintf(&b, ".c%d{stroke:#%s}", i, c)
		}
		return b.String()
	}
	return strings.NewReplacer("LIGHT", rules(lightColors), "DARK", rules(darkColors)).Replace(pictureStyle)
}

// canvas is an SVG image of data between two times.
type canvas struct {
	strings.Builder
	start, end float64
}

func (c *canvas) text(class string, x, y float64, text string) {
	c.WriteString(`<text class="` + class + `" x="` + number(x) + `" y="` + number(y) + `">`)
	_ = xml.EscapeText(c, []byte(text))
	c.WriteString("</text>\n")
}

func (c *canvas) path(class, d string) {
	c.WriteString(`<path class="` + class + `" d="` + d + `"/>` + "\n")
}

func number(v float64) string { return strconv.FormatFloat(math.Round(v*10)/10, 'f', -1, 64) }

// draw returns the upper part of the dashboard as an SVG image, with the results of its queries.
func draw(t *testing.T, s *server, start, end time.Time) string {
	t.Helper()
	d := readDashboard(t)
	c := &canvas{start: float64(start.UnixMilli()) / 1000, end: float64(end.UnixMilli()) / 1000}
	height := header + drawnRows*row + margin
	fmt.Fprintf(c, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %s %s" role="img" aria-labelledby="t d">`+"\n", number(pictureWidth), number(height))
	fmt.Fprintf(c, "<title id=\"t\">The dashboard</title>\n<desc id=\"d\">Panels of requests, errors, durations, connections, "+
		"DNS lookups and leaked bodies, with data of a program whose servers have faults.</desc>\n%s", style())
	fmt.Fprintf(c, `<rect class="back" width="100%%" height="100%%" rx="6"/>`+"\n")
	c.text("name", margin+6, 23, d.Title)
	c.text("dim", 150, 23, "Job  All  ▾      Server  All  ▾      Template  All  ▾")
	c.text("dim end", pictureWidth-margin-6, 23, fmt.Sprintf("%d seconds", int(math.Round(c.end-c.start))))
	for _, p := range d.Panels {
		if p.GridPos.Y+p.GridPos.H > drawnRows {
			continue
		}
		b := box{
			x: margin + float64(p.GridPos.X)*column + gap/2, y: header + float64(p.GridPos.Y)*row + gap/2,
			w: float64(p.GridPos.W)*column - gap, h: float64(p.GridPos.H)*row - gap,
		}
		fmt.Fprintf(c, `<rect class="panel" x="%s" y="%s" width="%s" height="%s" rx="3"/>`+"\n", number(b.x), number(b.y), number(b.w), number(b.h))
		c.text("title", b.x+9, b.y+17, p.Title)
		switch p.Type {
		case "stat":
			c.stat(p, b, s.targetResult(t, p.Targets[0], everything, start, end))
		case "timeseries":
			c.timeseries(p, b, panelLines(t, s, p, start, end), panelMarks(t, s, p, start, end))
		case "heatmap":
			c.heatmap(p, b, s.targetResult(t, p.Targets[0], everything, start, end))
		default:
			t.Errorf("panel %q: got type %q, which the picture cannot show", p.Title, p.Type)
		}
	}
	c.WriteString("</svg>\n")
	return c.String()
}

// box is a part of the picture.
type box struct{ x, y, w, h float64 }

// line is a series of a panel.
type line struct {
	name   string
	class  string
	points []point
}

func panelLines(t *testing.T, s *server, p panel, start, end time.Time) (lines []line) {
	for _, target := range p.Targets {
		dash := ""
		for _, o := range p.FieldConfig.Overrides {
			if o.Matcher.ID == "byFrameRefID" && o.Matcher.Options == target.RefID {
				dash = " dash"
			}
		}
		var ofTarget []line
		for _, r := range s.targetResult(t, target, everything, start, end) {
			ofTarget = append(ofTarget, line{name: legend(target.LegendFormat, r.Metric), points: r.Values})
		}
		slices.SortFunc(ofTarget, func(a, b line) int { return strings.Compare(a.name, b.name) })
		for i := range ofTarget {
			color := len(lines)
			if dash != "" {
				color = i // the color of the same server
			}
			ofTarget[i].class = fmt.Sprintf("c%d%s", color%colors, dash)
			if dash == "" {
				lines = append(lines, ofTarget[i])
			}
		}
		if dash != "" {
			lines = append(lines, ofTarget...)
		}
	}
	return lines
}

func panelMarks(t *testing.T, s *server, p panel, start, end time.Time) (marks []point) {
	for _, target := range p.Targets {
		if !target.Exemplar {
			continue
		}
		for _, e := range s.exemplars(t, expression(target.Expr, everything, end.Sub(start)), start, end) {
			for _, x := range e.Exemplars {
				marks = append(marks, point{x.Timestamp, x.Value})
			}
		}
	}
	return marks
}

func (c *canvas) stat(p panel, b box, result []series) {
	value := math.NaN()
	if len(result) > 0 {
		value = result[0].Value.value
	}
	text := withUnit(p.FieldConfig.Defaults.Unit, value)
	if d := p.FieldConfig.Defaults.Decimals; d != nil && p.FieldConfig.Defaults.Unit != "percentunit" {
		_, unit, _ := strings.Cut(text, " ")
		text = strings.TrimSpace(strconv.FormatFloat(value, 'f', *d, 64) + " " + unit)
	}
	class := "stat"
	for _, step := range p.FieldConfig.Defaults.Thresholds.Steps {
		if step.Value == nil || value >= *step.Value {
			class = map[string]string{"green": "stat ok", "red": "stat bad"}[step.Color]
		}
	}
	c.text(class, b.x+b.w/2, b.y+b.h/2+19, text)
}

// timeseries draws lines with axes and a legend, and exemplars as points.
func (c *canvas) timeseries(p panel, b box, lines []line, marks []point) {
	legendHeight := c.legend(b, lines)
	plot := box{b.x + 60, b.y + 30, b.w - 80, b.h - 30 - 24 - legendHeight}
	highest := 0.0
	for _, l := range lines {
		for _, v := range l.points {
			if !math.IsNaN(v.value) && !math.IsInf(v.value, 0) {
				highest = max(highest, v.value)
			}
		}
	}
	step := niceStep(highest, plot.h)
	highest = max(step, math.Ceil(highest/step-1e-9)*step)
	for v := 0.0; v <= highest+step/2; v += step {
		y := plot.y + plot.h*(1-v/highest)
		c.path("grid", fmt.Sprintf("M%s %sh%s", number(plot.x), number(y), number(plot.w)))
		c.text("dim end", plot.x-6, y+4, axisLabel(p.FieldConfig.Defaults.Unit, v, step))
	}
	c.timeAxis(plot)
	x := func(at float64) float64 { return plot.x + plot.w*(at-c.start)/(c.end-c.start) }
	y := func(v float64) float64 { return plot.y + plot.h*(1-v/highest) }
	for _, l := range lines {
		var d strings.Builder
		pen := "M"
		for _, v := range l.points {
			if math.IsNaN(v.value) || math.IsInf(v.value, 0) {
				pen = "M"
				continue
			}
			d.WriteString(pen + number(x(v.time)) + " " + number(y(v.value)))
			pen = "L"
		}
		if d.Len() > 0 {
			c.path("line "+l.class, d.String())
		}
	}
	var d strings.Builder
	for _, m := range highestMarks(marks, c.start, c.end, highest) {
		fmt.Fprintf(&d, "M%s %sl3 3-3 3-3-3z", number(x(m.time)), number(y(m.value)-3))
	}
	if d.Len() > 0 {
		c.path("mark", d.String())
	}
}

// highestMarks returns the highest mark below a value in each 60th of the time.
func highestMarks(marks []point, start, end, below float64) []point {
	const slots = 60
	highest := map[int]point{}
	for _, m := range marks {
		if slot := int((m.time - start) / (end - start) * slots); m.time >= start && m.time < end && m.value <= below && m.value > highest[slot].value {
			highest[slot] = m
		}
	}
	return slices.SortedFunc(maps.Values(highest), func(a, b point) int { return cmp.Compare(a.time, b.time) })
}

// legend draws the names of lines in up to three rows at the bottom of a panel, and returns the height.
func (c *canvas) legend(b box, lines []line) float64 {
	type entry struct {
		x    float64
		row  int
		line line
	}
	var entries []entry
	x, rows, left := b.x+10, 0, len(lines)
	for _, l := range lines {
		w := 26 + letter*float64(utf8.RuneCountInString(l.name))
		if x+w > b.x+b.w-8 && x > b.x+10 {
			x, rows = b.x+10, rows+1
		}
		if rows == 3 {
			break
		}
		entries = append(entries, entry{x, rows, l})
		x += w
		left--
	}
	rows = min(rows+1, 3)
	if left > 0 { // The last row ends with the number of those that have no room.
		last := &entries[len(entries)-1]
		if w := 26 + letter*float64(utf8.RuneCountInString(last.line.name)); last.x+w+30 > b.x+b.w-8 {
			x, left, entries = last.x, left+1, entries[:len(entries)-1]
		} else {
			x = last.x + w
		}
	}
	height := float64(rows) * legendLine
	at := func(row int) float64 { return b.y + b.h - height + float64(row)*legendLine + 7 }
	for _, e := range entries {
		c.path("line "+e.line.class, fmt.Sprintf("M%s %sh13", number(e.x), number(at(e.row)-4)))
		c.text("dim", e.x+17, at(e.row), e.line.name)
	}
	if left > 0 {
		c.text("dim", x, at(2), fmt.Sprintf("+%d", left))
	}
	return height
}

// timeAxis draws the time since the start, as minutes and seconds.
func (c *canvas) timeAxis(plot box) {
	step := 15.0
	if c.end-c.start < 40 {
		step = 5
	}
	for at := 0.0; at <= c.end-c.start; at += step {
		x := plot.x + plot.w*at/(c.end-c.start)
		c.path("grid", fmt.Sprintf("M%s %sv%s", number(x), number(plot.y), number(plot.h)))
		c.text("dim mid", x, plot.y+plot.h+14, fmt.Sprintf("%d:%02d", int(at)/60, int(at)%60))
	}
}

// heatmap draws the rate of each bucket by its darkness.
func (c *canvas) heatmap(p panel, b box, result []series) {
	const seconds = 2
	const levels = 7
	plot := box{b.x + 60, b.y + 30, b.w - 80, b.h - 30 - 24}
	cells := map[[2]int]float64{} // of time and bucket
	bounds := map[float64]map[int]float64{}
	for _, r := range result {
		le, err := strconv.ParseFloat(r.Metric["le"], 64)
		if err != nil {
			continue
		}
		bounds[le] = map[int]float64{}
		for _, v := range r.Values {
			bounds[le][int((v.time-c.start)/seconds)] = v.value
		}
	}
	les := slices.Sorted(maps.Keys(bounds))
	highest := 0.0
	for i, le := range les {
		for at, v := range bounds[le] {
			if i > 0 {
				v -= bounds[les[i-1]][at]
			}
			if v > 1e-6 {
				cells[[2]int{at, i}] = v
				highest = max(highest, v)
			}
		}
	}
	columns := int(math.Ceil((c.end - c.start) / seconds))
	w, h := plot.w/float64(columns), plot.h/float64(len(les))
	for i, le := range les {
		if i%2 == 0 {
			c.text("dim end", plot.x-6, plot.y+plot.h-float64(i)*h-h/2+4, strings.Replace(withUnit(p.FieldConfig.Defaults.Unit, le), "–", "+Inf", 1))
		}
	}
	c.timeAxis(plot)
	for level := 1; level <= levels; level++ {
		var d strings.Builder
		for at := range columns {
			for i := range les {
				v := cells[[2]int{at, i}]
				if v == 0 || 1+int(math.Sqrt(v/highest)*(levels-0.01)) != level {
					continue
				}
				fmt.Fprintf(&d, "M%s %sh%sv%sh-%sz", number(plot.x+float64(at)*w), number(plot.y+plot.h-float64(i+1)*h),
					number(w-1), number(h-1), number(w-1))
			}
		}
		if d.Len() > 0 {
			fmt.Fprintf(c, `<path class="cell" opacity="%s" d="%s"/>`+"\n", strconv.FormatFloat(0.15+0.85*float64(level-1)/(levels-1), 'f', 2, 64), d.String())
		}
	}
}

// niceStep returns the distance of labels on an axis that ends at highest: 1, 2 or 5 by a power of 10.
func niceStep(highest, height float64) float64 {
	if highest <= 0 {
		return 1
	}
	rough := highest / max(2, math.Floor(height/22))
	power := math.Pow(10, math.Floor(math.Log10(rough)))
	for _, m := range []float64{1, 2, 5} {
		if m*power >= rough*(1-1e-9) {
			return m * power
		}
	}
	return 10 * power
}

// axisLabel returns the label of a value on an axis. All labels of an axis in seconds have the same unit.
func axisLabel(unit string, v, step float64) string {
	v = math.Round(v/step) * step
	if unit == "s" && step < 1 && v >= 1 || unit == "s" && v == 0 {
		return strconv.FormatFloat(v, 'g', 3, 64) + " s"
	}
	return withUnit(unit, v)
}

// TestPicture checks that docs/dashboard.svg shows the panels of the dashboard, with data.
func TestPicture(t *testing.T) {
	svg := read(t, picture)
	var want []string
	for _, p := range readDashboard(t).Panels {
		if p.GridPos.Y+p.GridPos.H <= drawnRows {
			want = append(want, p.Title)
		}
	}
	if got := pictureTitles(t, svg); !slices.Equal(got, want) {
		t.Errorf("docs/dashboard.svg: got panels %q, want %q: run go test -run TestPrometheus -update . in dashboards", got, want)
	}
	for _, class := range []string{"stat bad", "line c0", "dash", "mark", "cell"} {
		if !strings.Contains(svg, `class="`+class) && !strings.Contains(svg, " "+class+`"`) {
			t.Errorf("docs/dashboard.svg has nothing of class %s", class)
		}
	}
	if !strings.Contains(svg, "prefers-color-scheme:dark") {
		t.Error("docs/dashboard.svg has no dark variant")
	}
}

// pictureTitles returns the titles of the panels in an SVG image. It checks that all numbers are in the picture.
func pictureTitles(t *testing.T, svg string) (titles []string) {
	t.Helper()
	coordinates := regexp.MustCompile(`[ML](\S+?) ([\d.-]+)`)
	d := xml.NewDecoder(strings.NewReader(svg))
	title := false
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return titles
		}
		if err != nil {
			t.Fatal(err)
		}
		switch token := token.(type) {
		case xml.CharData:
			if title {
				titles = append(titles, string(token))
			}
		case xml.EndElement:
			title = false
		case xml.StartElement:
			for _, a := range token.Attr {
				title = title || token.Name.Local == "text" && a.Name.Local == "class" && a.Value == "title"
				if a.Name.Local != "d" {
					continue
				}
				for _, m := range coordinates.FindAllStringSubmatch(a.Value, -1) {
					x, errX := strconv.ParseFloat(m[1], 64)
					y, errY := strconv.ParseFloat(m[2], 64)
					if errX != nil || errY != nil || x < 0 || x > pictureWidth || y < 0 || y > header+drawnRows*row {
						t.Errorf("picture: got point %s %s, want one in the picture", m[1], m[2])
					}
				}
			}
		}
	}
}
