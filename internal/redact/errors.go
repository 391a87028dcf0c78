package redact

import (
	"cmp"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/otelhttpclient/otelhttpclient/internal/hostport"
	"github.com/otelhttpclient/otelhttpclient/internal/redact/layer"
	"github.com/otelhttpclient/otelhttpclient/internal/redact/secret"
	"github.com/otelhttpclient/otelhttpclient/internal/redact/splice"
)

// Limits of the search in an error's text.
const (
	maxTree   = 64  // errors in a tree
	maxTries  = 512 // secrets to search
	minSecret = 3   // bytes: shorter secrets resemble ordinary text
)

// Error returns err's text with credentials redacted, cut to 2 KiB. The URLs of
// every *url.Error in err's tree and of the request, which may be nil, are replaced
// by their redacted forms. The redacted parts of the request's URL are hidden
// everywhere in the text.
func (p *Policy) Error(err error, request *url.URL) string {
	if err == nil {
		return ""
	}
	whole := err.Error()
	s := splice.Cut(whole, maxTextInput)
	f := finder{policy: p, budget: nestedBudget}
	wire := hostport.Wire(request)
	urls := urlsOf(err, wire)
	if wire != request && strings.Trim(request.Opaque, "/") != "" {
		// net/http's errors quote the opaque URL. It is replaced by the redacted form of
		// the URL on the wire.
		f.replaceURL(s, request.String(), p.redactKnownURL(wire.String()))
		urls = slices.DeleteFunc(urls, func(u string) bool { return u == request.String() })
	}
	f.replaceURLs(s, urls, p)
	if wire != nil {
		f.hideAll(s, p.secretsIn(wire, s))
	}
	f.searchText(layer.Text{S: s})
	f.hideEnd(s, whole)
	return strings.Clone(f.applyText(s, maxText)) // the result may be a substring of the whole text
}

// urlsOf returns the URLs that an error's text may quote.
func urlsOf(err error, request *url.URL) (urls []string) {
	if request != nil && request.Host != "" {
		urls = append(urls, request.String())
	}
	tree := []error{err}
	for i := 0; i < len(tree) && i < maxTree; i++ {
		switch e := tree[i].(type) {
		case nil:
		case *url.Error:
			if e != nil {
				if e.Op != "parse" || passwordStart(e.URL) < 0 {
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

// replaceURLs replaces known URLs in s, also where they are quoted.
func (f *finder) replaceURLs(s string, urls []string, p *Policy) {
	slices.SortFunc(urls, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	for _, raw := range slices.Compact(urls) {
		const shortest = len("a://b")
		if len(raw) < shortest || len(raw) > len(s) || !strings.Contains(raw, ":") {
			continue
		}
		f.replaceURL(s, raw, p.redactKnownURL(raw))
	}
}

// redactKnownURL returns the redacted form of a URL.
func (p *Policy) redactKnownURL(raw string) string {
	if text, changed := p.filterReference(raw, nil); changed {
		return text
	}
	f := finder{policy: p, budget: nestedBudget}
	f.searchWholeURL(raw)
	return f.applyURL(raw)
}

func (f *finder) replaceURL(s, raw, text string) {
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

// hideAll hides the secrets in s. Short secrets are hidden only where they are whole
// words.
func (f *finder) hideAll(s string, secrets []string) {
	const long = 6
	for _, value := range secrets {
		for i := 0; ; {
			at := strings.Index(s[i:], value)
			if at < 0 {
				break
			}
			start, end := i+at, i+at+len(value)
			i = end
			if len(value) >= long || !isWordAt(s, start-1) && !isWordAt(s, end) {
				f.hide(layer.Text{S: s}, start, end)
			}
		}
	}
}

func isWordAt(s string, i int) bool {
	return i >= 0 && i < len(s) && secret.IsWordByte(s[i])
}

// secretsIn returns the redacted parts of u that occur in text.
func (p *Policy) secretsIn(u *url.URL, text string) (secrets []string) {
	tries := maxTries
	add := func(s string) {
		if tries--; tries < 0 || len(s) < minSecret || len(s) > maxURL {
			return
		}
		for _, form := range []string{s, layer.DecodeFully(s), layer.DecodeFully(strings.ReplaceAll(s, "+", " ")), inQuotes(s)} {
			if len(form) >= minSecret && !secret.IsPlaceholder(form) && !slices.Contains(secrets, form) && strings.Contains(text, form) {
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
	f.searchWholeURL(raw)
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
