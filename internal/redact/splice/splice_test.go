package splice

import (
	"slices"
	"testing"
)

func TestApply(t *testing.T) {
	for _, row := range []struct {
		edits  Edits
		limit  int
		want   string
		reason string
	}{
		{nil, 0, "0123456789", "nothing to replace"},
		{nil, 4, "0123", "the limit"},
		{Edits{{Start: 6, End: 7, Text: "b"}, {Start: 1, End: 3, Text: "a"}}, 0, "0a345b789", "in order of their places"},
		{Edits{{Start: 1, End: 4, Text: "a"}, {Start: 3, End: 5, Text: "b"}}, 0, "0a56789", "the text of the longer one"},
		{Edits{{Start: 1, End: 3, Text: "a"}, {Start: 2, End: 6, Text: "b"}}, 0, "0b6789", "the text of the longer one"},
		{Edits{{Start: 1, End: 9, Text: "a"}, {Start: 3, End: 5, Text: "known", Known: true}}, 0, "0aknowna9", "beside what is known, the rest is replaced"},
		{Edits{{Start: 1, End: 4, Text: "x", Known: true}, {Start: 2, End: 6, Text: "y", Known: true}}, 0, "0x456789", "the first of two that are known"},
		{Edits{{Start: 0, End: 9, Text: "é"}}, 1, "", "no part of a rune"},
	} {
		if got := slices.Clone(row.edits).Apply("0123456789", row.limit); got != row.want {
			t.Errorf("%v: got %s, want %s: %s", row.edits, got, row.want, row.reason)
		}
	}
}

func TestCut(t *testing.T) {
	for _, row := range []struct {
		in    string
		limit int
		want  string
	}{{"aé", 3, "aé"}, {"aé", 2, "a"}, {"a€b", 3, "a"}, {"aé", 0, "aé"}, {"\x80\x80\x80\x80\x80\x80", 5, "\x80"}} {
		if got := Cut(row.in, row.limit); got != row.want {
			t.Errorf("Cut(%q, %d): got %q, want %q", row.in, row.limit, got, row.want)
		}
	}
}
