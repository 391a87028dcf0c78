package main

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
)

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

// TestPicture compares the picture in the README with the program's output.
func TestPicture(t *testing.T) {
	committed, err := os.ReadFile("../../docs/trace.svg")
	if err != nil {
		t.Fatal(err)
	}
	withoutEnvironment(t)
	output, _ := play(t, w3c())
	got, bars := pictureText(t, string(committed))
	want, wantBars := pictureText(t, picture(sceneText(output, pictureScene)))
	if shape(got) != shape(want) || bars != wantBars {
		t.Errorf("docs/trace.svg differs from the output: run go run ./examples/quickstart -svg docs/trace.svg\ngot  %d bars, %q\nwant %d bars, %q",
			bars, shape(got), wantBars, shape(want))
	}
}

func TestPictureEscapesText(t *testing.T) {
	const line = `<a href="x">&░█</a>`
	if got, bars := pictureText(t, picture(line)); !strings.Contains(got, `<a href="x">&`) || bars != 2 {
		t.Errorf("text: got %q with %d bars, want the line with 2", got, bars)
	}
}
