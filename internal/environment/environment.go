// Package environment reads lists and regular expressions from environment
// variables. It is given their names, and a function for the report of invalid
// values. It does not know options.
package environment

import (
	"errors"
	"os"
	"regexp"
	"strings"
)

// Report reports an invalid value of a variable.
type Report = func(variable, format string, args ...any)

// List returns the entries of a comma-separated list, without the space around them.
// Empty entries are left out.
func List(variable string) (list []string) {
	for entry := range strings.SplitSeq(os.Getenv(variable), ",") {
		if entry = strings.TrimSpace(entry); entry != "" {
			list = append(list, entry)
		}
	}
	return list
}

var (
	// globStar matches a star that repeats one character, which is rarely intended in
	// a header name.
	globStar = regexp.MustCompile(`(?:^|[^\\])[\w-]\*`)

	// cutRepetition matches an expression that the list's comma cuts in two: a{1,2}.
	cutRepetition = regexp.MustCompile(`[^\\]\{\d+$`)
)

// HeaderExpressions returns the expressions of a list of headers. An entry is a name
// or a regular expression, which matches whole names in any case, as in
// OpenTelemetry for Python. Invalid entries, and those that look like patterns of
// another language, are reported. certain is false if there are any.
func HeaderExpressions(variable string, report Report) (list []*regexp.Regexp, certain bool) {
	certain = true
	for _, entry := range List(variable) {
		e, err := headerExpression(entry)
		if err == nil {
			list = append(list, e)
			if globStar.MatchString(entry) {
				err = errors.New("the star repeats one character of this regular expression; for any characters, write .*")
			}
		}
		if err != nil {
			report(variable, "%q: %w", entry, err)
			certain = false
		}
	}
	return list, certain
}

func headerExpression(entry string) (*regexp.Regexp, error) {
	if strings.ContainsAny(entry, " \t\"/;@") {
		return nil, errors.New("not a header name or regular expression")
	}
	if _, err := Expression(entry); err != nil {
		return nil, err
	}
	return regexp.Compile("(?i)^(?:" + entry + "|" + regexp.QuoteMeta(entry) + ")$")
}

// Expression compiles an entry of a comma-separated list of regular expressions.
func Expression(entry string) (*regexp.Regexp, error) {
	if cutRepetition.MatchString(entry) {
		return nil, errors.New("a comma ends an expression, even between braces")
	}
	return regexp.Compile(entry)
}
