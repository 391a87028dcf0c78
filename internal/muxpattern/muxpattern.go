// Package muxpattern applies the patterns of http.ServeMux,
// "[METHOD ][HOST]/[PATH]" with wildcards, to the requests of a client. It is given
// patterns and requests. http.ServeMux itself parses and matches the patterns. The
// package does not know spans or options.
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
			u := *req.URL // net/http sends an empty path as a slash
			u.Path = "/"
			probe.URL = &u
		}
		handler, pattern := mux.Handler(probe)
		if _, ok := handler.(matchedHandler); !ok {
			return ""
		}
		return strings.TrimSuffix(pattern[strings.IndexByte(pattern, '/'):], "{$}")
	}, nil
}

// Validate returns an error if a pattern is malformed.
func Validate(pattern string) error { return register(http.NewServeMux(), pattern) }

// hasWildcards reports whether http.ServeMux behaves as since Go 1.22. With a GODEBUG
// setting it behaves as before, and treats patterns as literal paths.
func hasWildcards() bool {
	mux := http.NewServeMux()
	mux.Handle("/{any}", matchedHandler{})
	_, pattern := mux.Handler(&http.Request{Method: http.MethodGet, URL: &url.URL{Path: "/probe"}})
	return pattern != ""
}

// matchedHandler is the handler of every pattern. The mux returns other handlers for
// redirects and errors.
type matchedHandler struct{}

func (matchedHandler) ServeHTTP(http.ResponseWriter, *http.Request) {}

// registeredAt matches the call sites in the text of a mux's panic.
var registeredAt = regexp.MustCompile(` \(registered at [^)]*\)`)

// register registers a pattern. It returns the mux's panic as an error.
func register(mux *http.ServeMux, pattern string) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = errors.New(registeredAt.ReplaceAllString(fmt.Sprint(v), ""))
		}
	}()
	mux.Handle(pattern, matchedHandler{})
	return nil
}
