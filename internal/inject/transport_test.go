package inject_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/instrumented"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
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
		{[]string{"bücher.example"}, "http://xn--bcher-kva.example/", true, "both spellings are one name on the wire"},
		{[]string{"xn--bcher-kva.example"}, "http://bücher.example/", true, "both spellings are one name on the wire"},
		{[]string{"*.bücher.example"}, "http://a.xn--bcher-kva.example/", true, "a suffix has two spellings as well"},
		{[]string{"fe80::1"}, "http://[fe80::1%25lo]/", true, "a zone is no part of an address"},
		{[]string{"::1"}, "http://[0:0:0:0:0:0:0:1]/", true, "both are one address"},
	}
	for _, row := range rows {
		t.Run(fmt.Sprint(row.targets, row.url), func(t *testing.T) {
			tel := oteltest.New(t)
			var sent http.Header
			rt := instrumented.Transport(tel, oteltest.KeepHeader(&sent), otelhttpclient.WithPropagationTargets(row.targets...))
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

// A host that the targets exclude gets none of the propagator's fields, whoever
// set them, and everything else.
func TestExcludedHostsGetNoFields(t *testing.T) {
	unsampled := sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.NeverSample()))
	hook := otelhttpclient.WithRequestHook(func(_ trace.Span, req *http.Request) {
		for name := range req.Header {
			if strings.EqualFold(name, "traceparent") {
				req.Header[name] = []string{"of a hook"}
			}
		}
	})
	ways := []struct {
		name string
		ctx  func(context.Context) context.Context
		opts []otelhttpclient.Option
	}{
		{name: "sampled"},
		{name: "sampled, hook", opts: []otelhttpclient.Option{hook}},
		{name: "unsampled", opts: []otelhttpclient.Option{otelhttpclient.WithTracerProvider(unsampled)}},
		{name: "unsampled, no metrics", opts: []otelhttpclient.Option{otelhttpclient.WithTracerProvider(unsampled), otelhttpclient.WithMeterProvider(noop.NewMeterProvider())}},
		{name: "no SDK", opts: []otelhttpclient.Option{otelhttpclient.WithTracerProvider(tracenoop.NewTracerProvider()), otelhttpclient.WithMeterProvider(noop.NewMeterProvider())}},
		{name: "propagation only", ctx: otelhttpclient.ContextWithPropagationOnly},
	}
	all := propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{}, oteltest.B3{})
	rows := []struct {
		propagator propagation.TextMapPropagator
		in, want   http.Header
		reason     string
	}{
		{all, http.Header{"X-Own": {"kept"}}, http.Header{"X-Own": {"kept"}}, "nothing is injected"},
		{all, http.Header{"Traceparent": {"a"}, "Tracestate": {"b"}, "Baggage": {"c"}, "X-B3-Traceid": {"d"}, "X-Own": {"kept"}}, http.Header{"X-Own": {"kept"}}, "a reverse proxy forwards them"},
		{all, http.Header{"traceparent": {"a"}, "TRACEPARENT": {"a"}, "TraceState": {"b", "b"}, "baggage": {"c"}, "x-b3-TraceId": {"d"}, "x-own": {"kept"}}, http.Header{"x-own": {"kept"}}, "case does not matter"},
		{propagation.TraceContext{}, http.Header{"Traceparent": {"a"}, "Baggage": {"c"}, "X-B3-Traceid": {"d"}}, http.Header{"Baggage": {"c"}, "X-B3-Traceid": {"d"}}, "they are no fields of this propagator"},
		{propagation.Baggage{}, http.Header{"Tracestate": {"a"}, "baggage": {"c"}}, http.Header{"Tracestate": {"a"}}, "baggage is the field of this propagator"},
		{all, nil, nil, "a request without a header"},
	}
	for _, way := range ways {
		for _, row := range rows {
			tel := oteltest.New(t)
			var sent http.Header
			opts := append([]otelhttpclient.Option{otelhttpclient.WithPropagationTargets("ours.example"), otelhttpclient.WithPropagators(row.propagator)}, way.opts...)
			rt := instrumented.Transport(tel, oteltest.KeepHeader(&sent), opts...)
			ctx := oteltest.WithTracestateAndBaggage(t, t.Context())
			if way.ctx != nil {
				ctx = way.ctx(ctx)
			}
			req := oteltest.NewRequest(t, ctx, http.MethodGet, "http://theirs.example/", nil)
			req.Header = row.in.Clone()
			resp, _ := oteltest.MustSend(t, rt, req)
			if !reflect.DeepEqual(sent, row.want) {
				t.Errorf("%s, %T: sent %v for %v, want %v: %s", way.name, row.propagator, sent, row.in, row.want, row.reason)
			}
			if !reflect.DeepEqual(req.Header, row.in) {
				t.Errorf("%s: the caller's header became %v, want %v", way.name, req.Header, row.in)
			}
			if resp.Request != req {
				t.Errorf("%s: Response.Request is a copy, want the caller's", way.name)
			}
		}
	}
}

