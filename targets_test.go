package otelhttpclient_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.opentelemetry.io/otel/baggage"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/oteltest"
	"github.com/otelhttpclient/otelhttpclient/internal/oteltest/instrumented"
)

func TestPropagationTargets(t *testing.T) {
	rows := []struct {
		targets []string
		url     string
		want    bool
		reason  string
	}{
		{nil, "http://anywhere.example/", false, "no host is a target"},
		{[]string{}, "http://anywhere.example/", false, "an empty list has no targets"},
		{[]string{"inventory.example"}, "http://inventory.example/", true, "it is the exact name"},
		{[]string{"inventory.example"}, "http://INVENTORY.example.:8080/", true, "neither case, final dot nor port are part of a name"},
		{[]string{"Inventory.EXAMPLE"}, "http://inventory.example/", true, "case does not matter in the option either"},
		{[]string{"inventory.example"}, "http://evil-inventory.example/", false, "a name is no suffix"},
		{[]string{"inventory.example"}, "http://inventory.example.evil.test/", false, "a name is no prefix"},
		{[]string{"inventory.example"}, "http://evil.test/inventory.example", false, "a path is no host"},
		{[]string{"inventory.example"}, "http://inventory.example@evil.test/", false, "a user is no host"},
		{[]string{"inventory.example"}, "http://a.inventory.example/", false, "an exact name does not include what is below it"},
		{[]string{"*.example"}, "http://a.b.example/", true, "every name below is meant"},
		{[]string{"*.example"}, "http://example/", false, "the name itself is not below itself"},
		{[]string{"*.example"}, "http://evilexample/", false, "a suffix begins with a dot"},
		{[]string{"::1"}, "http://[::1]:8080/", true, "brackets are no part of an address"},
		{[]string{"a.example", "b.example"}, "http://b.example/", true, "any of the list is enough"},
	}
	for _, row := range rows {
		t.Run(fmt.Sprint(row.targets, row.url), func(t *testing.T) {
			tel := oteltest.New(t)
			var sent http.Header
			rt := instrumented.Transport(tel, keepingHeader(&sent), otelhttpclient.WithPropagationTargets(row.targets...))
			oteltest.MustSend(t, rt, oteltest.NewRequest(t, t.Context(), http.MethodGet, row.url, nil))
			if got := sent.Get("Traceparent") != ""; got != row.want {
				t.Errorf("propagated = %v, want %v: %s", got, row.want, row.reason)
			}
			tel.OnlySpan() // in any case
		})
	}
}

// hostLog is a handler that keeps the hosts of its requests: of all, of those
// with a traceparent, and of those with baggage. It redirects /to/HOST/REST to
// /REST of that host.
type hostLog struct {
	mu      sync.Mutex
	calls   []string
	traced  []string
	baggage []string
}

func (s *hostLog) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, r.Host)
	if r.Header.Get("Traceparent") != "" {
		s.traced = append(s.traced, r.Host)
	}
	if r.Header.Get("Baggage") != "" {
		s.baggage = append(s.baggage, r.Host)
	}
	if rest, ok := strings.CutPrefix(r.URL.Path, "/to/"); ok {
		host, path, _ := strings.Cut(rest, "/")
		http.Redirect(w, r, "//"+host+"/"+path, http.StatusFound)
	}
}

func TestPropagationTargetsOfRedirects(t *testing.T) {
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		service := &hostLog{}
		server := oteltest.NewServer(t, version, service.ServeHTTP)
		scheme, _, _ := strings.Cut(server.URL, ":")
		tel := oteltest.New(t)
		client := server.Client()
		base := client.Transport.(*http.Transport)
		if version == "2" {
			// The certificate does not cover these names.
			base.TLSClientConfig.InsecureSkipVerify = true
		}
		client.Transport = instrumented.Transport(tel, base, otelhttpclient.WithPropagationTargets("example.com"), otelhttpclient.WithPropagationTargets("*.ours.example.com")) // repeated options accumulate

		member, err := baggage.NewMember("tenant", "acme")
		if err != nil {
			t.Fatalf("NewMember = %v, want no error", err)
		}
		bag, err := baggage.New(member)
		if err != nil {
			t.Fatalf("baggage.New = %v, want no error", err)
		}
		oteltest.Fetch(t, baggage.ContextWithBaggage(t.Context(), bag), client, scheme+"://example.com/to/a.b.ours.example.com/to/other.example.com/to/notours.example.com/to/ours.example.com/to/example.com/end")

		wantCalls := []string{"example.com", "a.b.ours.example.com", "other.example.com", "notours.example.com", "ours.example.com", "example.com"}
		if !slices.Equal(service.calls, wantCalls) {
			t.Fatalf("hosts called: got %q, want %q", service.calls, wantCalls)
		}
		want := []string{"example.com", "a.b.ours.example.com", "example.com"}
		if !slices.Equal(service.traced, want) {
			t.Errorf("hosts with a traceparent: got %q, want %q", service.traced, want)
		}
		if !slices.Equal(service.baggage, want) {
			t.Errorf("hosts with baggage: got %q, want %q", service.baggage, want)
		}
		spans := tel.Spans()
		if got, want := len(spans), len(wantCalls); got != want {
			t.Fatalf("spans: got %d, want %d, one for every host", got, want)
		}
		for i, span := range spans {
			if got := oteltest.Attributes(span.Attributes)["http.request.resend_count"].AsInt64(); got != int64(i) {
				t.Errorf("http.request.resend_count of call %d: got %d, want %d", i, got, i)
			}
		}
	})
}

