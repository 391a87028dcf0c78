package main

import (
	"encoding/xml"
	"fmt"
	"strings"
	"unicode/utf8"
)

// A picture of a scene is its text on a grid of characters, with bars drawn as
// rectangles.
const (
	cellWidth  = 8.4
	cellHeight = 18.0
	fontSize   = 14
	pictureX   = 14.0 // margins
	pictureY   = 12.0
)

// sceneText returns a scene of the program's output, without its headers.
func sceneText(output string, number int) string {
	_, text, found := strings.Cut(output, fmt.Sprintf("── %d  ", number))
	if !found {
		return ""
	}
	text, _, _ = strings.Cut(text, "\n── ")
	text, _, _ = strings.Cut(text, "\n  headers\n")
	title, rest, _ := strings.Cut(text, "\n")
	title = strings.TrimRight(title, " ─")
	return "  " + title + "\n\n" + strings.Trim(rest, "\n")
}

// colorOf returns the color of a bar's character, or "".
func colorOf(c rune) string {
	switch {
	case c == '░':
		return "#f0a83a"
	case c >= '▀' && c <= '▟':
		return "#3a7bd5"
	}
	return ""
}

// picture returns a text as an SVG image.
func picture(text string) string {
	lines := strings.Split(text, "\n")
	columns := 0
	for _, line := range lines {
		columns = max(columns, utf8.RuneCountInString(line))
	}
	width, height := 2*pictureX+float64(columns)*cellWidth, 2*pictureY+float64(len(lines))*cellHeight
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %.0f" role="img" aria-label="A trace of the quickstart">`+"\n", width, height)
	fmt.Fprintf(&b, `<rect width="100%%" height="100%%" rx="6" fill="#ffffff" stroke="#d0d7de"/>`+"\n")
	fmt.Fprintf(&b, `<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, monospace" font-size="%d" fill="#1f2328">`+"\n", fontSize)
	for i, line := range lines {
		y := pictureY + float64(i)*cellHeight
		drawLine(&b, []rune(line), y)
	}
	b.WriteString("</g>\n</svg>\n")
	return b.String()
}

// drawLine draws each run of text and each run of a bar's characters.
func drawLine(b *strings.Builder, line []rune, y float64) {
	for start := 0; start < len(line); {
		end := start + 1
		color := colorOf(line[start])
		for end < len(line) && colorOf(line[end]) == color && (color != "" || line[end] != ' ' || line[end-1] != ' ') {
			end++
		}
		x, width := pictureX+float64(start)*cellWidth, float64(end-start)*cellWidth
		run := string(line[start:end])
		switch {
		case color != "":
			fmt.Fprintf(b, `<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" rx="2" fill="%s"/>`+"\n", x, y+3, width, cellHeight-6, color)
		case strings.TrimSpace(run) != "":
			text := strings.TrimLeft(run, " ")
			x += float64(len(run)-len(text)) * cellWidth
			text = strings.TrimRight(text, " ")
			width = float64(utf8.RuneCountInString(text)) * cellWidth
			fmt.Fprintf(b, `<text x="%.1f" y="%.1f" textLength="%.1f">`, x, y+cellHeight-4, width)
			_ = xml.EscapeText(b, []byte(text))
			b.WriteString("</text>\n")
		}
		start = end
	}
}
