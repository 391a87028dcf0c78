package redact

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/otelhttpclient/otelhttpclient/internal/hostport"
	"github.com/otelhttpclient/otelhttpclient/internal/muxpattern"
	"github.com/otelhttpclient/otelhttpclient/internal/redact/layer"
)

// Paths returns a filter that replaces the parts of a path that the wildcards of
// a pattern match. The patterns are those of [http.ServeMux], without method:
// "[HOST]/[PATH]". All patterns that match are applied. As in a server, hosts
// are compared without the port. Unlike in a server, repeated slashes count as one,
// and paths match with and without their segments "." and "..". The error for a
// malformed pattern contains the pattern.
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
		parsed := hostport.Wire(u)
		path := parsed.EscapedPath()
		f := finder{}
		host := hostname(parsed.Host)
		segments := pathSegments(path)
		cleaned := cleanSegments(path, segments)
		for _, p := range list {
			p.hideMatches(&f, host, path, segments)
			p.hideMatches(&f, host, path, cleaned)
		}
		if len(f.edits) == 0 {
			return u
		}
		redacted := *parsed
		redacted.RawPath = f.edits.Apply(path, 0)
		redacted.Path = layer.DecodeOnce(redacted.RawPath)
		return &redacted
	}, nil
}

// A pathPattern is a pattern of http.ServeMux.
type pathPattern struct {
	host        string
	segments    []string // "{" stands for a wildcard
	matchesRest bool     // any further segments match
	hidesRest   bool     // these are hidden
}

func newPathPattern(pattern string) (p pathPattern, err error) {
	if err := muxpattern.Validate(pattern); err != nil {
		return p, err
	}
	if strings.ContainsAny(pattern, " \t") {
		return p, errors.New("a URL has no method")
	}
	host, path, found := strings.Cut(pattern, "/")
	if !found {
		return p, errors.New("a URL has a path") // GODEBUG=httpmuxgo121=1 accepts it
	}
	p.host = hostname(host)
	for segment := range strings.SplitSeq(path, "/") {
		switch {
		case segment == "{$}":
		case strings.HasSuffix(segment, "...}"):
			p.matchesRest, p.hidesRest = true, true
		case strings.HasPrefix(segment, "{"):
			p.segments = append(p.segments, "{")
		case segment == "":
			p.matchesRest = true // a trailing slash
		default:
			p.segments = append(p.segments, layer.DecodeOnce(segment))
		}
	}
	return p, nil
}

// hideMatches hides the parts of an escaped path with these segments that the
// pattern's wildcards match.
func (p pathPattern) hideMatches(f *finder, host, path string, segments [][2]int) {
	if p.host != "" && p.host != host || len(segments) < len(p.segments) {
		return
	}
	for i, segment := range p.segments {
		if segment != "{" && segment != layer.DecodeOnce(path[segments[i][0]:segments[i][1]]) {
			return
		}
	}
	rest := segments[len(p.segments):]
	if len(rest) > 0 && !p.matchesRest {
		return
	}
	l := layer.Text{S: path}
	for i, segment := range p.segments {
		if segment == "{" {
			f.hide(l, segments[i][0], segments[i][1])
		}
	}
	if len(rest) > 0 && p.hidesRest {
		f.hide(l, rest[0][0], len(path))
	}
}

// hostname returns the host of a host and an optional port, in its normal form.
func hostname(host string) string { return hostport.Normalize((&url.URL{Host: host}).Hostname()) }

// pathSegments returns the ranges of the segments that are not empty.
func pathSegments(path string) (segments [][2]int) {
	start := 0
	for segment := range strings.SplitSeq(path, "/") {
		if segment != "" {
			segments = append(segments, [2]int{start, start + len(segment)})
		}
		start += len(segment) + 1
	}
	return segments
}

// cleanSegments resolves the segments "." and "..", as servers do.
func cleanSegments(path string, segments [][2]int) (cleaned [][2]int) {
	for _, s := range segments {
		switch layer.DecodeOnce(path[s[0]:s[1]]) {
		case ".":
		case "..":
			cleaned = cleaned[:max(0, len(cleaned)-1)]
		default:
			cleaned = append(cleaned, s)
		}
	}
	return cleaned
}
