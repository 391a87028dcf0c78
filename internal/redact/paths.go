package redact

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

// Paths returns a filter that replaces the parts of a path that the wildcards of
// a pattern match. The patterns are those of [http.ServeMux], without method:
// "[HOST]/[PATH]". All patterns that match are applied. As for a server, hosts
// are compared without port; other than there, repeated slashes count as one.
// A malformed pattern is an error that names it.
func Paths(patterns ...string) (func(*url.URL) *url.URL, error) {
	list := make([]pathPattern, 0, len(patterns))
	for _, pattern := range patterns {
		p, err := newPathPattern(pattern)
		if err != nil {
			return nil, fmt.Errorf("path pattern %q: %w", pattern, err)
		}
		list = append(list, p)
	}
	return func(u *url.URL) *url.URL {
		if u == nil {
			return nil
		}
		path := u.EscapedPath()
		f := finder{}
		for _, p := range list {
			p.find(&f, u.Hostname(), path)
		}
		if len(f.edits) == 0 {
			return u
		}
		redacted := *u
		redacted.RawPath = f.apply(path, 0)
		redacted.Path = decodedOnce(redacted.RawPath)
		return &redacted
	}, nil
}

// A pathPattern is a pattern of ServeMux.
type pathPattern struct {
	host     string
	segments []string // "{" stands for a wildcard
	rest     bool     // whatever follows matches
	hideRest bool     // and is hidden
}

var registeredAt = regexp.MustCompile(` \(registered at [^)]*\)`)

func newPathPattern(pattern string) (p pathPattern, err error) {
	defer func() {
		if v := recover(); v != nil {
			// The place of the registration is an implementation detail.
			err = errors.New(registeredAt.ReplaceAllString(fmt.Sprint(v), ""))
		}
	}()
	// ServeMux knows what a valid pattern is.
	http.NewServeMux().Handle(pattern, http.NotFoundHandler())
	if strings.ContainsAny(pattern, " \t") {
		return p, errors.New("a URL has no method")
	}
	slash := strings.IndexByte(pattern, '/')
	p.host = strings.ToLower(pattern[:slash])
	for segment := range strings.SplitSeq(pattern[slash+1:], "/") {
		switch {
		case segment == "{$}":
		case strings.HasSuffix(segment, "...}"):
			p.rest, p.hideRest = true, true
		case strings.HasPrefix(segment, "{"):
			p.segments = append(p.segments, "{")
		case segment == "":
			p.rest = true // a trailing slash
		default:
			p.segments = append(p.segments, decodedOnce(segment))
		}
	}
	return p, nil
}

// find hides what the pattern's wildcards match in an escaped path.
func (p pathPattern) find(f *finder, host, path string) {
	if p.host != "" && p.host != strings.ToLower(strings.TrimSuffix(host, ".")) {
		return
	}
	l := layer{s: path}
	var edits finder
	next := 0
	for _, segment := range p.segments {
		for next < len(path) && path[next] == '/' {
			next++
		}
		end := next
		for end < len(path) && path[end] != '/' {
			end++
		}
		if end == next || segment != "{" && segment != decodedOnce(path[next:end]) {
			return
		}
		if segment == "{" {
			edits.hide(l, next, end)
		}
		next = end
	}
	if rest := strings.TrimLeft(path[next:], "/"); rest != "" {
		if !p.rest {
			return
		}
		if p.hideRest {
			edits.hide(l, len(path)-len(rest), len(path))
		}
	}
	f.edits = append(f.edits, edits.edits...)
}

func decodedOnce(s string) string {
	if l, ok := (layer{s: s}).decoded(0, len(s), percent); ok {
		return l.s
	}
	return s
}
