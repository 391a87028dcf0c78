package otelhttpclient_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/oteltest"
	"github.com/otelhttpclient/otelhttpclient/internal/oteltest/instrumented"
)

// The fuzzers put a secret where credentials are found, surround it with
// whatever the fuzzer likes, and look for it in everything that is exported.
// Run one with
//
//	go test -run='^$' -fuzz='^FuzzRecordedURL$' -fuzztime=10m .

// secret is what must never be exported. No escaping changes it.
const secret = "hunter2hunter2"

// placed is a URL with the secret in the place that a number chooses. The
// texts stand around it as far as they can without moving it to a place where
// nobody would look for a credential.
func placed(place uint8, before, after, key string) string {
	// Credentials in front of a host end where the authority does.
	user := strings.NewReplacer("/", "", "?", "", "#", "", "\\", "").Replace(before)
	nested := "https://u:" + secret + "@nested.example/"
	switch place % 25 {
	case 0:
		return "https://example.com/p?" + before + "&" + key + "=" + secret + after
	case 1:
		return "https://example.com/p?" + key + "=" + secret + after
	case 2:
		return "https://example.com/p?" + before + ";" + key + "=" + secret + after
	case 3:
		return "https://example.com/p#" + before + "&" + key + "=" + secret + after
	case 4:
		return "https://" + user + ":" + secret + "@example.com/" + after
	case 5:
		return "https://example.com/p?" + before + "&" + key + "=" + secret + "&" + key + "=" + secret + after
	case 6:
		return "https://example.com/p?next=" + url.QueryEscape("https://other.example/?x=1&"+key+"="+secret+after)
	case 7:
		return "https://example.com/p?next=" + url.QueryEscape(url.QueryEscape("https://other.example/?"+key+"="+secret))
	case 8:
		return "https://example.com/p?user%5B" + key + "%5D=" + secret + after
	case 9:
		return "https://example.com/p?user[" + key + "]=" + secret + after
	case 10:
		return "https://example.com/proxy/" + nested + after
	case 11:
		return "https://example.com/p?" + before + "&next=" + nested + after
	case 12:
		return "https://example.com/p?" + before + "&next=" + url.QueryEscape(nested) + after
	case 13:
		return "https:" + user + ":" + secret + "@example.com/" + after
	case 14:
		return "https://example.com/p?" + before + "&" + everyEscaped(key) + "=" + secret + after
	case 15:
		return "https:/" + user + ":" + secret + "@example.com/" + after
	case 16:
		return "https:///" + user + ":" + secret + "@example.com/" + after
	case 17:
		return "https://example.com/p?" + before + "&" + nested + after
	case 18:
		return "https://example.com/proxy/" + strings.Replace(nested, "//", "/", 1) + after
	case 19:
		return "https://example.com/proxy/" + url.PathEscape(nested) + after
	case 20:
		return "https://example.com/p;" + key + "=" + secret + after
	case 21:
		return "https://example.com/p?" + url.QueryEscape(key+"="+secret) + "&" + before + after
	case 22:
		return "https://example.com/p%3F" + key + "%3D" + secret + after
	case 23:
		// What net/url takes for a port.
		return "https://" + user + ":" + secret + "/x@example.com/" + after
	default:
		return "//" + user + ":" + secret + "@example.com/" + after
	}
}

// sensitiveKey is one of the names whose values are never recorded, in one of
// the cases that it may be written in.
func sensitiveKey(n uint8) string {
	names := otelhttpclient.DefaultSensitiveQuery()
	name := names[int(n)%len(names)]
	switch n % 3 {
	case 1:
		return strings.ToUpper(name)
	case 2:
		return strings.ToLower(name)
	}
	return name
}

// everyEscaped writes every byte of a text in percent-encoding.
func everyEscaped(s string) string {
	var b strings.Builder
	for i := range len(s) {
		fmt.Fprintf(&b, "%%%02X", s[i])
	}
	return b.String()
}

