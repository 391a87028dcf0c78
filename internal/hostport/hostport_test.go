package hostport

import (
	"strings"
	"testing"
)

func TestHosts(t *testing.T) {
	for _, c := range []struct {
		hostport, scheme, host string
		port                   int
	}{
		{"example.com", "https", "example.com", 443},
		{"example.com:8080", "http", "example.com", 8080},
		{"[::1]:8080", "http", "::1", 8080},
		{"[fe80::1%25eth0]:80", "http", "fe80::1", 80},
		{"[fe80::1%eth0]", "http", "fe80::1", 80},
		{"bücher.example", "http", "xn--bcher-kva.example", 80},
		{"bücher.example:8080", "https", "xn--bcher-kva.example", 8080},
		{"bücher.example\r\nX: y", "http", "", 0},
		{"a_b.example", "http", "a_b.example", 80},
		{"a?b", "http", "", 0},
		{"a b", "http", "", 0},
		{"u@h", "http", "", 0},
		{"u:pw@h:80", "http", "", 0},
		{"u:secret", "http", "", 0},
		{"h/path", "http", "", 0},
		{"h\x00", "http", "", 0},
		{"h\xff", "http", "", 0},
		{"token=abc", "http", "", 0},
		{"", "http", "", 0},
		{strings.Repeat("a", 253) + ":80", "http", strings.Repeat("a", 253), 80},
		{strings.Repeat("a", 254), "http", "", 0},
		{strings.Repeat("é", 1<<20), "http", "", 0}, // converting it takes quadratic time
	} {
		if host, port := Split(c.hostport, c.scheme); host != c.host || port != c.port {
			t.Errorf("Split(%q, %q): got %q, %d, want %q, %d", c.hostport, c.scheme, host, port, c.host, c.port)
		}
	}
}
