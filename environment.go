package otelhttpclient

import (
	"regexp"
	"strings"

	"github.com/otelhttpclient/otelhttpclient/internal/capture"
	"github.com/otelhttpclient/otelhttpclient/internal/environment"
	"github.com/otelhttpclient/otelhttpclient/internal/semconv"
)

// The environment variables. Each is a comma-separated list. They are read when
// a Transport is created.
const (
	stabilityVariable       = "OTEL_SEMCONV_STABILITY_OPT_IN"
	knownMethodsVariable    = "OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS"
	requestHeadersVariable  = "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_CLIENT_REQUEST"
	responseHeadersVariable = "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_CLIENT_RESPONSE"
	sanitizeFieldsVariable  = "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SANITIZE_FIELDS"
	excludedURLsVariable    = "OTEL_GO_EXCLUDED_URLS"
)

// applyDefaultsFromEnvironment sets the values that options override.
func (c *config) applyDefaultsFromEnvironment() {
	for _, value := range environment.List(stabilityVariable) {
		switch {
		case value == "http/dup":
			c.conventions.OldNames = true
		case value != "http" && strings.Contains(strings.ToLower(value), "http"):
			badOption(stabilityVariable, "%q is neither http nor http/dup", value) // values for other signals are valid
		}
	}
	if m := semconv.NewMethods(knownMethodsVariable, environment.List(knownMethodsVariable), badOption); len(m) > 0 {
		c.methods = m
	}
}

// addFromEnvironment adds to the values of options.
func (c *config) addFromEnvironment() {
	if list, _ := environment.HeaderExpressions(requestHeadersVariable, badOption); len(list) > 0 {
		c.requestHeaders = c.requestHeaders.Add(capture.Request, nil, list)
	}
	if list, _ := environment.HeaderExpressions(responseHeadersVariable, badOption); len(list) > 0 {
		c.responseHeaders = c.responseHeaders.Add(capture.Response, nil, list)
	}
	list, certain := environment.HeaderExpressions(sanitizeFieldsVariable, badOption)
	if !certain {
		list = append(list, regexp.MustCompile("")) // hide all: the list is incomplete
	}
	c.sensitive.HeaderExpressions = list

	var excluded []*regexp.Regexp
	for _, entry := range environment.List(excludedURLsVariable) {
		if e, err := environment.Expression(entry); err != nil {
			badOption(excludedURLsVariable, "%q: %w", entry, err)
		} else {
			excluded = append(excluded, e)
		}
	}
	if len(excluded) > 0 {
		c.filters = append(c.filters, ExcludeURLs(excluded...))
	}
}
