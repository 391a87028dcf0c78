package otelhttpclient

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

// A URLTemplater returns the url.template of a request, the path of its URL
// with placeholders for what varies, or "" where it knows none. It gets the
// caller's request, must not change it, and may be called concurrently.
type URLTemplater func(*http.Request) string

// WithURLTemplate sets the function that knows the templates of a client's
// requests. A template gives the span the name "{method} {template}" and the
// attribute url.template; the metrics get it when it is asked for with
// [WithOptInAttributes]. [ContextWithURLTemplate] wins over it. A templater
// that panics counts as one that knows none.
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
	if c.templater != nil && !call("URL templater", func() { template = c.templater(req) }) {
		return ""
	}
	return template
}

// redirectedElsewhere reports whether a redirect has led to another path than
// the one that the caller asked for.
func redirectedElsewhere(req *http.Request) bool {
	if req.Response == nil || req.Response.Request == nil {
		return false
	}
	from := req.Response.Request.URL
	return from == nil || req.URL == nil || from.Path != req.URL.Path
}

// ServeMuxTemplates returns a templater for patterns in the language of
// [http.ServeMux]: "[METHOD ][HOST]/[PATH]", with the wildcards {name} and
// {name...}. The most specific pattern that matches a request wins, and its
// path is the template: "GET inventory/items/{sku}" names a span
// "GET /items/{sku}". A final {$} is not part of the template: "/items/{$}"
// gives "/items/". As for a server, GET stands for HEAD too, hosts are
// compared without port; a path that a server would redirect, such as one with
// a double slash, matches nothing.
//
// A malformed pattern, or one that conflicts with another, is an error that
// names it. So is the GODEBUG setting httpmuxgo121=1, under which
// [http.ServeMux] has neither methods nor wildcards.
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
		// The mux looks at the method, the host and the URL. It redirects to
		// paths that end in a slash; the pattern that it names then is the
		// one that the redirected request would match, and no match here.
		probe := &http.Request{Method: req.Method, Host: req.Host, URL: req.URL}
		if probe.Method == "" {
			probe.Method = http.MethodGet
		}
		if probe.Host == "" {
			probe.Host = req.URL.Host
		}
		if req.URL.Path == "" {
			// As it goes over the wire.
			u := *req.URL
			u.Path = "/"
			probe.URL = &u
		}
		handler, pattern := mux.Handler(probe)
		if _, ok := handler.(matched); !ok {
			return ""
		}
		// {$} ends a pattern; it stands for nothing in the path.
		return strings.TrimSuffix(pattern[strings.IndexByte(pattern, '/'):], "{$}")
	}, nil
}

// muxHasWildcards reports whether this process's ServeMux is that of Go 1.22 and
// later. The older one would accept the patterns, as literal paths. net/http
// chooses between them once, at init, but does not export which.
func muxHasWildcards() bool {
	mux := http.NewServeMux()
	mux.Handle("/{any}", matched{})
	_, pattern := mux.Handler(&http.Request{Method: http.MethodGet, URL: &url.URL{Path: "/probe"}})
	return pattern != ""
}

// matched marks a handler as one of a pattern's, and not one of the mux's own
// for redirects and for errors.
type matched struct{}

var registeredAt = regexp.MustCompile(` \(registered at [^)]*\)`)

func (matched) ServeHTTP(http.ResponseWriter, *http.Request) {}

// register turns the panic with which a mux refuses a pattern into an error.
func register(mux *http.ServeMux, pattern string) (err error) {
	defer func() {
		if v := recover(); v != nil {
			// Where the mux was told of the pattern is no news to the caller.
			err = errors.New(registeredAt.ReplaceAllString(fmt.Sprint(v), ""))
		}
	}()
	mux.Handle(pattern, matched{})
	return nil
}