// leaks reports whether a text contains the secret, escaped or not.
func leaks(text string) bool {
	for range 3 {
		if strings.Contains(text, secret) {
			return true
		}
		text = decoded(text)
	}
	return strings.Contains(text, secret)
}

// decoded is a text with its valid percent-encoding undone.
func decoded(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if c, err := url.PathUnescape(s[i : i+3]); err == nil {
				b.WriteString(c)
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// harmless reports whether a text surely holds nothing that has to be hidden:
// it is stricter than the library has to be.
func harmless(text string) bool {
	for range 6 {
		text = decoded(text)
	}
	text = strings.ToLower(text)
	if strings.Contains(text, "@") {
		return false
	}
	for _, name := range otelhttpclient.DefaultSensitiveQuery() {
		if strings.Contains(text, strings.ToLower(name)) {
			return false
		}
	}
	return true
}

func checkSecret(t *testing.T, h *oteltest.HandledErrors, w *oteltest.SDK, from string) {
	t.Helper()
	if started, ended := w.Started(), w.Ended(); started != ended {
		t.Errorf("%q: got %d spans started and %d ended, want as many", from, started, ended)
	}
	if text := w.Exported(); leaks(text) {
		t.Errorf("%q: got the secret in what is exported, want none of it:\n%s", from, text)
	}
	for _, e := range h.Take() {
		t.Errorf("%q: got an error handled: %s, want none", from, e)
	}
}

func answer(req *http.Request, header http.Header) *http.Response {
	return &http.Response{
		StatusCode: http.StatusFound, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, Body: io.NopCloser(strings.NewReader("x")), Request: req,
	}
}

func drop(t *testing.T, rt http.RoundTripper, req *http.Request) {
	t.Helper()
	resp, err := rt.RoundTrip(req)
	if err != nil {
		return
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	if err := resp.Body.Close(); err != nil {
		t.Errorf("Close: got %v, want no error", err)
	}
}

var fuzzTexts = []struct{ before, after string }{
	{"", ""}, {"a=b", "&c=d"}, {"a", ";x"}, {"%zz", "%"}, {"%00", "%2"}, {"a=b;c=d", "#token=1"}, {"?", "?"},
	{"a=%26token%3d", "%26"}, {" ", " "}, {"\x00", "\n"}, {"[::1]", "/"}, {"@", "@"}, {"u:p@", "://a:b@c"},
	{"&&&", "&&&"}, {"=", "="}, {"ü", "\xff"}, {"a=https://b", "c"}, {"token=1", "&token=2"}, {"%25", "%2525"},
	{"a\\", "\\b"}, {"a#b", "#c"}, {"+", "+"},
}

func FuzzRecordedURL(f *testing.F) {
	for i, s := range fuzzTexts {
		for place := range uint8(25) {
			f.Add(place, s.before, s.after, uint8(i)*7+place, false)
		}
		f.Add(uint8(i), s.before, s.after, uint8(i), true)
	}
	h := oteltest.HandleErrors(f)
	f.Fuzz(func(t *testing.T, place uint8, before, after string, key uint8, asFields bool) {
		h.Take()
		name := sensitiveKey(key)
		raw := placed(place, before, after, name)
		u, err := url.Parse(raw)
		if asFields || err != nil {
			// Nobody has parsed this one.
			switch place % 8 {
			case 0:
				u = &url.URL{Scheme: "https", Host: "example.com", RawQuery: before + "&" + name + "=" + secret + after}
			case 1:
				u = &url.URL{Scheme: "https", Host: "example.com", Path: before, User: url.UserPassword(after, secret)}
			case 2:
				u = &url.URL{Scheme: "https", Host: before + ":" + secret + "@example.com" + after}
			case 3:
				u = &url.URL{Scheme: "https", Host: "example.com", Opaque: "//" + strings.ReplaceAll(before, "/", "") + ":" + secret + "@example.com/"}
			case 4:
				u = &url.URL{Scheme: "https", Host: "example.com", Opaque: "/" + before + "?" + name + "=" + secret + after}
			case 5:
				u = &url.URL{Scheme: "https", Host: "example.com", Fragment: before + "&" + name + "=" + secret + after}
			case 6:
				u = &url.URL{Scheme: "https", Host: "example.com", User: url.User(secret), Path: "/" + before, RawPath: after}
			default:
				u = &url.URL{Scheme: "https", Host: "example.com", Path: "/p", RawQuery: name + "=" + secret + after, Fragment: before, RawFragment: after}
			}
		}
		filters := []otelhttpclient.URLFilter{nil, otelhttpclient.StripQuery, otelhttpclient.RedactQuery("a", "next"), otelhttpclient.KeepQuery("a", name)}
		w := oteltest.New(t)
		rt := instrumented.Transport(w, oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
			return answer(req, nil), nil
		}), otelhttpclient.WithURLFilter(filters[int(key)%len(filters)]))
		written := u.String()
		drop(t, rt, &http.Request{Method: http.MethodGet, URL: u, Header: http.Header{}})
		checkSecret(t, h, w, written)
		if got := u.String(); got != written {
			t.Errorf("the caller's URL: got %q afterwards, want %q", got, written)
		}

		// A URL without secrets is recorded as it is written.
		for _, u := range []*url.URL{
			{Scheme: "https", Host: "example.com", Path: "/" + before, RawQuery: after},
			{Scheme: "https", Host: "example.com", Path: "/", RawQuery: before + "=" + after, Fragment: after},
			{Scheme: "https", Host: "example.com", Path: "/" + before, RawPath: "/" + after, ForceQuery: asFields},
		} {
			written := u.String()
			if !harmless(written) {
				continue
			}
			w := oteltest.New(t)
			drop(t, instrumented.Transport(w, oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
				return answer(req, nil), nil
			})), &http.Request{Method: http.MethodGet, URL: u, Header: http.Header{}})
			for _, s := range w.Spans() {
				if got := stringOf(s, "url.full"); got != written {
					t.Errorf("url.full of a URL without secrets: got %q, want it as written: %q", got, written)
				}
			}
		}
	})
}

