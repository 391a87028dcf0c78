package hostport

import (
	"net/url"
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

func TestIsServer(t *testing.T) {
	for _, row := range []struct {
		connection, url string
		want            bool
		reason          string
	}{
		{"inventory.example:8080", "http://inventory.example:8080/", true, ""},
		{"inventory.example:80", "http://inventory.example/", true, "the port that the scheme implies"},
		{"inventory.example:443", "https://inventory.example", true, "the port that the scheme implies"},
		{"inventory.example:443", "http://inventory.example/", false, "the port of another scheme"},
		{"inventory.example:443", "https://Inventory.Example/", true, "names have no case"},
		{"inventory.example:18080", "http://inventory.example:8080/", false, "a port that ends alike"},
		{"inventory.example:8080", "http://inventory.example:18080/", false, "a port that ends alike"},
		{"my.inventory.example:80", "http://inventory.example/", false, "a name that ends alike"},
		{"proxy.example:3128", "http://inventory.example/", false, "a proxy"},
		{"inventory.example80", "http://inventory.example/", false, "no port"},
		{"80", "http://inventory.example/", false, "no host"},
		{":80", "http://inventory.example/", false, "no host"},
		{"", "http://inventory.example/", false, "nothing"},
		{"[::1]:8080", "http://[::1]:8080/", true, "an IPv6 address"},
		{"[::1]:443", "https://[::1]/", true, "an IPv6 address"},
		{"[::2]:443", "https://[::1]/", false, "another address"},
		{"[fe80::1%en0]:80", "http://[fe80::1%25en0]/", true, "an address with a zone"},
		{"inventory.example:70", "gopher://inventory.example/", false, "a scheme without a known port"},
	} {
		u, err := url.Parse(row.url)
		if err != nil {
			t.Fatal(err)
		}
		if got := IsServer(row.connection, u); got != row.want {
			t.Errorf("IsServer(%q, %s): got %v, want %v: %s", row.connection, u, got, row.want, row.reason)
		}
	}
	if IsServer("inventory.example:80", nil) {
		t.Error("IsServer of no URL: got true, want false")
	}
}
