package redact

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

func BenchmarkURL(b *testing.B) {
	p := New(Config{})
	for _, row := range []struct{ name, url string }{
		{"no query", "https://inventory.example.com/items/42"},
		{"no secrets", "https://inventory.example.com/items/42?limit=10&page=2"},
		{"long parts", "https://inventory.example.com/items/3f2b8c1e-9d4a-4b6f-8a51-0c7d2e9f1b34?trace=4bf92f3577b34da6a3ce929d0e0e4736"},
		{"encoded", "https://inventory.example.com/items/42?q=caf%C3%A9%20au%20lait"},
		{"secrets", "https://user:password@inventory.example.com/items/42?limit=10&sig=abcdef"},
		{"nested", "https://inventory.example.com/login?next=https%3A%2F%2Fuser%3Apassword%40h.example%2F%3Ftoken%3Dabc"},
	} {
		u, err := url.Parse(row.url)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(row.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_ = p.URL(u)
			}
		})
		b.Run(row.name+"/String alone", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_ = u.String()
			}
		})
	}
}

func BenchmarkError(b *testing.B) {
	p := New(Config{})
	u, _ := url.Parse("https://h.example/items/42?token=abc")
	for _, row := range []struct {
		name string
		err  error
	}{
		{"short", errors.New("EOF")},
		{"dial", errors.New("dial tcp 10.0.0.1:443: connect: connection refused")},
		{"url.Error", &url.Error{Op: "Get", URL: u.String(), Err: errors.New("dial tcp 10.0.0.1:443: connect: connection refused")}},
		{"oauth2", errors.New(`oauth2: cannot fetch token: 401 Unauthorized` + "\n" + `Response: {"error":"invalid_grant","access_token":"abcdef"}`)},
	} {
		b.Run(row.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_ = p.Error(row.err, u)
			}
		})
	}
}

func BenchmarkHeader(b *testing.B) {
	p := New(Config{})
	for _, row := range []struct{ name, value string }{
		{"Content-Type", "application/json"}, {"Location", "https://example.com/?sig=abc"}, {"Authorization", "Bearer abc"},
		{"Via", "1.1 proxy.example (squid/5.7)"},
	} {
		b.Run(row.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_ = p.Header(row.name, []string{row.value}, nil)
			}
		})
	}
}

// hostile are shapes that take a time beyond their length where they are
// searched once for each place that they might begin at.
var hostile = map[string]string{
	"letters": "a", "digits": "1", "spaces": " ", "quotes": `"`, "backslashes": `\`, "brackets": "[", "braces": "{",
	"at signs": "://a:b@", "schemes": "http:", "slashes": "/", "percent signs": "%25", "percent signs twice": "%2525", "encoded at signs": "%2F%2Fa%3Ab%40;c=",
	"pairs": "a=b&", "tokens": "token=a&", "token names": "token=", "token names, encoded": "token%3D", "token names twice encoded": "token%253D", "headers": "Authorization: ", "lists": "token:[", "named values": "name=token value=[", "quoted tokens": `"token":"`,
	"escaped tokens": `\"token\":\"`, "bearers": "Bearer abcdefghijklmnop1 ", "bearer": "bearer ", "keys": "-----BEGIN PRIVATE KEY-----", "JSON Web Tokens": "eyJhbGciOiJI.eyJzdWIiOiIx.a ", "AWS keys": "AKIAIOSFODNN7EXAMPLE ",
	"webhooks": "hooks.slack.com/services/T/B/x ", "bots": "/bot1:a", "nested URLs": "?next=http://h/", "encoded URLs": "?next=http%3A%2F%2Fh%2F", "encoded twice": "?next=http%253A%252F%252Fh%252F%253Ftoken%253Da&", "semicolons": ";token=a",
	"parts of REDACTED": "RED TED ACT ", "structs": "{Token:a ", "ports": `invalid port "`, "forms": `form-data; name="token"` + "\r\n", "plus signs": "a=+b+c&", "ampersands": "&amp;", "JSON": `{"a":{"token":"b"},`, "invalid UTF-8": "\xff", "runes": "é",
	"connection strings": "sb://h/;a=b;", "commas": "token=a,b=", "tildes": "~hmac=a", "entities": "&#38;token&#61;a", "unicode escapes": `\u0026token\u003da`, "printed URLs": "{https  u:p h ",
	"JSON Web Tokens' beginnings": "eyJabcdef-", "base64's beginnings": "LS0tLS1CRUdJTiBQUklWQVRF+", "AWS keys' beginnings": "ABSK+",
	"ambiguous names": "key=", "ambiguous names, encoded": "key=%41;", "ambiguous names, encoded badly": "key=%;", "ambiguous names with tildes": "~key=%41", "ambiguous lists": "key=[",
	"ports of users": `invalid port \"User:a Host:`, "headers of users": `invalid header field value \"User:a Host:`, "users": "User:a ", "URLs": "a://b ", "URLs with parameters": "a://b;c=d; ",
	"escaped URLs": `http:\/\/u:p@h\/`, "names of codes": "key=~", "names of codes with values": "key=a~", "names after equals": "a=token=", "passwords of nested URLs": "http:/x:y/", "dots": "/./", "backslashes of nested URLs": `a:\\`, "slashes in nested passwords": "http:/u:p/", "opening brackets": "http://(", "closing brackets": "http://a)))))))))) ", "links": "<a>;",
	"URLs that were parsed": `parse "redis://:a`, "errors of parsed URLs": `parse "a://:b": invalid port ":b" after host `, "escaped errors of parsed URLs": `parse \"a://:b\": invalid port \":b\" after host `, "booleans": "auth=true,",
	"YAML": "token: a\n", "blocks of YAML": "token: |\n", "blocks of YAML with lines": " token: |\n  a\n\n", "empty lines of YAML": "token:\n\n", "indented YAML": "\n          token:", "names of YAML": ": token: a", "variables of YAML": "- name: token\n  value: a\n", "dashes of YAML": "- - token: ", "bearers of nothing": "bearer x=",
}

