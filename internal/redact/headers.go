package redact

import (
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/otelhttpclient/otelhttpclient/internal/foreign"
	"github.com/otelhttpclient/otelhttpclient/internal/hostport"
	"github.com/otelhttpclient/otelhttpclient/internal/redact/layer"
	"github.com/otelhttpclient/otelhttpclient/internal/redact/secret"
	"github.com/otelhttpclient/otelhttpclient/internal/redact/splice"
)

// The headers whose values contain URLs.
var (
	referenceHeaders = []string{
		"location", "content-location", "referer", "origin", "sourcemap", "x-sourcemap", "destination",
		"x-original-url", "x-rewrite-url", "x-forwarded-uri", "x-request-url",
	}
	linkReference    = regexp.MustCompile(`<([^<>]*)>`)
	refreshReference = regexp.MustCompile(`(?i)^[^a-z]*url\s*=\s*['"]?([^'"]*)`)
)

// Header returns the redacted values of a header: at most 32, of at most 4 KiB each.
// Before filtering, relative URLs in them are resolved against the request's URL,
// which may be nil.
func (p *Policy) Header(name string, values []string, request *url.URL) []string {
	request = hostport.Wire(request)
	values = values[:min(len(values), maxHeaderValues)]
	recorded := make([]string, len(values))
	kind, known := p.byName.Get(name)
	if !known {
		kind = p.headerKind(name)
		p.byName.Put(strings.Clone(name), kind)
	}
	for i, v := range values {
		switch {
		case kind == hiddenHeader && secret.IsPlaceholder(v), v == "":
			recorded[i] = splice.Cut(foreign.Text(v), maxHeader)
		case kind == hiddenHeader:
			recorded[i] = Replacement
		case kind == urlHeader:
			recorded[i] = p.redactReferences(v, nil, request)
		case kind == linkHeader:
			recorded[i] = p.redactReferences(v, linkReference, request)
		case kind == refreshHeader:
			recorded[i] = p.redactReferences(v, refreshReference, request)
		default:
			recorded[i] = p.redactText(v, maxHeaderInput, maxHeader)
		}
	}
	return recorded
}

func (p *Policy) headerKind(name string) headerKind {
	lower := strings.ToLower(name)
	switch {
	case p.headers.Hides(name):
		return hiddenHeader
	case slices.Contains(referenceHeaders, lower):
		return urlHeader
	case lower == "link":
		return linkHeader
	case lower == "refresh":
		return refreshHeader
	}
	return textHeader
}

// SearchedBytes returns the maximum number of bytes that [Policy.Header] searches in
// a header's values.
func SearchedBytes(values []string) (bytes int) {
	for _, v := range values[:min(len(values), maxHeaderValues)] {
		bytes += min(len(v), maxReference)
	}
	return bytes
}

// redactReferences redacts a text with URLs in the places that the pattern matches.
// If pattern is nil, the text is one URL.
func (p *Policy) redactReferences(whole string, pattern *regexp.Regexp, request *url.URL) string {
	s, places := whole, [][]int{{0, len(whole), 0, len(whole)}}
	if pattern != nil {
		s = splice.Cut(whole, maxHeaderInput)
		places = pattern.FindAllStringSubmatchIndex(s, -1)
	} else if len(s) > maxReference {
		return Replacement
	}
	cost := 0 // bytes of the URL that references are resolved against
	if request != nil {
		cost = len(request.Path) + len(request.RawPath) + len(request.RawQuery) + len(request.Fragment) + len(request.Host)
	}
	left := maxFiltered
	f := finder{policy: p, budget: nestedBudget}
	l := layer.Text{S: s}
	for _, m := range places {
		start, end := m[2], m[3]
		if left -= cost + end - start; left < 0 && p.filter != nil {
			f.replace(start, end, Replacement)
			continue
		}
		if text, changed := p.filterReference(s[start:end], request); changed {
			f.replace(start, end, text)
			continue
		}
		f.searchURL(l, start, end)
	}
	if pattern == nil {
		return splice.Cut(f.applyURL(s), maxHeader)
	}
	f.searchText(l)
	f.hideEnd(s, whole)
	return f.applyText(s, maxHeader)
}
