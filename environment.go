package otelhttpclient

import (
	"errors"
	"os"
	"regexp"
	"strings"
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
	for _, value := range listFromEnvironment(stabilityVariable) {
		switch {
		case value == "http/dup":
			c.conventions.OldNames = true
		case value != "http" && strings.Contains(strings.ToLower(value), "http"):
			badOption(stabilityVariable, "%q is neither http nor http/dup", value) // other values are of other categories
		}
	}
	if m := newMethods(knownMethodsVariable, listFromEnvironment(knownMethodsVariable)); len(m) > 0 {
		c.methods = m
	}
}

// addFromEnvironment adds to what options set.
func (c *config) addFromEnvironment() {
	if list, _ := headerExpressions(requestHeadersVariable); len(list) > 0 {
		c.requestHeaders = c.requestHeaders.addExpressions(requestHeaderPrefix, list)
	}
	if list, _ := headerExpressions(responseHeadersVariable); len(list) > 0 {
		c.responseHeaders = c.responseHeaders.addExpressions("http.response.header.", list)
	}
	list, certain := headerExpressions(sanitizeFieldsVariable)
	if !certain {
		list = append(list, everyHeader) // which of them are to be hidden is unknown
	}
	c.sensitive.HeaderExpressions = list

	var excluded []*regexp.Regexp
	for _, entry := range listFromEnvironment(excludedURLsVariable) {
		if e, err := listedExpression(entry); err != nil {
			badOption(excludedURLsVariable, "%q: %w", entry, err)
		} else {
			excluded = append(excluded, e)
		}
	}
	if len(excluded) > 0 {
		c.filters = append(c.filters, ExcludeURLs(excluded...))
	}
}

var (
	everyHeader = regexp.MustCompile("")

	// A star that repeats one character is rarely meant in the name of a header.
	starOfGlob = regexp.MustCompile(`(?:^|[^\\])[\w-]\*`)

	// What the list's comma cuts: a{1,2}.
	openRepetition = regexp.MustCompile(`[^\\]\{\d+$`)
)

// headerExpressions returns a list of headers, whose entries are names or regular
// expressions that match whole names in any case: the variables are those of
// OpenTelemetry for Python. It reports what it cannot use, and what looks like a
// pattern of another language. certain means that there is no such entry.
func headerExpressions(variable string) (list []*regexp.Regexp, certain bool) {
	certain = true
	for _, entry := range listFromEnvironment(variable) {
		e, err := headerExpression(entry)
		if err == nil {
			list = append(list, e)
			if starOfGlob.MatchString(entry) {
				err = errors.New("the star repeats one character of this regular expression; for any characters, write .*")
			}
		}
		if err != nil {
			badOption(variable, "%q: %w", entry, err)
			certain = false
		}
	}
	return list, certain
}

func headerExpression(entry string) (*regexp.Regexp, error) {
	if strings.ContainsAny(entry, " \t\"/;@") {
		return nil, errors.New("no header has such a name")
	}
	if _, err := listedExpression(entry); err != nil {
		return nil, err
	}
	return regexp.Compile("(?i)^(?:" + entry + "|" + regexp.QuoteMeta(entry) + ")$")
}

// listedExpression compiles an entry of a comma-separated list.
func listedExpression(entry string) (*regexp.Regexp, error) {
	if openRepetition.MatchString(entry) {
		return nil, errors.New("a comma ends an expression, also between braces")
	}
	return regexp.Compile(entry)
}
