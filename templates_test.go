package otelhttpclient_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/instrumented"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

func TestServeMuxTemplates(t *testing.T) {
	templates, err := otelhttpclient.ServeMuxTemplates(
		"GET inventory.test/items/{sku}",
		"GET inventory.test/items/latest",
		"POST inventory.test/items/{$}",
		"/files/{path...}",
		"DELETE /files/{name}",
		"/dir/",
		"pricing.test/{$}",
	)
	if err != nil {
		t.Fatalf("ServeMuxTemplates = %v, want no error", err)
	}
	for _, row := range []struct {
		method, url, host string
		want, reason      string
	}{
		{"GET", "http://inventory.test/items/42", "", "/items/{sku}", "it matches"},
		{"", "http://inventory.test/items/42", "", "/items/{sku}", "no method means GET"},
		{"HEAD", "http://inventory.test/items/42", "", "/items/{sku}", "GET includes HEAD"},
		{"GET", "https://inventory.test:8443/items/42", "", "/items/{sku}", "ports and schemes are not compared"},
		{"GET", "http://127.0.0.1:80/items/42", "inventory.test", "/items/{sku}", "the Host header is what the request is addressed to"},
		{"GET", "http://inventory.test/items/a%2Fb", "", "/items/{sku}", "an encoded slash does not separate"},
		{"GET", "http://inventory.test/items/42?page=1#top", "", "/items/{sku}", "only the path is compared"},
		{"GET", "http://inventory.test/items/latest", "", "/items/latest", "the most specific pattern wins"},
		{"POST", "http://inventory.test/items/", "", "/items/", "{$} matches the end and is not part of the path"},
		{"POST", "http://inventory.test/items/42", "", "", "of another method"},
		{"GET", "http://inventory.test/items/42/parts", "", "", "a wildcard is one segment"},
		{"GET", "http://evil.test/items/42", "", "", "of another host"},
		{"GET", "http://any.test/files/a/b/c", "", "/files/{path...}", "this wildcard is the rest"},
		{"DELETE", "http://any.test/files/a", "", "/files/{name}", "the most specific pattern wins"},
		{"PROPFIND", "http://any.test/files/a", "", "/files/{path...}", "a pattern without method is for all"},
		{"GET", "http://any.test/dir/below", "", "/dir/", "a path with a final slash is a prefix"},
		{"GET", "http://any.test/dir", "", "", "a server would redirect it"},
		{"GET", "http://inventory.test//items/42", "", "", "a server would redirect it"},
		{"GET", "http://pricing.test", "", "/", "an empty path is sent as /"},
		{"GET", "http://pricing.test/offers", "", "", "none matches"},
		{"OPTIONS", "*", "", "", "this is no path"},
		{"CONNECT", "//pricing.test:443", "", "", "this is no path"},
	} {
		t.Run(row.method+" "+row.url, func(t *testing.T) {
			u, err := url.Parse(row.url)
			if err != nil {
				t.Fatalf("Parse(%q) = %v, want no error", row.url, err)
			}
			req := &http.Request{Method: row.method, URL: u, Host: row.host}
			if got := templates(req); got != row.want {
				t.Errorf("template: got %q, want %q: %s", got, row.want, row.reason)
			}
			if req.Method != row.method || req.URL != u || req.URL.String() != row.url || req.Host != row.host {
				t.Errorf("the request: got %s %s %s, want it as it was", req.Method, req.URL, req.Host)
			}
		})
	}
	for name, req := range map[string]*http.Request{"nil": nil, "without a URL": {Method: "GET"}} {
		if got := templates(req); got != "" {
			t.Errorf("template of a request %s: got %q, want none", name, got)
		}
	}
}

func TestServeMuxTemplatesWithoutPatterns(t *testing.T) {
	templates, err := otelhttpclient.ServeMuxTemplates()
	if err != nil || templates == nil {
		t.Fatalf("ServeMuxTemplates() = %v, want a templater and no error", err)
	}
	if got := templates(httptest.NewRequest("GET", "http://any.test/", nil)); got != "" {
		t.Errorf("template: got %q, want none", got)
	}
}

