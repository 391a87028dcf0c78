// Package splice replaces parts of a text in one pass, so that no replacement is
// searched or replaced. It is given the text, the places and the replacements. It does
// not know why a part is replaced.
package splice

import (
	"cmp"
	"slices"
	"strings"
	"unicode/utf8"
)

// An Edit replaces a part of a text.
type Edit struct {
	Start, End int
	Text       string
	Known      bool // exact text to replace; not a heuristic match
}

// Edits are the edits of one text, in any order. They may overlap.
type Edits []Edit

// Apply returns s with the edits, cut at a rune's boundary to limit bytes. 0 is no
// limit.
func (edits Edits) Apply(s string, limit int) string {
	if len(edits) == 0 {
		return Cut(s, limit)
	}
	var b strings.Builder
	done := 0
	for _, e := range edits.merge() {
		b.WriteString(s[done:e.Start])
		b.WriteString(e.Text)
		done = e.End
		if limit > 0 && b.Len() > limit {
			return Cut(b.String(), limit)
		}
	}
	b.WriteString(s[done:])
	return Cut(b.String(), limit)
}

// merge returns the edits in order and without overlaps. Known edits take precedence;
// of others that overlap, the text of the longer one is used.
func (edits Edits) merge() Edits {
	byPlace := func(a, b Edit) int { return cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(b.End, a.End)) }
	slices.SortStableFunc(edits, byPlace)
	var known Edits
	for _, e := range edits {
		if e.Known && (len(known) == 0 || e.Start >= known[len(known)-1].End) {
			known = append(known, e)
		}
	}
	all := edits
	if len(known) > 0 {
		all = slices.Clone(known)
		first := 0
		for _, e := range edits {
			if e.Known {
				continue
			}
			for first < len(known) && known[first].End <= e.Start {
				first++
			}
			// The parts beside the known edits are still hidden.
			for i := first; i < len(known) && known[i].Start < e.End; i++ {
				if e.Start < known[i].Start {
					before := e
					before.End = known[i].Start
					all = append(all, before)
				}
				e.Start = known[i].End
			}
			if e.Start < e.End {
				all = append(all, e)
			}
		}
		slices.SortStableFunc(all, byPlace)
	}
	merged := all[:0:0]
	for _, e := range all {
		if n := len(merged); n > 0 && e.Start < merged[n-1].End {
			last := &merged[n-1]
			if e.End-e.Start > last.End-last.Start {
				last.Text = e.Text
			}
			last.End = max(last.End, e.End)
			continue
		}
		merged = append(merged, e)
	}
	return merged
}

// Cut returns at most limit bytes of s and no part of a rune at the end, if s is
// UTF-8.
func Cut(s string, limit int) string {
	if limit <= 0 || len(s) <= limit {
		return s
	}
	end := limit
	for end > 0 && end > limit-utf8.UTFMax && !utf8.RuneStart(s[end]) {
		end--
	}
	return strings.Clone(s[:end]) // frees the rest
}
