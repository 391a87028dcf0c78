package hostport

import (
	"net/url"
	"strings"
	"testing"
)

func TestWire(t *testing.T) {
	for _, row := range []struct {
		u      url.URL
		want   string
		reason string
	}{
		{url.URL{Scheme: "http", Host: "h", Path: "/a%2fb"}, "http://h/a%252fb", "a URL that is not opaque stays"},
		{url.URL{Scheme: "http", Host: "h", Opaque: "/a%2fb", RawQuery: "x", Fragment: "f"}, "http://h/a%2fb?x#f", "the escaping of the path stays"},
		{url.URL{Scheme: "http", Host: "h", Opaque: "/a?x=1", RawQuery: "y=2"}, "http://h/a?x=1?y=2", "net/http appends the query to Opaque"},
		{url.URL{Scheme: "http", Host: "h", Opaque: "/a?x=1", ForceQuery: true}, "http://h/a?x=1?", "and an empty query"},
		{url.URL{Scheme: "http", Host: "h", Opaque: "/a?"}, "http://h/a?", "an empty query stays"},
		{url.URL{Scheme: "http", Host: "h", Opaque: "?x=1"}, "http://h/?x=1", "a query alone"},
		{url.URL{Scheme: "http", Host: "h", Opaque: "//a.example"}, "http://a.example", "an absolute form has a host of its own"},
		{url.URL{Scheme: "http", Host: "h", Opaque: "//a.example:81?x=1"}, "http://a.example:81?x=1", "a question mark ends the host"},
		{url.URL{Scheme: "http", Host: "h", Opaque: "//u:p?w@a.example/b@c"}, "http://u:p%3Fw@a.example/b@c", "only a slash surely ends a password"},
		{url.URL{Scheme: "http", Host: "h", Opaque: "u:pw@x/y"}, "http://u:pw@h/x/y", "what stands before an @ is no path"},
		{url.URL{Scheme: "http", Host: "h", Opaque: "/u:pw@x/y"}, "http://h/u:pw@x/y", "but in a path it is part of it"},
		{url.URL{Scheme: "http", Host: "h", Opaque: "/a", User: url.UserPassword("u", "p")}, "http://u:p@h/a", "net/http sends the user name"},
		{url.URL{Scheme: "http", Opaque: "/a"}, "http:/a", "without a host nothing is made up"},
		{url.URL{Scheme: "http", Opaque: "u:pw@x/y"}, "http:u:pw@x/y", "the beginning may be a host"},
		{url.URL{Scheme: "http", Host: "h", Opaque: "/ü \xff\n%zz%2F#<>"}, "http://h/%C3%BC%20%FF%0A%25zz%2F%23%3C%3E", "what a path cannot hold is escaped"},
		{url.URL{Scheme: "s3", Host: "h", Opaque: "//bucket/key"}, "s3://bucket/key", "another scheme stays"},
	} {
		before := row.u
		if got := Wire(&row.u).String(); got != row.want {
			t.Errorf("%#v: got %s, want %s: %s", row.u, got, row.want, row.reason)
		}
		if row.u != before {
			t.Errorf("the caller's URL: got %#v, want it as it was: %#v", row.u, before)
		}
	}
	if got := Wire(nil); got != nil {
		t.Errorf("nil: got %v, want nil", got)
	}
	// A time that grows faster than the length would exceed the time limit of all tests.
	for _, part := range []string{"/", "@", "%", "%2", "?", "#", "\xff", "//:@"} {
		long := strings.Repeat(part, 1<<20)
		if got := Wire(&url.URL{Scheme: "http", Host: "h", Opaque: long}).String(); len(got) > 4*len(long) {
			t.Errorf("%q: got %d bytes, want at most %d", part, len(got), 4*len(long))
		}
	}
}

// Wire keeps what net/http writes in the request line.
func FuzzWire(f *testing.F) {
	for _, text := range []string{"", "a/b", "%2F%zz", "u:pw@h", "?x=1&y", "#f", "ü\xff\n", `\"<>{}`} {
		f.Add("/"+text, text)
		f.Add("//h/"+text, text)
		f.Add(text, "")
	}
	f.Fuzz(func(t *testing.T, opaque, query string) {
		u := &url.URL{Scheme: "http", Host: "h.example", Opaque: opaque, RawQuery: query}
		w := Wire(u)
		if w.Opaque != "" || opaque != "" && len(w.String()) > 4*len(u.String())+20 {
			t.Errorf("%q: got %#v, want a structured URL of about the same length", opaque, w)
		}
		if opaque == "" || opaque[0] != '/' {
			return
		}
		target := u.RequestURI()
		parsed, err := url.ParseRequestURI(target)
		if err != nil || strings.ContainsFunc(target, func(c rune) bool { return c >= 0x80 }) || strings.ContainsAny(target, "#@") || parsed.RequestURI() != strings.TrimPrefix(target, "http://"+parsed.Host) {
			return // no URL
		}
		got := w.RequestURI()
		if strings.HasPrefix(opaque, "//") {
			got = w.String()
		}
		if got != target {
			t.Errorf("%q %q: got %q, want as net/http writes it: %q", opaque, query, got, target)
		}
	})
}
