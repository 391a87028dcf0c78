package redact

import (
	"regexp"
	"strings"

	"github.com/otelhttpclient/otelhttpclient/internal/redact/secret"
)

var (
	// yamlLine matches the beginning of a line with a name.
	yamlLine = regexp.MustCompile(`^[ \t]*(?:- +)*["']?[\w./-]+["']?:(?:[ \t\r\n]|$)`)

	// yamlBlock matches the indicator of a value on the lines below.
	yamlBlock = regexp.MustCompile(`^[|>][-+1-9]{0,2}$`)

	// validationResult matches the result of a field's validation. A list of such
	// results looks like YAML.
	validationResult = regexp.MustCompile(`(?i)^(?:required|invalid|missing|expired|incorrect|wrong|empty|blank|unknown|denied|` +
		`rejected|revoked|malformed|mismatch|unauthorized|forbidden|failed|error|eof)[.!,;]?$`)
)

// yamlValue returns the range of a value in a block of YAML: one word up to the end of
// a line that is next to another line with a name, or the indented lines below. In a
// line of prose, other words precede the name or follow the value.
func (p *pair) yamlValue(v int) (start, end int) {
	s := p.s
	line := len(strings.TrimRight(s[:p.nameStart], " \t-\"'")) // start of the line
	begins := line == 0 || s[line-1] == '\n'
	if !begins && !p.block && !strings.HasSuffix(s[:p.nameStart], ": ") {
		return 0, 0
	}
	end, next := lineWord(s, v)
	switch word := s[v:end]; {
	case next < 0, word != "" && !p.spaced, validationResult.MatchString(word):
		return 0, 0
	case word == "" || yamlBlock.MatchString(word):
		if !begins {
			return 0, 0
		}
		return p.indentedValue(next, p.nameStart-line, word != "")
	case p.block, isYAMLLine(s[next:]):
	case !begins || line == 0 || !isYAMLLine(s[strings.LastIndexByte(s[:line-1], '\n')+1:]):
		return 0, 0
	}
	return p.rangeIfHidden(v, end)
}

// indentedValue returns the range of a value on the lines from next on that are
// indented by more than column: a word, or all these lines if it is a block.
func (p *pair) indentedValue(next, column int, block bool) (start, end int) {
	s := p.s
	for next < len(s) {
		begin := next + len(s[next:]) - len(strings.TrimLeft(s[next:], " \t"))
		isBlank := begin == len(s) || s[begin] == '\n' || s[begin] == '\r'
		if !isBlank && begin-next <= column || isBlank && !block {
			break
		}
		if !block {
			if s[begin] == '"' || s[begin] == '\'' {
				return p.quotedValue(begin)
			}
			end, next = lineWord(s, begin)
			if word := s[begin:end]; next < 0 || strings.HasSuffix(word, ":") || validationResult.MatchString(word) {
				return 0, 0
			}
			return p.rangeIfHidden(begin, end)
		}
		if start == 0 && !isBlank {
			start = begin
		}
		next = lineEnd(s, begin)
		if !isBlank {
			end = begin + len(strings.TrimRight(s[begin:next], " \t\r\n"))
		}
	}
	if start >= end {
		return 0, 0
	}
	return p.rangeIfHidden(start, end)
}

func isYAMLLine(s string) bool { return yamlLine.MatchString(s[:min(len(s), secret.MaxInspected)]) }

// lineWord returns the end of the word that s[i:] begins with, and the start of the
// next line, or -1 if another word follows.
func lineWord(s string, i int) (end, next int) {
	end = i
	for end < len(s) && s[end] > ' ' {
		end++
	}
	rest := strings.TrimLeft(s[end:], " \t\r")
	if rest != "" && rest[0] != '\n' && rest[0] != '#' {
		return end, -1
	}
	return end, lineEnd(s, len(s)-len(rest))
}

// lineEnd returns the start of the line after that of s[i].
func lineEnd(s string, i int) int {
	if n := strings.IndexByte(s[i:], '\n'); n >= 0 {
		return i + n + 1
	}
	return len(s)
}
