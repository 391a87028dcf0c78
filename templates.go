package otelhttpclient

import (
	"fmt"
	"net/http"

	"github.com/otelhttpclient/otelhttpclient/internal/foreign"
	"github.com/otelhttpclient/otelhttpclient/internal/muxpattern"
	"github.com/otelhttpclient/otelhttpclient/internal/nested"
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

func (c *config) template(req *http.Request, ofContext string) (template string) {
	if ofContext != "" && !nested.RedirectedElsewhere(req) {
		return ofContext
	}
	if c.templater == nil || !c.guard.Call("URL templater", func() { template = c.templater(req) }) {
		return ""
	}
	return foreign.Text(template)
}

// ServeMuxTemplates returns a templater for patterns of [http.ServeMux]:
// "[METHOD ][HOST]/[PATH]" with the wildcards {name} and {name...}. The most
// specific pattern that matches a request applies, and its path is the
// template: "GET inventory/items/{sku}" gives the span name "GET /items/{sku}".
// A final {$} is not part of the template: "/items/{$}" gives "/items/". As in
// a server, GET also matches HEAD, and hosts are compared without the port. A
// path that a server would redirect, such as one with a double slash, matches
// nothing.
//
// The error for a malformed pattern, or for one that conflicts with another,
// contains the pattern. GODEBUG=httpmuxgo121=1 is also an error: it disables
// methods and wildcards in [http.ServeMux].
func ServeMuxTemplates(patterns ...string) (URLTemplater, error) {
	templates, err := muxpattern.Templates(patterns...)
	if err != nil {
		return nil, fmt.Errorf("otelhttpclient: %w", err)
	}
	return templates, nil
}
