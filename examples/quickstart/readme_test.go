package main

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// varies matches text that differs between runs: identifiers, ports, times and bars.
var varies = regexp.MustCompile(`[0-9a-f]{16,}|[0-9]+|[█░▏▎▍▌▋▊▉▐]+`)

// shape returns a line with varying text and padding normalized.
func shape(line string) string {
	line = varies.ReplaceAllString(line, "#")
	line = strings.Join(strings.Fields(line), " ")
	return regexp.MustCompile(`(# ?)+`).ReplaceAllString(line, "# ")
}

// TestScene compares each scene in docs/conventions.md with the program's output.
func TestScene(t *testing.T) {
	page, err := os.ReadFile("../../docs/conventions.md")
	if err != nil {
		t.Fatal(err)
	}
	withoutEnvironment(t)
	output, err := play(t, w3c())
	if err != nil {
		t.Fatalf("error: got %v, want none:\n%s", err, output)
	}
	blocks := regexp.MustCompile("(?s)<!-- quickstart: ([0-9]) -->\n```\n(.*?)\n```").FindAllStringSubmatch(string(page), -1)
	if len(blocks) != 1 {
		t.Fatalf("scenes in docs/conventions.md: got %d, want 1", len(blocks))
	}
	for _, block := range blocks {
		_, printed, found := strings.Cut(output, "\n"+block[1]+"  ")
		if !found {
			t.Errorf("scene %s is in docs/conventions.md, but not in the output", block[1])
			continue
		}
		printed, _, _ = strings.Cut(block[1]+"  "+printed, "\n\n")
		want, got := strings.Split(strings.TrimSpace(printed), "\n"), strings.Split(block[2], "\n")
		if len(got) != len(want) {
			t.Errorf("scene %s: %d lines in docs/conventions.md, %d in the output", block[1], len(got), len(want))
			continue
		}
		for i := range want {
			if shape(got[i]) != shape(want[i]) {
				t.Errorf("scene %s, line %d:\npage   %q\noutput %q", block[1], i+1, got[i], want[i])
			}
		}
	}
}
