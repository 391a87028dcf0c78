package otelhttpclient

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/otelhttpclient/otelhttpclient/internal/foreign"
)

// A URLTemplater returns the url.template of a request: the path of its URL with
// placeholders, or "" if it knows none. It gets the request that a [Filter] gets,
// must not change it, and may be called concurrently.
type URLTemplater func(*http.Request) string

// WithURLTemplate sets the function that returns the templates of requests. A
// request with a template has the span name "{method} {template}" and the
// attribute url.template; metrics have it with [WithOptInAttributes].
// [ContextWithURLTemplate] takes precedence. If the function panics, the request
// has no template.
func WithURLTemplate(t URLTemplater) Option {
	return optionFunc(func(c *config) {
		if t != nil {
			c.templater = t
		}
	})
}

func (c *config) template(req *http.Request, state *contextState) (template string) {
	if state.template != "" && !redirectedElsewhere(req) {
		return state.template
	}
	if c.templater == nil || !c.guard.Call("URL templater", func() { template = c.templater(req) }) {
		return ""
	}
	return foreign.Text(template)
}

// ServeMuxTemplates returns a templater for patterns of [http.ServeMux]:
// "[METHOD ][HOST]/[PATH]" with the wildcards {name} and {name...}. The most
// specific pattern that matches a request applies, and its path is the template:
// "GET inventory/items/{sku}" gives the span name "GET /items/{sku}". A final
// {$} is not part of the template: "/items/{$}" gives "/items/". As in a server,
// GET matches HEAD too, and hosts are compared without the port. A path that a
// server would redirect, such as one with a double slash, matches nothing.
//
// The error for a malformed pattern, or for one that conflicts with another,
// contains the pattern. GODEBUG=httpmuxgo121=1 is an error too: [http.ServeMux]
// has neither methods nor wildcards then.
func ServeMuxTemplates(patterns ...string) (URLTemplater, error) {
	if !muxHasWildcards() {
		return nil, errors.New("otelhttpclient: URL templates: GODEBUG=httpmuxgo121=1 disables the patterns of http.ServeMux: " +
			"remove it from the environment, //go:debug lines and go.mod")
	}
	mux := http.NewServeMux()
	for _, p := range patterns {
		if err := register(mux, p); err != nil {
			return nil, fmt.Errorf("otelhttpclient: URL template %q: %w", p, err)
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

// muxHasWildcards reports whether http.ServeMux is that of Go 1.22 and later. The
// older one, which a GODEBUG setting selects, takes patterns for literal paths.
func muxHasWildcards() bool {
	mux := http.NewServeMux()
	mux.Handle("/{any}", matched{})
	_, pattern := mux.Handler(&http.Request{Method: http.MethodGet, URL: &url.URL{Path: "/probe"}})
	return pattern != ""
}

// matched is the handler of every pattern. The mux has others for redirects and
// errors.
type matched struct{}

var registeredAt = regexp.MustCompile(` \(registered at [^)]*\)`)

func (matched) ServeHTTP(http.ResponseWriter, *http.Request) {}

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
