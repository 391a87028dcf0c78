package main

import (
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"unicode/utf8"
)

var update = flag.Bool("update", false, "draw docs/trace.svg anew")

// TestPicture compares the picture in the README with the program's output.
func TestPicture(t *testing.T) {
	const file = "../../docs/trace.svg"
	withoutEnvironment(t)
	output, _ := play(t, w3c())
	title, text := sceneOf(output, 2)
	want := picture(title, text)
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	committed, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	gotText, gotBars := pictureText(t, string(committed))
	wantText, wantBars := pictureText(t, want)
	if shape(gotText) != shape(wantText) || gotBars != wantBars {
		t.Errorf("docs/trace.svg differs from the output: run go test ./examples/quickstart -run TestPicture -update\ngot  %d bars, %q\nwant %d bars, %q",
			gotBars, shape(gotText), wantBars, shape(wantText))
	}
	for _, class := range []string{"title", "gateway", "pricing", "error", "mark"} {
		if !strings.Contains(string(committed), `class="`+class+`"`) {
			t.Errorf("docs/trace.svg has nothing of class %s", class)
		}
	}
}

func TestPictureEscapesText(t *testing.T) {
	const line = `gateway <a href="x">&░█</a>`
	if got, bars := pictureText(t, picture("<b>", line)); !strings.Contains(got, `<a href="x">&`) || bars != 2 {
		t.Errorf("text: got %q with %d bars, want the line with 2", got, bars)
	}
}

// sceneOf returns the title and the waterfall of a scene.
func sceneOf(output string, number int) (title, text string) {
	_, scene, _ := strings.Cut(output, fmt.Sprintf("\n%d  ", number))
	scene, _, _ = strings.Cut(scene, "\n\n")
	title, scene, _ = strings.Cut(scene, "\n")
	_, text, _ = strings.Cut(scene, "\nservice ")
	return title, "service " + text
}

// pictureText returns the texts in an SVG image, and the number of its bars.
func pictureText(t *testing.T, svg string) (text string, bars int) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(svg))
	var all []string
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return strings.Join(all, " "), bars - 1 // without the background
		}
		if err != nil {
			t.Fatal(err)
		}
		switch token := token.(type) {
		case xml.CharData:
			all = append(all, string(token))
		case xml.StartElement:
			if token.Name.Local == "rect" {
				bars++
			}
		}
	}
}

// A picture is the text of a waterfall on a grid of characters, with the bars drawn as rectangles.
const (
	cellWidth  = 8.4
	cellHeight = 18.0
	pictureX   = 14.0 // margins
	pictureY   = 12.0
)

// pictureStyle has a color for each service, red for errors, and a dark variant.
const pictureStyle = `<style>
text{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;fill:#1f2328}
.back{fill:#fff;stroke:#d0d7de}.title,.mark{font-weight:bold}.dim{fill:#656d76}
.gateway{fill:#1b7c83}.inventory{fill:#9a6700}.pricing{fill:#8250df}.wait{fill:#bf8700}.error{fill:#cf222e}
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.back{fill:#0d1117;stroke:#30363d}.dim{fill:#8d96a0}
.gateway{fill:#39c5cf}.inventory{fill:#d29922}.pricing{fill:#bc8cff}.wait{fill:#e3b341}.error{fill:#ff7b72}}
</style>
`

// picture returns a waterfall's text as an SVG image.
func picture(title, text string) string {
	lines := append([]string{title}, strings.Split(strings.Trim(text, "\n"), "\n")...)
	width, height := 2*pictureX+columns*cellWidth, 2*pictureY+float64(len(lines))*cellHeight
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %.0f" role="img" aria-labelledby="t d">`+"\n", width, height)
	fmt.Fprintf(&b, "<title id=\"t\">A trace: %s</title>\n<desc id=\"d\">", xmlText(title))
	fmt.Fprintf(&b, "The spans of three services as a waterfall, with name, duration and status.</desc>\n%s", pictureStyle)
	fmt.Fprintf(&b, `<rect class="back" width="100%%" height="100%%" rx="6"/>`+"\n")
	for i, line := range lines {
		drawLine(&b, []rune(line), classOf(i, line), pictureY+float64(i)*cellHeight)
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// classOf returns the class of a line: its service's, or that of the title, the heading or a note.
func classOf(number int, line string) string {
	service, _, _ := strings.Cut(line, " ")
	switch {
	case number == 0:
		return "title"
	case service == "service":
		return "dim"
	case service == "":
		return "mark"
	}
	return service
}

// drawLine draws each run of text and each run of a bar's characters. The service's color is that of its
// name and its bar.
func drawLine(b *strings.Builder, line []rune, class string, y float64) {
	for start := 0; start < len(line); {
		end, kind := start+1, runeClass(line[start])
		for end < len(line) && runeClass(line[end]) == kind && (kind != "" || line[end] != ' ' || line[end-1] != ' ') {
			end++
		}
		run := string(line[start:end])
		x := pictureX + float64(start)*cellWidth
		switch {
		case kind == "wait":
			drawBar(b, "wait", x, y, end-start)
		case kind == "bar":
			drawBar(b, class, x, y, end-start)
		case strings.TrimSpace(run) != "":
			text := strings.TrimLeft(run, " ")
			x += float64(utf8.RuneCountInString(run)-utf8.RuneCountInString(text)) * cellWidth
			text = strings.TrimRight(text, " ")
			fmt.Fprintf(b, `<text class="%s" x="%.1f" y="%.1f" textLength="%.1f">%s</text>`+"\n", textClass(class, text, start), x, y+cellHeight-4,
				float64(utf8.RuneCountInString(text))*cellWidth, xmlText(text))
		}
		start = end
	}
}

func textClass(class, text string, column int) string {
	switch {
	case strings.HasSuffix(text, "Error"):
		return "error"
	case class == "title", class == "dim", class == "mark", column == 0:
		return class
	}
	return "plain"
}

func drawBar(b *strings.Builder, class string, x, y float64, cells int) {
	fmt.Fprintf(b, `<rect class="%s" x="%.1f" y="%.1f" width="%.1f" height="%.1f" rx="2"/>`+"\n",
		class, x, y+3, float64(cells)*cellWidth, cellHeight-6)
}

// runeClass returns what a character is part of, or "" for text.
func runeClass(c rune) string {
	switch {
	case c == '░':
		return "wait"
	case c >= '▀' && c <= '▟':
		return "bar"
	}
	return ""
}

func xmlText(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s))
	return b.String()
}