func TestServeMuxTemplatesBadPatterns(t *testing.T) {
	for _, row := range []struct {
		name     string
		patterns []string
		want     []string // in the text
	}{
		{"empty", []string{""}, []string{`""`}},
		{"no path", []string{"GET inventory.test"}, []string{`"GET inventory.test"`}},
		{"unclosed wildcard", []string{"/fine", "/items/{sku"}, []string{`"/items/{sku"`}},
		{"wildcard that is not alone", []string{"/items/x{sku}"}, []string{`"/items/x{sku}"`}},
		{"name twice", []string{"/{a}/{a}"}, []string{`"/{a}/{a}"`}},
		{"bad method", []string{"G@T /"}, []string{`"G@T /"`}},
		{"given twice", []string{"/items/{a}", "/items/{b}"}, []string{"/items/{a}", `"/items/{b}"`, "conflict"}},
		{"conflict", []string{"/items/{id}/x", "/items/y/{part}"}, []string{"/items/{id}/x", `"/items/y/{part}"`, "conflict"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			templates, err := otelhttpclient.ServeMuxTemplates(row.patterns...)
			if err == nil || templates != nil {
				t.Fatalf("ServeMuxTemplates(%q) = %v, want an error and no templater", row.patterns, err)
			}
			for _, want := range row.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("ServeMuxTemplates(%q): got the error %q, want it to have %q", row.patterns, err, want)
				}
			}
			if text := err.Error(); strings.Contains(text, ".go:") {
				t.Errorf("ServeMuxTemplates(%q): got the error %q, want no position in this library's source", row.patterns, text)
			}
		})
	}
}

func TestServeMuxTemplatesOldServeMux(t *testing.T) {
	t.Setenv("GODEBUG", "httpmuxgo121=1") // net/http reads it when a process starts
	if !oteltest.OwnProcess(t) {
		return
	}
	templates, err := otelhttpclient.ServeMuxTemplates("GET /items/{sku}")
	if err == nil || templates != nil {
		t.Fatalf("ServeMuxTemplates = %v, want an error and no templater", err)
	}
	for _, want := range []string{"otelhttpclient: URL templates: ", "GODEBUG=httpmuxgo121=1", "remove it"} {
		if got := err.Error(); !strings.Contains(got, want) {
			t.Errorf("ServeMuxTemplates: got the error %q, want it to contain %q", got, want)
		}
	}
}

func TestTemplateNamesSpan(t *testing.T) {
	server := oteltest.NewServer(t, "1.1", oteltest.Handler(http.StatusOK, "fine"))
	constant := func(template string) otelhttpclient.Option {
		return otelhttpclient.WithURLTemplate(func(*http.Request) string { return template })
	}
	inContext := otelhttpclient.ContextWithURLTemplate
	for _, row := range []struct {
		name                   string
		method                 string
		ctx                    context.Context
		options                []otelhttpclient.Option
		wantName, wantTemplate string
	}{
		{name: "none", method: "GET", wantName: "GET"},
		{name: "of the client", method: "GET", options: []otelhttpclient.Option{constant("/a/{b}")},
			wantName: "GET /a/{b}", wantTemplate: "/a/{b}"},
		{name: "of the context", method: "PUT", ctx: inContext(t.Context(), "/c/{d}"),
			wantName: "PUT /c/{d}", wantTemplate: "/c/{d}"},
		{name: "the context wins", method: "GET", ctx: inContext(t.Context(), "/c/{d}"), options: []otelhttpclient.Option{constant("/a/{b}")},
			wantName: "GET /c/{d}", wantTemplate: "/c/{d}"},
		{name: "the inner context wins", method: "GET", ctx: inContext(inContext(t.Context(), "/outer"), "/inner"),
			wantName: "GET /inner", wantTemplate: "/inner"},
		{name: "taken back", method: "GET", ctx: inContext(inContext(t.Context(), "/outer"), ""),
			wantName: "GET"},
		{name: "the client's instead of one taken back", method: "GET", ctx: inContext(inContext(t.Context(), "/outer"), ""),
			options: []otelhttpclient.Option{constant("/a/{b}")}, wantName: "GET /a/{b}", wantTemplate: "/a/{b}"},
		{name: "unknown method", method: "BREW", options: []otelhttpclient.Option{constant("/pots/{pot}")},
			wantName: "HTTP /pots/{pot}", wantTemplate: "/pots/{pot}"},
		{name: "no template of the client", method: "GET", options: []otelhttpclient.Option{constant("")}, wantName: "GET"},
		{name: "nil", method: "GET", options: []otelhttpclient.Option{constant("/a/{b}"), otelhttpclient.WithURLTemplate(nil)},
			wantName: "GET /a/{b}", wantTemplate: "/a/{b}"},
		{name: "a formatter wins, for the name only", method: "GET", options: []otelhttpclient.Option{constant("/a/{b}"),
			otelhttpclient.WithSpanNameFormatter(otelhttpclient.URLPathSpanName)}, wantName: "/a/1", wantTemplate: "/a/{b}"},
	} {
		t.Run(row.name, func(t *testing.T) {
			tel := oteltest.New(t)
			ctx := row.ctx
			if ctx == nil {
				ctx = t.Context()
			}
			req := oteltest.NewRequest(t, ctx, row.method, server.URL+"/a/1", nil)
			resp := oteltest.Open(t, instrumented.Transport(tel, server.Client().Transport, row.options...), req)
			resp.Body.Close()
			span := tel.OnlySpan()
			if span.Name != row.wantName {
				t.Errorf("name: got %q, want %q", span.Name, row.wantName)
			}
			got, ok := oteltest.Attributes(span.Attributes)["url.template"]
			if got.AsString() != row.wantTemplate || ok != (row.wantTemplate != "") {
				t.Errorf("url.template: got %q (%v), want %q", got.AsString(), ok, row.wantTemplate)
			}
		})
	}
}

