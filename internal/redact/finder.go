package redact

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/otelhttpclient/otelhttpclient/internal/foreign"
	"github.com/otelhttpclient/otelhttpclient/internal/redact/layer"
)

// nestedBudget is how many bytes of a URL or text are decoded. Beyond it, what
// could only be searched after decoding is hidden as a whole.
const nestedBudget = 64 << 10

// A finder collects the places of a text that have to be hidden.
type finder struct {
	policy *Policy
	edits  []edit
	budget int  // bytes that may still be decoded: see nestedBudget
	marks  mark // of the URLs that were searched
}

// An edit replaces a part of the original text.
type edit struct {
	start, end int
	text       string
	known      bool // exact text to replace; not a heuristic match
}

// hide hides a part of a text.
func (f *finder) hide(l layer.Text, start, end int) {
	if start < end {
		f.edits = append(f.edits, edit{start: l.At(start), end: l.At(end), text: Replacement})
	}
}

// digest matches the digest of an image reference, which stands behind a name such
// as docker://redis.
var digest = regexp.MustCompile(`(?i)^@sha(?:256|512):[0-9a-f]{7,}(?:$|[^\w.-])`)

// longestDigest is the length of @sha512: with its digits, and of what ends them.
const longestDigest = 8 + 128 + 1

// hideUser hides a user name and a password. The colon between their
// replacements is encoded like what it replaces.
func (f *finder) hideUser(l layer.Text, start, end int) {
	if !f.policy.users || start >= end || strings.Trim(l.S[start:end], ":") == "" || digest.MatchString(l.S[end:min(len(l.S), end+longestDigest)]) {
		return // nothing, or an image
	}
	colon := ":"
	if l.Percent > 0 {
		colon = "%" + strings.Repeat("25", l.Percent-1) + "3A"
	}
	f.edits = append(f.edits, edit{start: l.At(start), end: l.At(end), text: Replacement + colon + Replacement})
}

// applyURL returns the URL s with the edits, in valid UTF-8. The scan of the URL
// saves the search for bytes that are not ASCII.
func (f *finder) applyURL(s string) string {
	s = f.apply(s, 0)
	if f.marks&high != 0 {
		s = foreign.URL(s)
	}
	return s
}

// applyText returns the text s with the edits, in valid UTF-8, cut to limit bytes.
func (f *finder) applyText(s string, limit int) string {
	return cut(foreign.Text(f.apply(s, limit)), limit)
}

// apply returns s with the edits. More than limit bytes are cut at a rune's
// boundary; 0 is no limit.
func (f *finder) apply(s string, limit int) string {
	if len(f.edits) == 0 {
		return cut(s, limit)
	}
	var b strings.Builder
	done := 0
	for _, e := range f.merged() {
		b.WriteString(s[done:e.start])
		b.WriteString(e.text)
		done = e.end
		if limit > 0 && b.Len() > limit {
			return cut(b.String(), limit)
		}
	}
	b.WriteString(s[done:])
	return cut(b.String(), limit)
}

// merged returns the edits in order and without overlaps. What is known wins;
// of others that overlap, the text of the longer one is used.
func (f *finder) merged() []edit {
	byPlace := func(a, b edit) int { return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(b.end, a.end)) }
	slices.SortStableFunc(f.edits, byPlace)
	var known []edit
	for _, e := range f.edits {
		if e.known && (len(known) == 0 || e.start >= known[len(known)-1].end) {
			known = append(known, e)
		}
	}
	all := f.edits
	if len(known) > 0 {
		all = slices.Clone(known)
		first := 0
		for _, e := range f.edits {
			if e.known {
				continue
			}
			for first < len(known) && known[first].end <= e.start {
				first++
			}
			// What is beside the known parts is still hidden.
			for i := first; i < len(known) && known[i].start < e.end; i++ {
				if e.start < known[i].start {
					before := e
					before.end = known[i].start
					all = append(all, before)
				}
				e.start = known[i].end
			}
			if e.start < e.end {
				all = append(all, e)
			}
		}
		slices.SortStableFunc(all, byPlace)
	}
	merged := all[:0:0]
	for _, e := range all {
		if n := len(merged); n > 0 && e.start < merged[n-1].end {
			last := &merged[n-1]
			if e.end-e.start > last.end-last.start {
				last.text = e.text
			}
			last.end = max(last.end, e.end)
			continue
		}
		merged = append(merged, e)
	}
	return merged
}

// cut returns at most limit bytes of s and no part of a rune at the end, if s is
// UTF-8.
func cut(s string, limit int) string {
	if limit <= 0 || len(s) <= limit {
		return s
	}
	end := limit
	for end > 0 && end > limit-utf8.UTFMax && !utf8.RuneStart(s[end]) {
		end--
	}
	return strings.Clone(s[:end]) // does not keep the rest
}

// hideEnd hides the last word of s if whole was cut there: half a secret is not
// recognized. Of a word longer than a quarter of s, as JSON may be, it hides that
// quarter, or the last URL.
func (f *finder) hideEnd(s, whole string) {
	if len(s) == len(whole) {
		return
	}
	start := max(strings.LastIndexAny(s, " \t\r\n")+1, len(s)/4*3)
	if i := strings.LastIndex(s[:start], "//"); i >= 0 && !strings.ContainsAny(s[i:], " \t\r\n\"<>") {
		start = i + len("//")
	}
	f.hide(layer.Text{S: s}, start, len(s))
}