// Requests that are not traced are sent as they are, to any host.
func TestUntracedRequestsKeepFields(t *testing.T) {
	in := http.Header{"Traceparent": {"a"}, "baggage": {"c"}}
	for name, opt := range map[string]otelhttpclient.Option{
		"context": nil,
		"filter":  otelhttpclient.WithFilter(func(*http.Request) bool { return false }),
	} {
		var sent *http.Request
		rt := instrumented.Transport(oteltest.New(t), oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
			sent = req
			return oteltest.Reply(req, http.StatusOK, http.NoBody), nil
		}), opt, otelhttpclient.WithPropagationTargets())
		ctx := t.Context()
		if opt == nil {
			ctx = otelhttpclient.ContextWithoutTracing(ctx)
		}
		req := oteltest.NewRequest(t, ctx, http.MethodGet, "http://theirs.example/", nil)
		req.Header = in.Clone()
		oteltest.MustSend(t, rt, req)
		if sent != req || !reflect.DeepEqual(sent.Header, in) {
			t.Errorf("%s: base got a request with %v (the caller's: %v), want the caller's with %v", name, sent.Header, sent == req, in)
		}
	}
}

// If one of nested Transports excludes a host, its base gets no fields, and the
// Transports below add none. There is one span.
func TestExcludedHostsOfNestedTransports(t *testing.T) {
	targets := otelhttpclient.WithPropagationTargets("ours.example")
	for name, opts := range map[string][3]otelhttpclient.Option{
		"outermost": {targets, nil, nil},
		"middle":    {nil, targets, nil},
		"innermost": {nil, nil, targets},
		"all":       {targets, targets, targets},
	} {
		tel := oteltest.New(t)
		var sent http.Header
		rt := http.RoundTripper(oteltest.KeepHeader(&sent))
		for _, opt := range []otelhttpclient.Option{opts[2], opts[1], opts[0]} {
			rt = instrumented.Transport(tel, rt, opt)
		}
		req := oteltest.NewRequest(t, oteltest.WithTracestateAndBaggage(t, t.Context()), http.MethodGet, "http://theirs.example/", nil)
		req.Header = http.Header{"Traceparent": {"a"}, "baggage": {"b"}, "X-Own": {"kept"}}
		oteltest.MustSend(t, rt, req)
		if want := (http.Header{"X-Own": {"kept"}}); !reflect.DeepEqual(sent, want) {
			t.Errorf("%s excludes: sent %v, want %v", name, sent, want)
		}
		if n := len(tel.Spans()); n != 1 {
			t.Errorf("%s excludes: got %d spans, want 1", name, n)
		}
	}
}

// A gateway must not forward the trace of its caller to an upstream that is no
// target.
func TestReverseProxyToExcludedHost(t *testing.T) {
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		got := make(chan http.Header, 1)
		upstream := oteltest.NewServer(t, version, func(_ http.ResponseWriter, r *http.Request) { got <- r.Header })
		target, err := url.Parse(upstream.URL)
		if err != nil {
			t.Fatal(err)
		}
		proxy := httputil.NewSingleHostReverseProxy(target)
		proxy.Transport = instrumented.Transport(oteltest.New(t), upstream.Base, otelhttpclient.WithPropagationTargets("*.ours.example"))
		gateway := oteltest.NewServer(t, "1.1", proxy.ServeHTTP)
		req := oteltest.NewRequest(t, t.Context(), http.MethodGet, gateway.URL, nil)
		req.Header = http.Header{"traceparent": {"00-01000000000000000000000000000000-0200000000000000-01"}, "tracestate": {"vendor=1"}, "baggage": {"tenant=acme"}, "X-Own": {"kept"}}
		oteltest.MustSend(t, gateway.Base, req)
		header := <-got
		for _, name := range []string{"Traceparent", "Tracestate", "Baggage"} {
			if values := header[name]; values != nil {
				t.Errorf("%s = %q went to an upstream that is no target, want none", name, values)
			}
		}
		if header.Get("X-Own") != "kept" {
			t.Errorf("headers: got %v, want X-Own kept", header)
		}
	})
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
