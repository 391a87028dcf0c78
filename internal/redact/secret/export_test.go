package secret

import "iter"

// Rules returns the names and the patterns of the rules.
func Rules() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for _, rule := range valueRules {
			if !yield(rule.name, rule.pattern) {
				return
			}
		}
	}
}