func stringOf(s tracetest.SpanStub, key string) string {
	for _, kv := range s.Attributes {
		if string(kv.Key) == key {
			return kv.Value.String()
		}
	}
	return ""
}

func FuzzErrorText(f *testing.F) {
	for i, s := range fuzzTexts {
		for place := range uint8(25) {
			f.Add(place, s.before, s.after, uint8(i)*7+place, uint8(i)+place)
		}
	}
	h := oteltest.HandleErrors(f)
	f.Fuzz(func(t *testing.T, place uint8, before, after string, key, shape uint8) {
		h.Take()
		raw := placed(place, before, after, sensitiveKey(key))
		requested, err := url.Parse(raw)
		if err != nil || requested.Host == "" || shape&1 != 0 {
			// The error is about another URL than the request's.
			requested = &url.URL{Scheme: "https", Host: "example.com", Path: "/"}
		}
		// http.Client quotes the URL in the errors that it makes.
		text := raw
		var failure error
		switch shape >> 1 % 8 {
		case 0:
			failure = &url.Error{Op: "Get", URL: text, Err: errors.New("broken")}
		case 1:
			failure = fmt.Errorf("proxy: %w", fmt.Errorf("upstream: %w", &url.Error{Op: "Get", URL: text, Err: io.EOF}))
		case 2:
			failure = errors.New("cannot get " + text)
		case 3:
			failure = fmt.Errorf("cannot get %s: %w", text, io.ErrUnexpectedEOF)
		case 4:
			failure = errors.Join(errors.New("first"), fmt.Errorf("GET %q failed", text))
		case 5:
			failure = fmt.Errorf("<%s> (tried twice)", text)
		case 6:
			failure = fmt.Errorf("redirected to %q: %w", text, fmt.Errorf("from %v", requested))
		default:
			if _, failure = url.Parse(text + "\x7f"); failure == nil {
				failure = errors.New(text) // what is wrong stood in the fragment
			}
		}
		w := oteltest.New(t)
		rt := instrumented.Transport(w, oteltest.RoundTripFunc(func(*http.Request) (*http.Response, error) {
			return nil, failure
		}))
		_, got := rt.RoundTrip(&http.Request{Method: http.MethodGet, URL: requested, Header: http.Header{}})
		if got != failure {
			t.Errorf("%q: got error %v, want base's own: %v", raw, got, failure)
		}
		checkSecret(t, h, w, fmt.Sprintf("%s: %v", requested, failure))

		// The body's error too.
		w = oteltest.New(t)
		rt = instrumented.Transport(w, oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
			resp := answer(req, nil)
			resp.Body = io.NopCloser(io.MultiReader(strings.NewReader("x"), failingReader{failure}))
			return resp, nil
		}))
		drop(t, rt, &http.Request{Method: http.MethodGet, URL: requested, Header: http.Header{}})
		checkSecret(t, h, w, fmt.Sprintf("%s: body: %v", requested, failure))
	})
}