func TestRedirectToNonTarget(t *testing.T) {
	tel := oteltest.New(t)
	got := make(chan string, 1)
	stranger := oteltest.NewServer(t, "1.1", func(_ http.ResponseWriter, r *http.Request) { got <- r.Header.Get("Traceparent") })
	port := stranger.URL[strings.LastIndexByte(stranger.URL, ':')+1:]
	server := oteltest.NewServer(t, "1.1", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://localhost:"+port, http.StatusFound)
	})
	client := &http.Client{Transport: instrumented.Transport(tel, server.Client().Transport, otelhttpclient.WithPropagationTargets("127.0.0.1"))}
	resp, err := client.Get(server.URL)
	if err != nil {
		t.Fatalf("Get() = %v, want no error", err)
	}
	oteltest.ReadBody(t, resp)
	if h := <-got; h != "" {
		t.Errorf("traceparent = %q went to a host that is no target, want none", h)
	}
	if n := len(tel.Spans()); n != 2 {
		t.Errorf("%d spans, want one for each of 2 hops", n)
	}
}

// Targets are compared with the URL's host and not with Request.Host.
func TestPropagationTargetsIgnoreHostHeader(t *testing.T) {
	service := &hostLog{}
	server := oteltest.NewServer(t, "1.1", service.ServeHTTP)
	tel := oteltest.New(t)
	rt := instrumented.Transport(tel, server.Client().Transport, otelhttpclient.WithPropagationTargets("example.com"))
	for _, row := range []struct{ url, host string }{
		{server.URL, "example.com"},
		{"http://example.com/", "elsewhere.test"},
	} {
		req := oteltest.NewRequest(t, t.Context(), http.MethodGet, row.url, nil)
		req.Host = row.host
		resp := oteltest.Open(t, rt, req)
		resp.Body.Close()
	}
	if want := []string{"elsewhere.test"}; !slices.Equal(service.traced, want) {
		t.Errorf("hosts with a traceparent: got %q, want %q", service.traced, want)
	}
}

// Headers of the caller are sent to any host.
func TestPropagationTargetsKeepCallersHeader(t *testing.T) {
	service := &hostLog{}
	server := oteltest.NewServer(t, "1.1", service.ServeHTTP)
	tel := oteltest.New(t)
	rt := instrumented.Transport(tel, server.Client().Transport, otelhttpclient.WithPropagationTargets("trusted.test"))
	req := oteltest.NewRequest(t, t.Context(), http.MethodGet, "http://example.com/", nil)
	req.Header.Set("Baggage", "mine=1")
	resp := oteltest.Open(t, rt, req)
	resp.Body.Close()
	if len(service.traced) != 0 || len(service.baggage) != 1 {
		t.Errorf("hosts with a traceparent: got %q, with baggage: got %q, want none and the one of the caller's header", service.traced, service.baggage)
	}
}

// An invalid host is reported to otel.Handle and matches nothing.
func TestInvalidPropagationTargets(t *testing.T) {
	for _, bad := range []string{"", "*", "*.", "http://example.com", "example.com:8080", "example.com/path", "a.*.example.com", "user@example.com", "exa mple.com"} {
		t.Run(bad, func(t *testing.T) {
			errs := oteltest.HandleErrors(t)
			service := &hostLog{}
			server := oteltest.NewServer(t, "1.1", service.ServeHTTP)
			client := server.Client()
			client.Transport = instrumented.Transport(oteltest.New(t), client.Transport, otelhttpclient.WithPropagationTargets(bad))
			if got := errs.Texts(); len(got) != 1 || !strings.Contains(got[0], "WithPropagationTargets") {
				t.Errorf("handled errors: got %q, want one that names the option", got)
			}
			oteltest.Fetch(t, t.Context(), client, "http://example.com/path")
			if len(service.traced) != 0 {
				t.Errorf("hosts with a traceparent: got %q, want none", service.traced)
			}
		})
	}
}
