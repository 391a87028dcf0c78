// Package redact removes credentials from URLs, texts, errors and headers.
//
// URLs are parsed, and texts are searched with regular expressions. Both only
// collect the places to hide. All places are replaced in one pass at the end, so
// that no replacement is searched or replaced.
package redact

import (
	"net/url"
	"regexp"

	"github.com/otelhttpclient/otelhttpclient/internal/bounded"
	"github.com/otelhttpclient/otelhttpclient/internal/redact/layer"
	"github.com/otelhttpclient/otelhttpclient/internal/redact/secret"
	"github.com/otelhttpclient/otelhttpclient/internal/redact/splice"
)

// Replacement is recorded instead of a credential.
const Replacement = "REDACTED"

// Bounds of the input that is searched, and of the output.
const (
	maxText         = 2 << 10
	maxTextInput    = 8 << 10
	maxHeader       = 4 << 10
	maxHeaderInput  = 6 << 10
	maxHeaderValues = 32
	maxURL          = 64 << 10  // the rest is hidden as a whole
	maxReference    = 16 << 10  // URLs in headers; longer ones are hidden
	maxFiltered     = 256 << 10 // bytes of a header's URLs with those that they are resolved against
)

// Config configures a [Policy].
type Config struct {
	// Query lists the names whose values are hidden, in the language of
	// [DefaultQuery]. Empty: DefaultQuery().
	Query []string

	// Headers lists the patterns of the headers whose values are hidden, in the
	// language of [DefaultHeaders]. Empty: DefaultHeaders().
	Headers []string

	// HeaderExpressions match the names, in lower case, of further headers whose
	// values are hidden, whatever Headers excepts.
	HeaderExpressions []*regexp.Regexp

	// Off disables all redaction except of userinfo.
	Off bool

	// Filter changes or removes what is recorded of an absolute URL. It gets a
	// copy. A nil result: the URL is not recorded. It must not panic. Nil: URLs
	// are recorded as they are, but for what is hidden.
	Filter func(*url.URL) *url.URL
}

// A Policy decides what may be recorded. It is immutable and safe for
// concurrent use.
type Policy struct {
	names   *secret.Names
	headers secret.Headers
	filter  func(*url.URL) *url.URL
	values  bool // by their shape
	users   bool // names and passwords

	// byName caches headerKind for captured headers, which is a tenth of the cost
	// of a request that captures two.
	byName bounded.Cache[string, headerKind]
}

// DefaultQuery returns the names of [secret.DefaultQuery].
func DefaultQuery() []string { return secret.DefaultQuery() }

// DefaultHeaders returns the patterns of [secret.DefaultHeaders].
func DefaultHeaders() []string { return secret.DefaultHeaders() }

// New returns the policy of a configuration. Malformed header patterns match
// nothing.
func New(c Config) *Policy {
	p := &Policy{names: secret.DefaultNames(), headers: secret.NewHeaders(c.Headers, c.HeaderExpressions), filter: c.Filter, values: !c.Off, users: true}
	if len(c.Query) > 0 {
		p.names = secret.NewNames(c.Query)
	}
	if c.Off {
		p.names, p.headers = &secret.Names{}, nil
	}
	return p
}

// Text returns any text with credentials redacted, cut to 2 KiB.
func (p *Policy) Text(s string) string {
	return p.text(s, maxTextInput, maxText)
}

func (p *Policy) text(whole string, maxInput, maxOutput int) string {
	s := splice.Cut(whole, maxInput)
	f := finder{policy: p, budget: nestedBudget}
	f.text(layer.Text{S: s})
	f.hideEnd(s, whole)
	return f.applyText(s, maxOutput)
}

// Query returns a function that redacts the values of the parameters with these
// names in a query, and in the URLs that are nested in it. All else stays as it
// is written.
func Query(names ...string) func(rawQuery string) string {
	p := &Policy{names: secret.NewNames(names)}
	return func(rawQuery string) string {
		f := finder{policy: p, budget: nestedBudget}
		f.query(layer.Text{S: rawQuery}, 0, len(rawQuery), layer.Percent|layer.Plus)
		return f.edits.Apply(rawQuery, 0)
	}
}