type failingReader struct{ err error }

func (r failingReader) Read([]byte) (int, error) { return 0, r.err }

func FuzzCapturedHeader(f *testing.F) {
	for i, s := range fuzzTexts {
		for place := range uint8(25) {
			f.Add(place, s.before, s.after, uint8(i)*7+place, uint8(i)+place)
		}
	}
	h := oteltest.HandleErrors(f)
	names := []string{
		"Location", "Content-Location", "Referer", "Link", "Refresh", "X-Original-Url", "Sourcemap", "Via",
		"Authorization", "Proxy-Authorization", "Cookie", "Set-Cookie", "X-Api-Key", "X-Auth-Token", "X-Amz-Security-Token", "Www-Authenticate",
	}
	f.Fuzz(func(t *testing.T, place uint8, before, after string, key, which uint8) {
		h.Take()
		name := names[int(which)%len(names)]
		value := placed(place, before, after, sensitiveKey(key))
		switch {
		case int(which)%len(names) >= 8:
			// Everything that such a header says is a secret.
			value = before + secret + after
		case name == "Link":
			value = "</first>; rel=first, <" + value + ">; rel=\"next\""
		case name == "Refresh":
			value = "0; url=" + value
		case name == "Via":
			value = "1.1 proxy " + value
		case which&0x80 != 0 && strings.HasPrefix(value, "https://example.com"):
			value = strings.TrimPrefix(value, "https://example.com")
		}
		if which&0x40 != 0 {
			name = strings.ToLower(name)
		}
		w := oteltest.New(t)
		header := http.Header{name: {"plain", value}}
		rt := instrumented.Transport(w, oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
			return answer(req, header), nil
		}), otelhttpclient.WithRequestHeaders("*"), otelhttpclient.WithResponseHeaders("*"))
		drop(t, rt, &http.Request{Method: http.MethodGet, URL: &url.URL{Scheme: "https", Host: "example.com"}, Header: header})
		checkSecret(t, h, w, name+": "+value)
		if got := header[name][1]; got != value {
			t.Errorf("the header itself: got %q afterwards, want %q", got, value)
		}

		// A URL without secrets is recorded as it is written.
		if plain := "https://example.com/" + before + "?" + after; harmless(plain) {
			w := oteltest.New(t)
			header := http.Header{"Location": {plain}}
			rt := instrumented.Transport(w, oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
				return answer(req, header), nil
			}), otelhttpclient.WithResponseHeaders("location"))
			drop(t, rt, &http.Request{Method: http.MethodGet, URL: &url.URL{Scheme: "https", Host: "example.com"}, Header: http.Header{}})
			for _, s := range w.Spans() {
				for _, kv := range s.Attributes {
					if kv.Key == "http.response.header.location" && kv.Value.AsStringSlice()[0] != plain {
						t.Errorf("Location without secrets: got %q, want it as written: %q", kv.Value.AsStringSlice()[0], plain)
					}
				}
			}
		}
	})
}

