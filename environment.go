package otelhttpclient

import (
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/otelhttpclient/otelhttpclient/internal/redact"
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

// listFromEnvironment returns the entries of a list, without space around them
// and without empty ones.
func listFromEnvironment(variable string) (list []string) {
	for entry := range strings.SplitSeq(os.Getenv(variable), ",") {
		if entry = strings.TrimSpace(entry); entry != "" {
			list = append(list, entry)
		}
	}
	return list
}

// applyDefaultsFromEnvironment sets what options override.
func (c *config) applyDefaultsFromEnvironment() {
	c.oldNames = slices.Contains(listFromEnvironment(stabilityVariable), "http/dup")
	if methods := listFromEnvironment(knownMethodsVariable); len(methods) > 0 {
		c.methods = newMethods(methods)
	}
}

// addFromEnvironment adds to what options set.
func (c *config) addFromEnvironment() {
	if list := listFromEnvironment(requestHeadersVariable); len(list) > 0 {
		c.requestHeaders = c.requestHeaders.add("http.request.header.", requestHeadersVariable, list)
	}
	if list := listFromEnvironment(responseHeadersVariable); len(list) > 0 {
		c.responseHeaders = c.responseHeaders.add("http.response.header.", responseHeadersVariable, list)
	}
	if list := validPatterns(sanitizeFieldsVariable, listFromEnvironment(sanitizeFieldsVariable)); len(list) > 0 {
		if len(c.sensitive.Headers) == 0 {
			c.sensitive.Headers = redact.DefaultHeaders()
		}
		c.sensitive.Headers = append(slices.Clip(c.sensitive.Headers), list...)
	}
	var excluded []*regexp.Regexp
	for _, expression := range listFromEnvironment(excludedURLsVariable) {
		e, err := regexp.Compile(expression)
		if err != nil {
			badOption(excludedURLsVariable, "%q: %w", expression, err)
			continue
		}
		excluded = append(excluded, e)
	}
	if len(excluded) > 0 {
		c.filters = append(c.filters, ExcludeURLs(excluded...))
	}
}
