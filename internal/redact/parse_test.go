package redact

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
)

// net/url cuts a URL at the first number sign, also in a password, and quotes what
// stands before it as a host and a port.
func TestPolicyPasswordsThatParseErrorsCut(t *testing.T) {
	for _, row := range []struct{ url, want, reason string }{
		{"redis://:p#ss@cache.example:6379/0", `parse "redis://:REDACTED": invalid port "REDACTED" after host`, "no host is empty"},
		{"redis://:hunter2#ss@cache.example:6379/0", `parse "redis://:REDACTED": invalid port "REDACTED" after host`, "the same"},
		{"postgres://app:hunter2#ss@db.example/x", `parse "postgres://app:REDACTED": invalid port "REDACTED" after host`, "nothing follows what would be the port"},
		{`redis://:hun"t\er2#ss@h`, `parse "redis://:REDACTED": invalid port "REDACTED" after host`, "quotes are escaped in it"},
		{"redis://:[hunter2#ss@h", "", "a bracket makes it an address"},
		{"redis://:hunter2/x#ss@h", `parse "redis://:REDACTED": invalid port "REDACTED" after host`, "no host is empty, whatever follows"},
		{"redis://:hunter2?x#ss@h", `parse "redis://:REDACTED": invalid port "REDACTED" after host`, "the same"},
		{"https://h.example:port", `parse "https://h.example:port": invalid port ":port" after host`, "a placeholder"},
		{"https://h.example:$PORT", `parse "https://h.example:$PORT": invalid port ":$PORT" after host`, "a placeholder"},
		{"https://h.example:80a/x", `parse "https://h.example:80a/x": invalid port ":80a" after host`, "a path follows: it is a port"},
		{"https://u:hunter2@h.example:80a", `parse "https://REDACTED:REDACTED@h.example:80a": invalid port ":80a" after host`, "the password stands before the host"},
	} {
		_, err := url.Parse(row.url)
		if err == nil {
			t.Fatalf("%s: got no error, want one of net/url's", row.url)
		}
		var inner *url.Error
		if !errors.As(err, &inner) {
			t.Fatalf("%s: got %T, want a *url.Error", row.url, err)
		}
		p := New(Config{})
		for how, got := range map[string]string{
			"error": p.Error(err, nil), "wrapped": strings.TrimPrefix(p.Error(fmt.Errorf("config: %w", err), nil), "config: "),
			"formatted": strings.TrimPrefix(p.Error(fmt.Errorf("config:p %v", err), nil), "config:p "),
			"as a text": p.Text(err.Error()), "in JSON": strings.ReplaceAll(p.Text(strings.ReplaceAll(err.Error(), `"`, `\"`)), `\"`, `"`),
		} {
			want := row.want
			if how == "in JSON" {
				want = "" // the port is hidden, too
			}
			if strings.Contains(got, "hun") && !strings.ContainsAny(row.url, `"\`) || want != "" && got != want {
				t.Errorf("%s, %s: got %s, want %s: %s", row.url, how, got, row.want, row.reason)
			}
		}
	}
}
