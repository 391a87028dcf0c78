package muxpattern

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func FuzzTemplates(f *testing.F) {
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
		template, err := Templates(patterns...)
		// net/http's own ServeMux is the judge.
		mux, refused := muxOf(patterns)
		if (err != nil) != (refused != "") {
			t.Fatalf("%q: got error %v, want one exactly where ServeMux refuses the pattern: %q", patterns, err, refused)
		}
		if err != nil {
			if template != nil {
				t.Errorf("%q: got a function beside the error, want nil", patterns)
			}
			if refused != `""` && !strings.Contains(err.Error(), fmt.Sprintf("%q", refused)) {
				t.Errorf("%q: got error %q, want one that names %q", patterns, err, refused)
			}
			return
		}
		req := &http.Request{Method: method, URL: &url.URL{Scheme: "http", Host: host, Path: path}}
		got := template(req)
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
		if got != want {
			t.Errorf("%q, %s %s%s: got template %q, want the path of the pattern that matches: %q", patterns, method, host, path, got, want)
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
