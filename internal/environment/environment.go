// Package environment reads lists and regular expressions from environment
// variables. It is given their names, and where to report what it cannot use. It does
// not know options.
package environment

import (
	"errors"
	"os"
	"regexp"
	"strings"
)

// Report reports a value that a variable cannot have.
type Report = func(variable, format string, args ...any)

// List returns the entries of a list, without space around them
// and without empty ones.
func List(variable string) (list []string) {
	for entry := range strings.SplitSeq(os.Getenv(variable), ",") {
		if entry = strings.TrimSpace(entry); entry != "" {
			list = append(list, entry)
		}
	}
	return list
}

var (
	// A star that repeats one character is rarely meant in the name of a header.
	starOfGlob = regexp.MustCompile(`(?:^|[^\\])[\w-]\*`)

	// What the list's comma cuts: a{1,2}.
	openRepetition = regexp.MustCompile(`[^\\]\{\d+$`)
)

// HeaderExpressions returns a list of headers, whose entries are names or regular
// expressions that match whole names in any case: the variables are those of
// OpenTelemetry for Python. It reports what it cannot use, and what looks like a
// pattern of another language. certain means that there is no such entry.
func HeaderExpressions(variable string, report Report) (list []*regexp.Regexp, certain bool) {
	certain = true
	for _, entry := range List(variable) {
		e, err := headerExpression(entry)
		if err == nil {
			list = append(list, e)
			if starOfGlob.MatchString(entry) {
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
		return nil, errors.New("no header has such a name")
	}
	if _, err := Expression(entry); err != nil {
		return nil, err
	}
	return regexp.Compile("(?i)^(?:" + entry + "|" + regexp.QuoteMeta(entry) + ")$")
}

// Expression compiles an entry of a comma-separated list.
func Expression(entry string) (*regexp.Regexp, error) {
	if openRepetition.MatchString(entry) {
		return nil, errors.New("a comma ends an expression, also between braces")
	}
	return regexp.Compile(entry)
}
