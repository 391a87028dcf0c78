// Package conventions tests the rules of docs/conventions.md about spans,
// metrics, errors and old names. Its files follow that document's sections, and
// each test covers one rule.
package conventions
