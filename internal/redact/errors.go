package redact

import (
	"cmp"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/otelhttpclient/otelhttpclient/internal/redact/layer"
	"github.com/otelhttpclient/otelhttpclient/internal/redact/secret"
	"github.com/otelhttpclient/otelhttpclient/internal/redact/splice"
)

// Bounds of the search in an error's text.
const (
	maxTree   = 64  // errors of a tree
	maxTries  = 512 // of secrets
	minSecret = 3   // bytes: shorter ones cannot be told from ordinary text
)

// Error returns err's text with credentials redacted, cut to 2 KiB. The URLs of
// the *url.Error in err's tree and the request's own, which may be nil, are
// replaced by what is recorded of them; what is hidden in the request's URL is
// hidden wherever it stands.
func (p *Policy) Error(err error, request *url.URL) string {
	if err == nil {
		return ""
	}
	whole := err.Error()
	s := splice.Cut(whole, maxTextInput)
	f := finder{policy: p, budget: nestedBudget}
	wire := Wire(request)
	urls := knownURLs(err, wire)
	if wire != request && strings.Trim(request.Opaque, "/") != "" {
		// What is recorded of the URL on the wire, also where the text has it as
		// net/http's errors do.
		f.knownAs(s, request.String(), p.recorded(wire.String()))
		urls = slices.DeleteFunc(urls, func(u string) bool { return u == request.String() })
	}
	f.known(s, urls, p)
	if wire != nil {
		f.secrets(s, p.secretsOf(wire, s))
	}
	f.text(layer.Text{S: s})
	f.hideEnd(s, whole)
	return strings.Clone(f.applyText(s, maxText)) // a text may be a piece of a longer one
}

// knownURLs returns the URLs that an error's text is known to hold.
func knownURLs(err error, request *url.URL) (urls []string) {
	if request != nil && request.Host != "" {
		urls = append(urls, request.String())
	}
	tree := []error{err}
	for i := 0; i < len(tree) && i < maxTree; i++ {
		switch e := tree[i].(type) {
		case nil:
		case *url.Error:
			if e != nil {
				if e.Op != "parse" || cutPassword(e.URL) < 0 {
					urls = append(urls, e.URL)
				}
				tree = append(tree, e.Err)
			}
		case interface{ Unwrap() error }:
			tree = append(tree, e.Unwrap())
		case interface{ Unwrap() []error }:
			errs := e.Unwrap()
			tree = append(tree, errs[:min(len(errs), maxTree)]...)
		}
	}
	return urls
}

// known replaces known URLs in s, written as they are or quoted.
func (f *finder) known(s string, urls []string, p *Policy) {
	slices.SortFunc(urls, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	for _, raw := range slices.Compact(urls) {
		const shortest = len("a://b")
		if len(raw) < shortest || len(raw) > len(s) || !strings.Contains(raw, ":") {
			continue
		}
		f.knownAs(s, raw, p.recorded(raw))
	}
}

// recorded returns what is recorded of a known URL.
func (p *Policy) recorded(raw string) string {
	if text, changed := p.reference(raw, nil); changed {
		return text
	}
	f := finder{policy: p, budget: nestedBudget}
	f.wholeURL(raw)
	return f.applyURL(raw)
}

func (f *finder) knownAs(s, raw, text string) {
	f.replaceAll(s, raw, text)
	if quoted := inQuotes(raw); quoted != raw {
		f.replaceAll(s, quoted, inQuotes(text))
	}
}

func (f *finder) replaceAll(s, old, text string) {
	for i := 0; ; {
		at := strings.Index(s[i:], old)
		if at < 0 {
			return
		}
		i += at
		f.replace(i, i+len(old), text)
		i += len(old)
	}
}

func inQuotes(s string) string {
	quoted := strconv.Quote(s)
	return quoted[1 : len(quoted)-1]
}

// secrets hides secrets in s. Short ones are hidden only where they are words.
func (f *finder) secrets(s string, secrets []string) {
	const long = 6
	for _, one := range secrets {
		for i := 0; ; {
			at := strings.Index(s[i:], one)
			if at < 0 {
				break
			}
			start, end := i+at, i+at+len(one)
			i = end
			if len(one) >= long || !isWordAt(s, start-1) && !isWordAt(s, end) {
				f.hide(layer.Text{S: s}, start, end)
			}
		}
	}
}

func isWordAt(s string, i int) bool {
	return i >= 0 && i < len(s) && secret.IsWordByte(s[i])
}

// secretsOf returns the redacted parts of u that occur in text.
func (p *Policy) secretsOf(u *url.URL, text string) (secrets []string) {
	tries := maxTries
	add := func(s string) {
		if tries--; tries < 0 || len(s) < minSecret || len(s) > maxURL {
			return
		}
		for _, form := range []string{s, layer.Fully(s), layer.Fully(strings.ReplaceAll(s, "+", " ")), inQuotes(s)} {
			if len(form) >= minSecret && !secret.IsNone(form) && !slices.Contains(secrets, form) && strings.Contains(text, form) {
				secrets = append(secrets, form)
			}
		}
	}
	if u.User != nil {
		password, _ := u.User.Password()
		add(password)
		add(u.User.String())
	}
	if at := strings.LastIndexByte(u.Host, '@'); at >= 0 {
		add(u.Host[:at])
		_, password, _ := strings.Cut(u.Host[:at], ":")
		add(password)
	}
	raw := u.String()
	f := finder{policy: p, budget: nestedBudget}
	f.wholeURL(raw)
	for _, e := range f.edits {
		add(raw[e.Start:e.End])
	}
	if p.filter == nil {
		return secrets
	}
	seen := *u
	filtered := p.filter(&seen)
	recorded := ""
	if filtered != nil {
		recorded = filtered.String()
	}
	if recorded == raw {
		return secrets
	}
	recorded = splice.Cut(recorded, maxURL) // the rest is not recorded
	parts := maxTries
	removed := func(part string) {
		if parts--; parts >= 0 && len(part) >= minSecret && strings.Contains(text, part) && !strings.Contains(recorded, part) {
			add(part)
		}
	}
	removed(u.Host)
	removed(u.Hostname())
	removed(u.EscapedPath())
	for segment := range strings.SplitSeq(u.EscapedPath(), "/") {
		removed(segment)
	}
	removed(u.RawQuery)
	for parameter := range strings.SplitSeq(u.RawQuery, "&") {
		_, value, _ := strings.Cut(parameter, "=")
		removed(value)
	}
	removed(u.EscapedFragment())
	return secrets
}
