package main

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// varies is what differs from run to run: identifiers, ports, times and bars.
var varies = regexp.MustCompile(`[0-9a-f]{16,}|[0-9]+|[█░▏▎▍▌▋▊▉▐]+`)

// shape is a line without what varies, and without the space that makes up
// for it.
func shape(line string) string {
	line = varies.ReplaceAllString(line, "#")
	line = strings.Join(strings.Fields(line), " ")
	return regexp.MustCompile(`(# ?)+`).ReplaceAllString(line, "# ")
}

// TestREADMEShowsWhatTheQuickstartPrints compares each scene that the README
// shows with what the program prints today.
func TestREADMEShowsWhatTheQuickstartPrints(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	withoutEnvironment(t)
	output, code := play(t, w3c())
	if code != 0 {
		t.Fatalf("exit code: got %d, want 0:\n%s", code, output)
	}
	blocks := regexp.MustCompile("(?s)<!-- quickstart: ([0-9]) -->\n```\n(.*?)\n```").FindAllStringSubmatch(string(readme), -1)
	if len(blocks) != 2 {
		t.Fatalf("the README shows %d scenes, want 2", len(blocks))
	}
	for _, block := range blocks {
		_, printed, found := strings.Cut(output, "── "+block[1]+"  ")
		if !found {
			t.Errorf("scene %s is in the README, but not printed", block[1])
			continue
		}
		printed, _, _ = strings.Cut("── "+block[1]+"  "+printed, "\n── ")
		want, got := strings.Split(strings.TrimSpace(printed), "\n"), strings.Split(block[2], "\n")
		if len(got) != len(want) {
			t.Errorf("scene %s has %d lines in the README, %d are printed", block[1], len(got), len(want))
			continue
		}
		for i := range want {
			if shape(got[i]) != shape(want[i]) {
				t.Errorf("scene %s, line %d:\nREADME  %q\nprinted %q", block[1], i+1, got[i], want[i])
			}
		}
	}
}
