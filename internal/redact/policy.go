// Package redact removes credentials from URLs, texts, errors and headers.
//
// URLs are parsed, and texts are searched with regular expressions, also in their
// decoded parts (package layer). Credentials are found by name or shape (package
// secret), collected, and replaced in one pass at the end (package splice), so that
// no replacement is searched or replaced. The package is given a [Config] and the
// values to record. It does not know requests or spans.
package redact

import (
	"net/url"
	"regexp"

	"github.com/otelhttpclient/otelhttpclient/internal/bounded"
	"github.com/otelhttpclient/otelhttpclient/internal/redact/secret"
)

// Replacement is recorded instead of a credential.
const Replacement = "REDACTED"

// Limits of the searched input, and of the output.
const (
	maxText         = 2 << 10
	maxTextInput    = 8 << 10
	maxHeader       = 4 << 10
	maxHeaderInput  = 6 << 10
	maxHeaderValues = 32
	maxURL          = 64 << 10  // the rest is hidden as a whole
	maxReference    = 16 << 10  // URLs in headers; longer ones are hidden
	maxFiltered     = 256 << 10 // a header's URLs, each with the URL that it is resolved against
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

	// Filter returns the URL to record in place of an absolute URL, or nil if none is
	// recorded. It gets a copy. It must not panic. A nil Filter changes nothing.
	Filter func(*url.URL) *url.URL
}

// A Policy redacts values. It does not change, and is safe for concurrent use.
type Policy struct {
	names    *secret.Names
	headers  secret.Headers
	filter   func(*url.URL) *url.URL
	values   bool // hide credentials that are known by their shape
	userinfo bool // hide user names and passwords in URLs

	// byName caches the kinds of captured headers. It saves a tenth of the cost of a
	// request that captures two.
	byName bounded.Cache[string, headerKind]
}

// A headerKind determines how a header's values are redacted.
type headerKind uint8

const (
	textHeader headerKind = iota
	hiddenHeader
	urlHeader
	linkHeader    // <URL>; rel=next
	refreshHeader // 5; url=URL
)

// DefaultQuery returns the names of [secret.DefaultQuery].
func DefaultQuery() []string { return secret.DefaultQuery() }

// DefaultHeaders returns the patterns of [secret.DefaultHeaders].
func DefaultHeaders() []string { return secret.DefaultHeaders() }

// New returns the policy of a configuration. Malformed header patterns match
// nothing.
func New(c Config) *Policy {
	p := &Policy{names: secret.DefaultNames(), headers: secret.NewHeaders(c.Headers, c.HeaderExpressions), filter: c.Filter, values: !c.Off, userinfo: true}
	if len(c.Query) > 0 {
		p.names = secret.NewNames(c.Query)
	}
	if c.Off {
		p.names, p.headers = &secret.Names{}, nil
	}
	return p
}
