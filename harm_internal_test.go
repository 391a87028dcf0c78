package otelhttpclient

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"
)

// hostileErrorURLs are URLs whose secrets are parts of what hides them.
func hostileErrorURLs() map[string]string {
	many := strings.Builder{}
	for i := range 20000 {
		many.WriteString("&token=" + strings.Repeat("a", 3+i%50))
	}
	return map[string]string{
		"parts of REDACTED": "/?token=EOF" + strings.Repeat("&token=RED&token=TED&token=ACT&token=DAC", 20),
		"many":              "/?a=b" + many.String(),
		"long":              "/?token=" + strings.Repeat("a", 1<<20) + "&token=" + strings.Repeat("a", 1<<19),
		"userinfo":          "//RED:TED@REDACTED/?token=REDACTED:REDACTED@",
	}
}

func TestErrorTextIsBounded(t *testing.T) {
	r := newRecorder()
	for name, raw := range hostileErrorURLs() {
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, text := range []string{"EOF", "RED TED EOF", raw, strings.Repeat("RED EOF ", 1<<17), `dial "` + raw + `": EOF`} {
			got := r.errorText(errors.New(text), &http.Request{URL: u})
			if len(got) > longestText {
				t.Errorf("%s: the text of %d bytes became one of %d, want at most %d", name, len(text), len(got), longestText)
			}
		}
	}
}

func TestErrorTextIsRedactedInOnePass(t *testing.T) {
	r := newRecorder()
	for _, c := range []struct{ url, text, want string }{
		{"https://h.example/?token=EOF&token=RED&token=TED", "unexpected EOF", "unexpected REDACTED"},
		{"https://h.example/?token=abcdef&sig=cdefgh", "x abcdefgh y", "x REDACTED y"},
		{"https://h.example/?token=secret", "Get \"https://h.example/?token=secret\": secret failed", "Get \"https://h.example/?token=REDACTED\": REDACTED failed"},
		{"https://h.example/?token=REDACTED", "Get \"https://h.example/?token=REDACTED\": EOF", "Get \"https://h.example/?token=REDACTED\": EOF"},
	} {
		u, _ := url.Parse(c.url)
		if got := r.errorText(errors.New(c.text), &http.Request{URL: u}); got != c.want {
			t.Errorf("%s: got %q, want %q", c.url, got, c.want)
		}
	}
}

func TestPanicReportsAreBounded(t *testing.T) {
	h := &onlyError{}
	withErrorHandler(t, h)
	reportPanic("test", strings.Repeat("x", 1<<20))
	if len(h.text) == 0 || len(h.text) > 2*longestText {
		t.Errorf("report: got %d bytes, want some and at most %d", len(h.text), 2*longestText)
	}
}

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
		{"bücher.example", "http", "bücher.example", 80},
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
	} {
		if host, port := splitHost(c.hostport, c.scheme); host != c.host || port != c.port {
			t.Errorf("splitHost(%q, %q): got %q, %d, want %q, %d", c.hostport, c.scheme, host, port, c.host, c.port)
		}
	}
}

func TestSameSlices(t *testing.T) {
	type list []func()
	a, b := list{nil}, list{nil}
	if !same(a, a) || same(a, b) || same(a, a[:0]) || same(a, nil) || same(nil, nil) {
		t.Error("same: got a wrong answer for slices, want true for one and false for two")
	}
}

func TestHoldsNoCarrierOfAForeignPropagator(t *testing.T) {
	k := &keepingPropagator{}
	in := newInstrumentation([]Option{WithPropagators(k)})
	s := newScratch(true)
	s.carrier = headerCarrier{original: http.Header{}}
	in.inject(context.Background(), &s.carrier)
	if k.carrier == &s.carrier || s.carrier.copied.Get("X-Kept") != "1" {
		t.Errorf("the propagator got the pooled carrier: %v, header %v, want one of its own", k.carrier == &s.carrier, s.carrier.copied)
	}
}

type keepingPropagator struct{ carrier propagation.TextMapCarrier }

func (k *keepingPropagator) Inject(_ context.Context, c propagation.TextMapCarrier) {
	k.carrier = c
	c.Set("x-kept", "1")
}
func (k *keepingPropagator) Extract(ctx context.Context, _ propagation.TextMapCarrier) context.Context {
	return ctx
}
func (k *keepingPropagator) Fields() []string { return nil }

// onlyError keeps the last error that went to otel.Handle.
type onlyError struct{ text string }

func (o *onlyError) Handle(err error) { o.text = err.Error() }

func withErrorHandler(t *testing.T, h otel.ErrorHandler) {
	before := otel.GetErrorHandler()
	otel.SetErrorHandler(h)
	t.Cleanup(func() { otel.SetErrorHandler(before) })
}

func TestPanicsWithCyclicValuesAreReported(t *testing.T) {
	h := &onlyError{}
	withErrorHandler(t, h)
	cyclic := make([]any, 1)
	cyclic[0] = cyclic
	for _, c := range []struct {
		v    any
		want string
	}{{cyclic, "[]interface {}"}, {http.Header{"Authorization": {"secret"}}, "http.Header"}, {42, "42"}, {"text", "text"}, {errors.New("broken"), "broken"}} {
		call("test", func() { panic(c.v) })
		if !strings.Contains(h.text, c.want) || strings.Contains(h.text, "secret") {
			t.Errorf("report: got %q, want %q in it", h.text, c.want)
		}
	}
}

func TestCapturedHeadersAreBounded(t *testing.T) {
	r := newRecorder()
	capture := &headerCapture{prefix: headerRespKey, patterns: newHeaderPatterns("", []string{"*"})}
	header := http.Header{"X-Long": {strings.Repeat("x", 1<<20)}, "X-Many": make([]string, 1000)}
	for i := range 1000 {
		header[strings.Repeat("X", 300)+strconv.Itoa(i)] = []string{"1"}
		header["X-"+strconv.Itoa(i)] = []string{"1"}
	}
	attributes := r.headers(nil, header, capture)
	if len(attributes) > mostHeaders {
		t.Errorf("captured headers: got %d, want at most %d", len(attributes), mostHeaders)
	}
	for _, header := range []http.Header{{"X-Long": header["X-Long"]}, {"X-Many": header["X-Many"]}, {strings.Repeat("X", 300): {"1"}}} {
		for _, a := range r.headers(nil, header, capture) {
			values := a.Value.AsStringSlice()
			if len(a.Key) > 300 || len(values) > mostHeaderValues || len(values[0]) > longestHeaderValue {
				t.Errorf("%.20s: got %d values, the first of %d bytes, want bounds", a.Key, len(values), len(values[0]))
			}
		}
	}
}