func TestTemplateOnMetrics(t *testing.T) {
	server := oteltest.NewServer(t, "1.1", oteltest.Handler(http.StatusOK, "fine"))
	for _, row := range []struct {
		name    string
		options []otelhttpclient.Option
		want    string
	}{
		{"by default", nil, ""},
		{"opted in", []otelhttpclient.Option{otelhttpclient.WithOptInAttributes("url.template")}, "/items/{sku}"},
	} {
		t.Run(row.name, func(t *testing.T) {
			tel := oteltest.New(t)
			client := &http.Client{Transport: instrumented.Transport(tel, server.Client().Transport, row.options...)}
			oteltest.Fetch(t, otelhttpclient.ContextWithURLTemplate(t.Context(), "/items/{sku}"), client, server.URL+"/items/1")
			if got := oteltest.Attributes(tel.DurationAttributes())["url.template"].AsString(); got != row.want {
				t.Errorf("url.template of the duration: got %q, want %q", got, row.want)
			}
		})
	}
}

// A template of the context does not apply to another path after a redirect.
func TestTemplateAndRedirects(t *testing.T) {
	server := oteltest.NewServer(t, "1.1", func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/items/1" && r.URL.RawQuery == "":
			http.Redirect(w, r, "/items/1?again", http.StatusFound)
		case r.URL.Path == "/items/1":
			http.Redirect(w, r, "/login", http.StatusFound)
		}
	})
	tel := oteltest.New(t)
	client := &http.Client{Transport: instrumented.Transport(tel, server.Client().Transport)}
	oteltest.Fetch(t, otelhttpclient.ContextWithURLTemplate(t.Context(), "/items/{sku}"), client, server.URL+"/items/1")
	var got []string
	for _, span := range tel.Spans() {
		got = append(got, span.Name)
	}
	if want := "GET /items/{sku}|GET /items/{sku}|GET"; strings.Join(got, "|") != want {
		t.Errorf("names of the spans: got %q, want %q", got, strings.Split(want, "|"))
	}
}

func TestPanickingTemplater(t *testing.T) {
	server := oteltest.NewServer(t, "1.1", oteltest.Handler(http.StatusOK, "fine"))
	errs := oteltest.HandleErrors(t)
	tel := oteltest.New(t)
	client := &http.Client{Transport: instrumented.Transport(tel, server.Client().Transport, otelhttpclient.WithURLTemplate(func(*http.Request) string { panic("no template today") }))}
	oteltest.Fetch(t, t.Context(), client, server.URL)
	if got, want := tel.OnlySpan().Name, "GET"; got != want {
		t.Errorf("name: got %q, want %q", got, want)
	}
	if got := strings.Join(errs.Texts(), "\n"); !strings.Contains(got, "no template today") {
		t.Errorf("handled errors: got %q, want one about the panic", got)
	}
}