// ends make a failure of what has seemed a match up to there.
var ends = map[string]string{
	"JSON Web Tokens' beginnings": ".a", "base64's beginnings": "=a", "AWS keys' beginnings": "=a",
}

func BenchmarkHostile(b *testing.B) {
	p := New(Config{})
	for name, part := range hostile {
		for _, size := range []int{64 << 10, 256 << 10, 1 << 20} {
			text := strings.Repeat(part, size/len(part))
			u := &url.URL{Scheme: "https", Host: "h.example", Path: "/" + text, RawQuery: text, Fragment: text}
			err := &url.Error{Op: "Get", URL: u.String(), Err: errors.New(text)}
			b.Run(fmt.Sprintf("%s/%d KiB", name, size>>10), func(b *testing.B) {
				for b.Loop() {
					_ = p.URL(u)
					_ = p.Error(err, u)
					_ = p.Header("Location", []string{text}, u)
					_ = p.Header("Via", []string{text}, u)
				}
			})
		}
	}
}

// A time beyond the length of the input takes seconds for some of these shapes.
func TestPolicyTimeIsLinear(t *testing.T) {
	if oteltest.RaceEnabled {
		t.Skip("the race detector multiplies all times")
	}
	p := New(Config{Filter: func(u *url.URL) *url.URL { return u }})
	const (
		size   = 48 << 10
		enough = 5 * time.Second // some 10 ms are needed
	)
	for name, part := range hostile {
		t.Run(name, func(t *testing.T) {
			text := strings.Repeat(part, size/len(part)) + ends[name]
			u := &url.URL{Scheme: "https", Host: "h.example", Path: "/", RawQuery: text}
			step := func(what string, most int, record func() string) {
				t.Helper()
				var took time.Duration
				for range 3 { // something else may run on this machine
					start := time.Now()
					got := len(record())
					if took = time.Since(start); got > most {
						t.Errorf("%s: got %d bytes, want at most %d", what, got, most)
					}
					if took < enough {
						return
					}
				}
				t.Errorf("%s: took %v, want a time in proportion to the length, and at most %v", what, took, enough)
			}
			step("URL", 4*len(u.String())+100, func() string { return p.URL(u) })
			step("text", maxText, func() string { return p.redactText(text, len(text), maxText) })
			step("url.Error", maxText, func() string {
				return p.Error(&url.Error{Op: "Get", URL: u.String(), Err: errors.New(text)}, u)
			})
			for _, header := range []string{"Location", "Link", "Refresh", "Via", "Cookie"} {
				step(header, maxHeader, func() string { return p.Header(header, []string{text}, u)[0] })
			}
		})
	}
}

func TestPolicyTimeOfFilteredURLsIsBounded(t *testing.T) {
	calls := 0
	p := New(Config{Filter: func(u *url.URL) *url.URL {
		calls++
		if len(u.Path) > 1<<20 {
			u.Path = strings.Repeat("/x", len(u.Path)/2) + "/abc"
		}
		return u
	}})
	long := &url.URL{Scheme: "https", Host: "h.example", Path: strings.Repeat("/abc", 1<<19)}
	for name, record := range map[string]func() string{
		"error: each segment is in the text and at the end of what the filter returns": func() string { return p.Error(errors.New("abc"), long) },
		"Link: each reference is resolved against a long URL":                          func() string { return p.Header("Link", []string{strings.Repeat("<a>,", 1<<10)}, long)[0] },
	} {
		calls = 0
		_ = record()
		if calls > 10 {
			t.Errorf("%s: got %d calls of the filter, want at most 10 for a URL of this length", name, calls)
		}
	}
	calls = 0
	request := &url.URL{Scheme: "https", Host: "h.example", Path: "/a"}
	link := strings.Repeat("</items?page=2>; rel=next, ", 100)
	if got := p.Header("Link", []string{link}, request)[0]; got != link || calls < 100 {
		t.Errorf("Link: got %q and %d calls of the filter, want it as written and 100 calls", got, calls)
	}
}

func TestPolicyHeaderIsBounded(t *testing.T) {
	p := New(Config{})
	for _, header := range []string{"Location", "Link", "Refresh", "Via"} {
		values := slices.Repeat([]string{strings.Repeat("/a/plain/path ", 1<<9)}, maxHeaderValues+1)
		got := p.Header(header, values, nil)
		if len(got) != maxHeaderValues {
			t.Errorf("%s: got %d values, want %d", header, len(got), maxHeaderValues)
		}
		for _, v := range got {
			if len(v) > maxHeader {
				t.Errorf("%s: got %d bytes, want at most %d", header, len(v), maxHeader)
			}
		}
	}
}

// What is recorded is kept until it is exported. It must not keep the input.
func TestPolicyKeepsNoInput(t *testing.T) {
	p := New(Config{})
	long := strings.Repeat("a plain text ", 1<<17)
	for name, record := range map[string]func() string{
		"text":     func() string { return p.Text(long) },
		"error":    func() string { return p.Error(errors.New(long), nil) },
		"header":   func() string { return p.Header("Via", []string{long}, nil)[0] },
		"location": func() string { return p.Header("Location", []string{long[:maxURL/2]}, nil)[0] },
	} {
		got := record()
		if at := uintptr(unsafe.Pointer(unsafe.StringData(got))) - uintptr(unsafe.Pointer(unsafe.StringData(long))); at < uintptr(len(long)) {
			t.Errorf("%s: got a part of the %d bytes of input, want a copy", name, len(long))
		}
	}
}