func FuzzServeMuxTemplates(f *testing.F) {
	for _, s := range []struct{ one, two, method, host, path string }{
		{"/items/{sku}", "GET /items/new", "GET", "example.com", "/items/new"},
		{"GET example.com/items/{sku}", "/items/", "HEAD", "example.com", "/items/42"},
		{"/a/{rest...}", "/a/{$}", "POST", "h", "/a/"},
		{"/{x}/b", "/a/{y}", "GET", "h", "/a/b"},
		{"/a/", "/a/{x}/c", "GET", "h", "/a"},
		{"", "/", "GET", "", ""},
		{"/{", "/}", "GET", "h", "/{"},
		{"GET  /x", "\t/x", "get", "h:80", "/x"},
		{"/a//b", "/a/../b", "GET", "h", "/a//b"},
		{"/%61", "/ü", "GET", "h", "/a"},
		{"/{a}/{a}", "/{1}", "GET", "h", "/x/y"},
		{"CONNECT /x", "/x/", "CONNECT", "h", "/x"},
		{"/{a...}/b", "x", "GET", "h", "/"},
		{"h.example/{$}", "/{$}", "", "h.example", ""},
	} {
		f.Add(s.one, s.two, s.method, s.host, s.path)
	}
	f.Fuzz(func(t *testing.T, one, two, method, host, path string) {
		patterns := []string{one, two}
		templater, err := otelhttpclient.ServeMuxTemplates(patterns...)
		// net/http's own ServeMux is the judge.
		mux, refused := muxOf(patterns)
		if (err != nil) != (refused != "") {
			t.Fatalf("%q: got error %v, want one exactly where ServeMux refuses the pattern: %q", patterns, err, refused)
		}
		if err != nil {
			if templater != nil {
				t.Errorf("%q: got a templater beside the error, want nil", patterns)
			}
			if refused != `""` && !strings.Contains(err.Error(), fmt.Sprintf("%q", refused)) {
				t.Errorf("%q: got error %q, want one that names %q", patterns, err, refused)
			}
			return
		}
		req := &http.Request{Method: method, URL: &url.URL{Scheme: "http", Host: host, Path: path}}
		template := templater(req)
		want := ""
		probe := &http.Request{Method: method, Host: host, URL: &url.URL{Path: path}}
		if method == "" {
			probe.Method = http.MethodGet
		}
		if path == "" {
			probe.URL.Path = "/"
		}
		if method == http.MethodConnect {
			probe.URL.Host = host // where a server finds it in such a request
		}
		if handler, pattern := mux.Handler(probe); handler == http.Handler(leaf) {
			_, rest, _ := strings.Cut(pattern, "/")
			want = "/" + strings.TrimSuffix(rest, "{$}")
		}
		if template != want {
			t.Errorf("%q, %s %s%s: got template %q, want the path of the pattern that matches: %q", patterns, method, host, path, template, want)
		}
	})
}

type leafHandler struct{}

func (*leafHandler) ServeHTTP(http.ResponseWriter, *http.Request) {}

var leaf = &leafHandler{}

// muxOf returns a ServeMux with the patterns, or the one that it refuses.
func muxOf(patterns []string) (mux *http.ServeMux, refused string) {
	mux = http.NewServeMux()
	for _, p := range patterns {
		ok := func() (ok bool) {
			defer func() {
				if recover() != nil {
					ok = false
				}
			}()
			mux.Handle(p, leaf)
			return true
		}()
		if !ok {
			if p == "" {
				return nil, `""`
			}
			return nil, p
		}
	}
	return mux, ""
}
