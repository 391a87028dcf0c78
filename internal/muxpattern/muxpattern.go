// Package muxpattern applies the patterns of http.ServeMux to the requests of a
// client: "[METHOD ][HOST]/[PATH]" with wildcards. It is given patterns and
// requests. What a valid pattern is, and which pattern matches, is decided by
// http.ServeMux itself.
package muxpattern

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

// Templates returns a function that returns the path of the most specific pattern
// that matches a request, without a final {$}, or "". The error for a malformed
// pattern, or for one that conflicts with another, contains the pattern.
func Templates(patterns ...string) (func(*http.Request) string, error) {
	if !hasWildcards() {
		return nil, errors.New("URL templates: GODEBUG=httpmuxgo121=1 disables the patterns of http.ServeMux: " +
			"remove it from the environment, //go:debug lines and go.mod")
	}
	mux := http.NewServeMux()
	for _, p := range patterns {
		if err := register(mux, p); err != nil {
			return nil, fmt.Errorf("URL template %q: %w", p, err)
		}
	}
	return func(req *http.Request) string {
		if req == nil || req.URL == nil {
			return ""
		}
		// The mux uses the method, the host and the URL. For a redirect to a
		// path that ends in a slash, it returns a handler of its own with the
		// pattern of the redirected request.
		probe := &http.Request{Method: req.Method, Host: req.Host, URL: req.URL}
		if probe.Method == "" {
			probe.Method = http.MethodGet
		}
		if probe.Host == "" {
			probe.Host = req.URL.Host
		}
		if req.URL.Path == "" {
			// As it is sent.
			u := *req.URL
			u.Path = "/"
			probe.URL = &u
		}
		handler, pattern := mux.Handler(probe)
		if _, ok := handler.(matched); !ok {
			return ""
		}
		return strings.TrimSuffix(pattern[strings.IndexByte(pattern, '/'):], "{$}")
	}, nil
}

// Check returns an error if a pattern is malformed.
func Check(pattern string) error { return register(http.NewServeMux(), pattern) }

// hasWildcards reports whether http.ServeMux is that of Go 1.22 and later. The
// older one, which a GODEBUG setting selects, takes patterns for literal paths.
func hasWildcards() bool {
	mux := http.NewServeMux()
	mux.Handle("/{any}", matched{})
	_, pattern := mux.Handler(&http.Request{Method: http.MethodGet, URL: &url.URL{Path: "/probe"}})
	return pattern != ""
}

// matched is the handler of every pattern. The mux has others for redirects and
// errors.
type matched struct{}

func (matched) ServeHTTP(http.ResponseWriter, *http.Request) {}

// registeredAt is an implementation detail in the text of a panic.
var registeredAt = regexp.MustCompile(` \(registered at [^)]*\)`)

// register returns the panic of a mux that rejects a pattern as an error.
func register(mux *http.ServeMux, pattern string) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = errors.New(registeredAt.ReplaceAllString(fmt.Sprint(v), ""))
		}
	}()
	mux.Handle(pattern, matched{})
	return nil
}
