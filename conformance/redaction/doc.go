// Package redaction tests through a Transport what may be recorded: by the corpus
// of package redact, by URLs as they go over the wire, as valid UTF-8, and without
// keeping more than is recorded.
package redaction
