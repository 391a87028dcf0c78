package redact

import (
	"regexp"
	"slices"
	"strings"

	"github.com/otelhttpclient/otelhttpclient/internal/foreign"
	"github.com/otelhttpclient/otelhttpclient/internal/redact/layer"
	"github.com/otelhttpclient/otelhttpclient/internal/redact/secret"
	"github.com/otelhttpclient/otelhttpclient/internal/redact/splice"
)

// nestedBudget limits the bytes of a URL or text that are decoded. Encoded parts
// beyond the limit are hidden as a whole.
const nestedBudget = 64 << 10

// A finder collects the edits that redact a text.
type finder struct {
	policy *Policy
	edits  splice.Edits
	budget int  // rest of nestedBudget
	marks  mark // marks of the searched URLs
}

// hide hides a part of a text.
func (f *finder) hide(l layer.Text, start, end int) {
	if start < end {
		f.edits = append(f.edits, splice.Edit{Start: l.Offset(start), End: l.Offset(end), Text: Replacement})
	}
}

// replace replaces a known part of the original text.
func (f *finder) replace(start, end int, text string) {
	f.edits = append(f.edits, splice.Edit{Start: start, End: end, Text: text, Known: true})
}

// imageDigest matches the digest in an image reference, which follows a name such as
// docker://redis.
var imageDigest = regexp.MustCompile(`(?i)^@sha(?:256|512):[0-9a-f]{7,}(?:$|[^\w.-])`)

// maxDigest is the length of @sha512:, its digits, and the byte after them.
const maxDigest = 8 + 128 + 1

// hideUserinfo hides a user name and a password. The colon between their
// replacements is encoded like the part that they replace.
func (f *finder) hideUserinfo(l layer.Text, start, end int) {
	if !f.policy.userinfo || start >= end || strings.Trim(l.S[start:end], ":") == "" || imageDigest.MatchString(l.S[end:min(len(l.S), end+maxDigest)]) {
		return // empty, or the name of an image
	}
	colon := ":"
	if l.Percent > 0 {
		colon = "%" + strings.Repeat("25", l.Percent-1) + "3A"
	}
	f.edits = append(f.edits, splice.Edit{Start: l.Offset(start), End: l.Offset(end), Text: Replacement + colon + Replacement})
}

// hideValues hides the credentials in a part of a text that are known by their
// shape.
func (f *finder) hideValues(l layer.Text, start, end int) {
	if f.policy.values {
		secret.Values(l.S[start:end], func(from, to int) { f.hide(l, start+from, start+to) })
	}
}

// applyURL returns the URL s with the edits, in valid UTF-8. Without highMark, s is
// ASCII.
func (f *finder) applyURL(s string) string {
	if len(f.edits) > 0 {
		s = f.edits.Apply(s, 0)
	}
	if f.marks&highMark != 0 {
		s = foreign.URL(s)
	}
	return s
}

// applyText returns the text s with the edits, in valid UTF-8, cut to limit bytes.
func (f *finder) applyText(s string, limit int) string {
	return splice.Cut(foreign.Text(f.edits.Apply(s, limit)), limit)
}

// hideEnd hides the last word of s if s is only the beginning of whole: a part of a
// secret is not recognized. If the word is longer than a quarter of s, as JSON may
// be, it hides the last quarter, or the last URL.
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

// containsFold reports whether s, in lower case, contains one of the words.
func containsFold(s string, words ...string) bool {
	s = strings.ToLower(s)
	return slices.ContainsFunc(words, func(word string) bool { return strings.Contains(s, word) })
}
