package redact

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/otelhttpclient/otelhttpclient/internal/foreign"
	"github.com/otelhttpclient/otelhttpclient/internal/redact/layer"
	"github.com/otelhttpclient/otelhttpclient/internal/redact/secret"
	"github.com/otelhttpclient/otelhttpclient/internal/redact/splice"
)

// The fuzzers put a secret where credentials are found, surround it with
// arbitrary text, and look for it in what is recorded. Run one with
//
//	go test -run='^$' -fuzz='^FuzzURL$' -fuzztime=10m ./internal/redact

// planted is what must never be recorded. No escaping changes it.
const planted = "hunter2hunter2"

// placed returns a URL with the secret in one of many places.
func placed(place uint8, before, after, key string) string {
	// Credentials in front of a host end where the authority does.
	user := strings.NewReplacer("/", "", "?", "", "#", "", `\`, "").Replace(before)
	nested := "https://u:" + planted + "@nested.example/"
	switch place % 25 {
	case 0:
		return "https://example.com/p?" + before + "&" + key + "=" + planted + after
	case 1:
		return "https://example.com/p?" + key + "=" + planted + after
	case 2:
		return "https://example.com/p?" + before + ";" + key + "=" + planted + after
	case 3:
		return "https://example.com/p#" + before + "&" + key + "=" + planted + after
	case 4:
		return "https://" + user + ":" + planted + "@example.com/" + after
	case 5:
		return "https://example.com/p?" + before + "&" + key + "=" + planted + "&" + key + "=" + planted + after
	case 6:
		return "https://example.com/p?next=" + url.QueryEscape("https://other.example/?x=1&"+key+"="+planted+after)
	case 7:
		return "https://example.com/p?next=" + url.QueryEscape(url.QueryEscape("https://other.example/?"+key+"="+planted))
	case 8:
		return "https://example.com/p?user%5B" + key + "%5D=" + planted + after
	case 9:
		return "https://example.com/p?user[" + key + "]=" + planted + after
	case 10:
		return "https://example.com/proxy/" + nested + after
	case 11:
		return "https://example.com/p?" + before + "&next=" + nested + after
	case 12:
		return "https://example.com/p?" + before + "&next=" + url.QueryEscape(nested) + after
	case 13:
		return "https:" + user + ":" + planted + "@example.com/" + after
	case 14:
		return "https://example.com/p?" + before + "&" + everyByteEscaped(key) + "=" + planted + after
	case 15:
		return "https:/" + user + ":" + planted + "@example.com/" + after
	case 16:
		return "https:///" + user + ":" + planted + "@example.com/" + after
	case 17:
		return "https://example.com/p?" + before + "&" + nested + after
	case 18:
		return "https://example.com/proxy/" + strings.Replace(nested, "//", "/", 1) + after
	case 19:
		return "https://example.com/proxy/" + url.PathEscape(nested) + after
	case 20:
		return "https://example.com/p;" + key + "=" + planted + after
	case 21:
		return "https://example.com/p?" + url.QueryEscape(key+"="+planted) + "&" + before + after
	case 22:
		return "https://example.com/p%3F" + key + "%3D" + planted + after
	case 23:
		// What net/url takes for a port.
		return "https://" + user + ":" + planted + "/x@example.com/" + after
	default:
		return "//" + user + ":" + planted + "@example.com/" + after
	}
}

// sensitiveKey is a name whose value is always hidden, in one of the cases that
// it may be written in.
func sensitiveKey(n uint8) string {
	var names []string
	for _, entry := range DefaultQuery() {
		if entry != "key?" && entry != "code?" {
			names = append(names, strings.Trim(entry, "*?"))
		}
	}
	name := names[int(n)%len(names)]
	switch n % 3 {
	case 1:
		return strings.ToUpper(name)
	case 2:
		return strings.ToLower(name)
	}
	return name
}

func everyByteEscaped(s string) string {
	var b strings.Builder
	for i := range len(s) {
		fmt.Fprintf(&b, "%%%02X", s[i])
	}
	return b.String()
}

// leaks reports whether a text holds the secret, escaped or not.
func leaks(text string) bool {
	return strings.Contains(text, planted) || strings.Contains(layer.DecodeFully(text), planted)
}

// harmless reports whether a text surely holds nothing that has to be hidden. It
// is stricter than the policy.
func harmless(text string) bool {
	written := text
	if _, ok := (layer.Text{S: layer.DecodeFully(text)}).Decode(0, len(layer.DecodeFully(text)), layer.Percent); ok {
		return false // encoded too often to be searched
	}
	for range 4 {
		text = layer.DecodeFully(text)
		if l, ok := (layer.Text{S: text}).Decode(0, len(text), layer.Escapes); ok {
			text = l.S
		}
	}
	text += " " + written // \token is a tab and oken, or a name
	if strings.ContainsAny(text, "@[{") || strings.Contains(text, "  ") {
		return false
	}
	text = strings.ToLower(strings.Map(func(c rune) rune {
		if c <= ' ' || c == 0x7f || strings.ContainsRune("-_.+", c) {
			return -1
		}
		return c
	}, text))
	for _, entry := range DefaultQuery() {
		if strings.Contains(text, strings.ToLower(strings.NewReplacer("*", "", "?", "", "-", "", "_", "").Replace(entry))) {
			return false
		}
	}
	words := strings.FieldsFunc(text, func(c rune) bool { return c > 0x7f || !secret.IsWordByte(byte(c)) })
	for _, word := range words {
		if len(word) >= 6 && strings.ContainsAny(word, "0123456789") {
			return false
		}
	}
	return !containsFold(text, "bearer", "basic", "negotiate", "ntlm", "cookie", "begin", "hook", "/bot", "invalidport", "form", "user", "sk", "xo")
}

var fuzzTexts = []struct{ before, after string }{
	{"", ""}, {"a=b", "&c=d"}, {"a", ";x"}, {"%zz", "%"}, {"%00", "%2"}, {"a=b;c=d", "#token=1"}, {"?", "?"},
	{"a=%26token%3d", "%26"}, {" ", " "}, {"\x00", "\n"}, {"[::1]", "/"}, {"@", "@"}, {"u:p@", "://a:b@c"},
	{"&&&", "&&&"}, {"=", "="}, {"ü", "\xff"}, {"a=https://b", "c"}, {"token=1", "&token=2"}, {"%25", "%2525"},
	{`a\`, `\b`}, {"a#b", "#c"}, {"+", "+"}, {`{"a":`, `}`}, {"a~b", "~"},
}

var fuzzFilters = []func(*url.URL) *url.URL{
	nil,
	func(u *url.URL) *url.URL { u.RawQuery = ""; return u },
	func(u *url.URL) *url.URL { return u },
	func(u *url.URL) *url.URL { return nil },
}

func FuzzURL(f *testing.F) {
	for i, s := range fuzzTexts {
		for place := range uint8(25) {
			f.Add(place, s.before, s.after, uint8(i)*7+place, false)
		}
		f.Add(uint8(i), s.before, s.after, uint8(i), true)
	}
	p := New(Config{})
	f.Fuzz(func(t *testing.T, place uint8, before, after string, key uint8, asFields bool) {
		name := sensitiveKey(key)
		raw := placed(place, before, after, name)
		u, err := url.Parse(raw)
		if asFields || err != nil {
			switch place % 8 {
			case 0:
				u = &url.URL{Scheme: "https", Host: "example.com", RawQuery: before + "&" + name + "=" + planted + after}
			case 1:
				u = &url.URL{Scheme: "https", Host: "example.com", Path: before, User: url.UserPassword(after, planted)}
			case 2:
				u = &url.URL{Scheme: "https", Host: before + ":" + planted + "@example.com" + after}
			case 3:
				u = &url.URL{Scheme: "https", Host: "example.com", Opaque: "//" + strings.ReplaceAll(before, "/", "") + ":" + planted + "@example.com/"}
			case 4:
				u = &url.URL{Scheme: "https", Host: "example.com", Opaque: "/" + before + "?" + name + "=" + planted + after}
			case 5:
				u = &url.URL{Scheme: "https", Host: "example.com", Fragment: before + "&" + name + "=" + planted + after}
			case 6:
				u = &url.URL{Scheme: "https", Host: "example.com", User: url.User(planted), Path: "/" + before, RawPath: after}
			default:
				u = &url.URL{Scheme: "https", Host: "example.com", Path: "/p", RawQuery: name + "=" + planted + after, Fragment: before, RawFragment: after}
			}
		}
		written := u.String()
		got := p.URL(u)
		if want := p.searched(u, u); got != want {
			t.Errorf("%q: got %q on the short way, want %q as on the long one", written, got, want)
		}
		if leaks(got) {
			t.Errorf("%q: got the secret in %q, want none of it", written, got)
		}
		if len(got) > 4*len(written)+100 {
			t.Errorf("%q: got %d bytes, want a small multiple of %d", written, len(got), len(written))
		}
		if again := u.String(); again != written {
			t.Errorf("the caller's URL: got %q afterwards, want %q", again, written)
		}
		for _, u := range []*url.URL{
			{Scheme: "https", Host: "example.com", Path: "/" + before, RawQuery: after},
			{Scheme: "https", Host: "example.com", Path: "/", RawQuery: before + "=" + after, Fragment: after},
			{Scheme: "https", Host: "example.com", Path: "/" + before, RawPath: "/" + after, ForceQuery: asFields},
			{Scheme: "http", Host: before, Path: after},
			{Scheme: "http", Host: "h", Path: "/" + before, RawQuery: "a=" + after},
		} {
			if got, want := p.URL(u), p.searched(u, u); got != want {
				t.Errorf("%#v: got %q on the short way, want %q as on the long one", u, got, want)
			}
			if written := u.String(); harmless(before+" "+after) && harmless(written) {
				if got := p.URL(u); got != foreign.URL(written) {
					t.Errorf("a URL without secrets: got %q, want it as written: %q", got, written)
				}
			}
		}
	})
}

// textForms are the ways in which texts write a name and a secret.
var textForms = []string{
	"<k>=<s>", `<k>="<s>"`, `"<k>": "<s>"`, `"<k>":"<s>"`, `'<k>': '<s>'`, `{\"<k>\":\"<s>\"}`, `{\\\"<k>\\\":\\\"<s>\\\"}`, `<k>: "<s>"`,
	"x=1&<k>=<s>&y=2", `x=1\u0026<k>=<s>`, "<k>: <s>34567", "Authorization: Basic <s>", "authorization: Bearer <s>", "Cookie: a=<s>", "X-Api-Key: <s>",
	"Bearer <s>34", "basic <s>34", "map[<k>:[<s>] X:[y]]", "map[Authorization:[Bearer <s>]]", "AccountName=x;<k>=<s>;X=y", "{<k>=<s>, user=x}",
	"https://u:<s>@h.example/", "https://h.example/?<k>=<s>", `Get "https://h.example/#<k>=<s>": EOF`, "postgres://u:<s>@h/db", `https:\/\/u:<s>@h\/`,
	"-----BEGIN PRIVATE KEY-----\n<s>\n-----END PRIVATE KEY-----", "body: %7B%22<k>%22%3A%22<s>%22%7D", `"Authorization: Basic <s>\r\nHost: x\r\n"`,
	"https://h/?next=https%3A%2F%2Fh%2F%3F<k>%3D<s>", `{"Authorization":["Bearer <s>"]}`, `--<k>=<s>`, `<k> => "<s>"`, `<k> := <s>`,
	"form-data; name=\"<k>\"\r\n\r\n<s>\r\n--x", "a: b\n<k>: <s>\nc: d", "a:\n  <k>: <s>", "a:\n- <k>: |\n    <s>\n", "- name: <k>\n  value: <s>\n",
}

func textWith(form, key uint8) string {
	return strings.NewReplacer("<k>", sensitiveKey(key), "<s>", planted).Replace(textForms[int(form)%len(textForms)])
}

func FuzzText(f *testing.F) {
	for i, s := range fuzzTexts {
		for form := range uint8(len(textForms)) {
			f.Add(form, s.before, s.after, uint8(i)*7+form)
		}
	}
	p := New(Config{})
	f.Fuzz(func(t *testing.T, form uint8, before, after string, key uint8) {
		text := before + "\n" + textWith(form, key) + "\n" + after
		got := p.Text(text)
		if leaks(got) {
			t.Errorf("%q: got the secret in %q, want none of it", text, got)
		}
		if len(got) > maxText {
			t.Errorf("%q: got %d bytes, want at most %d", text, len(got), maxText)
		}
		if !utf8.ValidString(got) {
			t.Errorf("%q: got %q, want UTF-8", text, got)
		}
		for _, word := range append(strings.FieldsFunc(textWith(form, key), func(c rune) bool { return c > 'z' || !plainBytes[c] }), before, after, before+after) {
			if got, want := p.Text(word), p.searchedText(word, maxTextInput, maxText); got != want {
				t.Errorf("%q: got %q on the short way, want %q as on the long one", word, got, want)
			}
		}
		if text := before + " " + after; len(text) < maxText && harmless(text) {
			if got := p.Text(text); got != splice.Cut(foreign.Text(text), maxText) {
				t.Errorf("a text without secrets: got %q, want %q", got, text)
			}
		}
	})
}

func FuzzError(f *testing.F) {
	for i, s := range fuzzTexts {
		for place := range uint8(25) {
			f.Add(place, s.before, s.after, uint8(i)*7+place, uint8(i)+place)
		}
	}
	f.Fuzz(func(t *testing.T, place uint8, before, after string, key, shape uint8) {
		raw := placed(place, before, after, sensitiveKey(key))
		requested, err := url.Parse(raw)
		if err != nil || requested.Host == "" || shape&1 != 0 {
			requested = &url.URL{Scheme: "https", Host: "example.com", Path: "/"}
		}
		known := true // what the secret is
		var failure error
		switch shape >> 1 % 8 {
		case 0:
			failure = &url.Error{Op: "Get", URL: raw, Err: errors.New("broken")}
		case 1:
			failure = fmt.Errorf("proxy: %w", fmt.Errorf("upstream: %w", &url.Error{Op: "Get", URL: raw, Err: io.EOF}))
		case 2:
			failure = errors.Join(errors.New("first"), &url.Error{Op: "Get", URL: raw, Err: io.ErrUnexpectedEOF})
		default:
			known = requested.String() == raw
			failure = []error{
				errors.New("cannot get " + raw),
				fmt.Errorf("cannot get %s: %w", raw, io.ErrUnexpectedEOF),
				errors.Join(errors.New("first"), fmt.Errorf("GET %q failed", raw)),
				fmt.Errorf("<%s> (tried twice)", raw),
				fmt.Errorf("redirected to %q: %w", raw, fmt.Errorf("from %v", requested)),
			}[shape>>1%8-3]
		}
		p := New(Config{Filter: fuzzFilters[int(key)%len(fuzzFilters)]})
		// A text does not tell where a URL with such bytes ends.
		if strings.ContainsAny(raw, " \t\r\n\v\f\"<>`'\\\u0085\u00a0") && !known || len(failure.Error()) > maxTextInput {
			return
		}
		got := p.Error(failure, requested)
		if leaks(got) {
			t.Errorf("%q: got the secret in %q, want none of it", failure, got)
		}
		if len(got) > maxText {
			t.Errorf("%q: got %d bytes, want at most %d", failure, len(got), maxText)
		}
		if !utf8.ValidString(got) {
			t.Errorf("%q: got %q, want UTF-8", failure, got)
		}
		text := before + " " + after
		if len(text) < maxText && harmless(text) {
			if got := New(Config{}).Error(errors.New(text), nil); got != splice.Cut(foreign.Text(text), maxText) {
				t.Errorf("an error without secrets: got %q, want %q", got, text)
			}
		}
	})
}

func FuzzHeader(f *testing.F) {
	for i, s := range fuzzTexts {
		for place := range uint8(25) {
			f.Add(place, s.before, s.after, uint8(i)*7+place, uint8(i)+place)
		}
	}
	names := []string{
		"Location", "Content-Location", "Referer", "Link", "Refresh", "X-Original-Url", "Sourcemap", "Via",
		"Authorization", "Proxy-Authorization", "Cookie", "Set-Cookie", "X-Api-Key", "X-Auth-Token", "X-Amz-Security-Token", "Www-Authenticate",
	}
	request := &url.URL{Scheme: "https", Host: "example.com", Path: "/a/b"}
	f.Fuzz(func(t *testing.T, place uint8, before, after string, key, which uint8) {
		name := names[int(which)%len(names)]
		value := placed(place, before, after, sensitiveKey(key))
		odd := strings.ContainsAny(value, " \t\r\n\v\f\"<>`'\\\u0085\u00a0")
		switch {
		case name == "Www-Authenticate":
			value = before + `, Bearer token="` + planted + `"` + after
			odd = strings.ContainsAny(before, "\"'`\\\r\n[")
		case int(which)%len(names) >= 8:
			value = before + planted + after // the whole value is a secret
			odd = false
		case name == "Link":
			value = "</first>; rel=first, <" + value + ">; rel=\"next\""
		case name == "Refresh":
			value = "0; url=" + value
		case name == "Via":
			value = "1.1 proxy " + value
		case which&0x80 != 0 && strings.HasPrefix(value, "https://example.com"):
			value = strings.TrimPrefix(value, "https://example.com")
			odd = false
		default:
			odd = false // the whole value is a URL
		}
		if odd || len(value) > maxHeaderInput {
			return
		}
		p := New(Config{Filter: fuzzFilters[int(key)%len(fuzzFilters)]})
		values := []string{"plain", value}
		got := p.Header(name, values, request)
		if leaks(got[1]) {
			t.Errorf("%s: %q: got the secret in %q, want none of it", name, value, got[1])
		}
		if !utf8.ValidString(got[1]) {
			t.Errorf("%s: %q: got %q, want UTF-8", name, value, got[1])
		}
		if values[1] != value {
			t.Errorf("the header itself: got %q afterwards, want %q", values[1], value)
		}
		if plain := "https://example.com/" + before + "?" + after; harmless(before+" "+after) && harmless(plain) && len(plain) < maxHeader {
			if got := New(Config{}).Header("Location", []string{plain}, request)[0]; got != foreign.URL(plain) {
				t.Errorf("Location without secrets: got %q, want %q", got, foreign.URL(plain))
			}
		}
	})
}
