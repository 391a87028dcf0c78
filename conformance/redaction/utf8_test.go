package redaction

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/instrumented"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

// invalid are bytes that are not UTF-8.
const invalid = "M\xfcnchen \xe4\xb8 \xff"

// A channel is a way on which strings of foreign origin get into telemetry.
type channel struct {
	name    string
	options func(text string) []otelhttpclient.Option
	request func(req *http.Request, text string) *http.Request
	answer  func(req *http.Request, resp *http.Response, text string) error
}

// foreignError chooses its error.type.
type foreignError struct{ name string }

func (e foreignError) Error() string     { return "named" }
func (e foreignError) ErrorType() string { return e.name }

// foreignConn is a connection of an application's type.
type foreignConn struct {
	net.Conn
	address string
}

func (c foreignConn) RemoteAddr() net.Addr { return foreignAddr(c.address) }

type foreignAddr string

func (a foreignAddr) Network() string { return string(a) }
func (a foreignAddr) String() string  { return string(a) }

func channels() []channel {
	option := func(opts ...otelhttpclient.Option) []otelhttpclient.Option { return opts }
	none := func(string) []otelhttpclient.Option { return nil }
	optIn := func(keys ...attribute.Key) func(string) []otelhttpclient.Option {
		return func(string) []otelhttpclient.Option { return option(otelhttpclient.WithOptInAttributes(keys...)) }
	}
	change := func(f func(req *http.Request, text string)) func(*http.Request, string) *http.Request {
		return func(req *http.Request, text string) *http.Request {
			f(req, text)
			return req
		}
	}
	header := func(text string, names ...string) http.Header {
		h := http.Header{}
		for _, n := range names {
			h[n] = []string{text, "a=b; filename=\"" + text + "\"", "<https://h/?q=" + text + ">; rel=next", "5; url=https://h/?q=" + text, "https://h/?token=secret&q=" + text}
		}
		return h
	}
	names := []string{"X-A", "Location", "Referer", "Link", "Refresh", "Content-Disposition", "User-Agent", "Authorization", "Via"}
	list := []channel{
		{"the query", none, change(func(req *http.Request, text string) { req.URL.RawQuery = "q=" + text }), nil},
		{"a query with a secret", none, change(func(req *http.Request, text string) { req.URL.RawQuery = "token=a" + text + "&q=" + text }), nil},
		{"a query behind a password", none, change(func(req *http.Request, text string) {
			req.URL.RawQuery, req.URL.User = text, url.UserPassword(text, text)
		}), nil},
		{"a long query", none, change(func(req *http.Request, text string) { req.URL.RawQuery = strings.Repeat(text+"&", 8<<10) }), nil},
		{"the path", none, change(func(req *http.Request, text string) { req.URL.Path, req.URL.RawPath = "/"+text, "/"+text }), nil},
		{"the fragment", none, change(func(req *http.Request, text string) { req.URL.Fragment, req.URL.RawFragment = text, text }), nil},
		{"URL.Opaque", none, change(func(req *http.Request, text string) { req.URL.Opaque = "//" + req.URL.Host + "/" + text }), nil},
		{"URL.Opaque without a host", none, change(func(req *http.Request, text string) { req.URL.Opaque = text }), nil},
		{"the scheme", optIn(semconv.URLSchemeKey), change(func(req *http.Request, text string) { req.URL.Scheme = text }), nil},
		{"URL.Host", none, change(func(req *http.Request, text string) { req.URL.Host = text }), nil},
		{"Request.Host", none, change(func(req *http.Request, text string) { req.Host = text }), nil},
		{"the method", none, change(func(req *http.Request, text string) { req.Method = text }), nil},
		{"a known method", func(text string) []otelhttpclient.Option {
			return option(otelhttpclient.WithKnownMethods("GET", text))
		}, change(func(req *http.Request, text string) { req.Method = text }), nil},
		{"values of request headers", func(string) []otelhttpclient.Option { return option(otelhttpclient.WithRequestHeaders("*")) },
			change(func(req *http.Request, text string) { req.Header = header(text, names...) }), nil},
		{"names of request headers", func(string) []otelhttpclient.Option { return option(otelhttpclient.WithRequestHeaders("*")) },
			change(func(req *http.Request, text string) { req.Header = header("x", text, "X-"+text) }), nil},
		{"response headers", func(string) []otelhttpclient.Option {
			return option(otelhttpclient.WithResponseHeaders("*"), otelhttpclient.WithURLFilter(otelhttpclient.RedactQuery("q")))
		}, nil, func(_ *http.Request, resp *http.Response, text string) error {
			resp.Header = header(text, append(names, text)...)
			return nil
		}},
		{"long values of headers", func(string) []otelhttpclient.Option { return option(otelhttpclient.WithResponseHeaders("*")) },
			nil, func(_ *http.Request, resp *http.Response, text string) error {
				resp.Header = header(strings.Repeat(text, 1<<10), names...)
				return nil
			}},
		{"the user agent", optIn(semconv.UserAgentOriginalKey), change(func(req *http.Request, text string) { req.Header.Set("User-Agent", text) }), nil},
		{"the user agent on the wire", optIn(semconv.UserAgentOriginalKey), nil, func(req *http.Request, _ *http.Response, text string) error {
			trace := httptrace.ContextClientTrace(req.Context())
			trace.GetConn("h.example:443")
			trace.GotConn(httptrace.GotConnInfo{Conn: foreignConn{address: "a"}})
			trace.WroteHeaderField("User-Agent", []string{text})
			return nil
		}},
		{"base's error", none, nil, func(_ *http.Request, _ *http.Response, text string) error { return errors.New(text) }},
		{"a long error", none, nil, func(_ *http.Request, _ *http.Response, text string) error {
			return errors.New(strings.Repeat(text, 1<<12))
		}},
		{"an error with the URL", none, change(func(req *http.Request, text string) { req.URL.RawQuery = "q=" + text }),
			func(req *http.Request, _ *http.Response, text string) error {
				return fmt.Errorf("%s: %w", req.URL, &url.Error{Op: "Get", URL: "http://u:p@h/?" + text, Err: errors.New(text)})
			}},
		{"ErrorType()", none, nil, func(_ *http.Request, _ *http.Response, text string) error { return foreignError{text} }},
		{"an error of the body", none, nil, func(_ *http.Request, resp *http.Response, text string) error {
			resp.Body = oteltest.FailingBody("a", errors.New(text))
			return nil
		}},
		{"the protocol", none, nil, func(_ *http.Request, resp *http.Response, text string) error {
			resp.Proto = text + "/1.1"
			return nil
		}},
		{"the peer", optIn(semconv.NetworkTransportKey, semconv.NetworkPeerAddressKey), nil, func(req *http.Request, _ *http.Response, text string) error {
			trace := httptrace.ContextClientTrace(req.Context())
			trace.GetConn("h.example:443")
			trace.GotConn(httptrace.GotConnInfo{Conn: foreignConn{address: text}})
			return nil
		}},
		{"a Unix socket", optIn(semconv.NetworkTransportKey, semconv.NetworkPeerAddressKey), nil, func(req *http.Request, _ *http.Response, text string) error {
			trace := httptrace.ContextClientTrace(req.Context())
			trace.GetConn("h.example:443")
			trace.GotConn(httptrace.GotConnInfo{Conn: addressedConn{addr: &net.UnixAddr{Name: text, Net: "unix"}}})
			return nil
		}},
		{"the zone of an address", none, nil, func(req *http.Request, _ *http.Response, text string) error {
			trace := httptrace.ContextClientTrace(req.Context())
			trace.GetConn("h.example:443")
			trace.GotConn(httptrace.GotConnInfo{Conn: addressedConn{addr: &net.TCPAddr{IP: net.IPv6loopback, Zone: text}}})
			return nil
		}},
		{"a name that is looked up", func(string) []otelhttpclient.Option { return nil }, nil, func(req *http.Request, _ *http.Response, text string) error {
			trace := httptrace.ContextClientTrace(req.Context())
			trace.DNSStart(httptrace.DNSStartInfo{Host: text})
			trace.DNSDone(httptrace.DNSDoneInfo{Err: errors.New(text)})
			return nil
		}},
		{"a span name formatter", func(text string) []otelhttpclient.Option {
			return option(otelhttpclient.WithSpanNameFormatter(func(*http.Request) string { return text }))
		}, nil, nil},
		{"URLPathSpanName", func(text string) []otelhttpclient.Option {
			return option(otelhttpclient.WithSpanNameFormatter(otelhttpclient.URLPathSpanName))
		}, change(func(req *http.Request, text string) { req.URL.Path = "/" + text }), nil},
		{"a URL filter", func(text string) []otelhttpclient.Option {
			return option(otelhttpclient.WithURLFilter(func(u *url.URL) *url.URL {
				u.RawQuery, u.Path, u.Scheme, u.Host = text, text, u.Scheme+text, u.Host+text
				return u
			}))
		}, nil, nil},
		{"a URL template", func(text string) []otelhttpclient.Option {
			return option(otelhttpclient.WithURLTemplate(func(*http.Request) string { return "/" + text }),
				otelhttpclient.WithOptInAttributes(semconv.URLTemplateKey))
		}, nil, nil},
		{"a URL template of the context", optIn(semconv.URLTemplateKey), func(req *http.Request, text string) *http.Request {
			return req.WithContext(otelhttpclient.ContextWithURLTemplate(req.Context(), text))
		}, nil},
		{"a pattern of a ServeMux", func(text string) []otelhttpclient.Option {
			templates, err := otelhttpclient.ServeMuxTemplates("/" + strings.ReplaceAll(text, "/", "") + "/{any...}")
			if err != nil {
				return nil
			}
			return option(otelhttpclient.WithURLTemplate(templates))
		}, change(func(req *http.Request, text string) { req.URL.Path = "/" + strings.ReplaceAll(text, "/", "") + "/x" }), nil},
		{"WithAttributes", func(text string) []otelhttpclient.Option {
			return option(otelhttpclient.WithAttributes(func(*http.Request) []attribute.KeyValue { return foreignAttributes(text) }))
		}, nil, nil},
		{"ContextWithAttributes", none, func(req *http.Request, text string) *http.Request {
			return req.WithContext(otelhttpclient.ContextWithAttributes(req.Context(), foreignAttributes(text)...))
		}, nil},
	}
	return list
}

type addressedConn struct {
	net.Conn
	addr net.Addr
}

func (c addressedConn) RemoteAddr() net.Addr { return c.addr }

// foreignAttributes are attributes of all types that hold strings.
func foreignAttributes(text string) []attribute.KeyValue {
	return []attribute.KeyValue{
		attribute.String("key-"+text, "a"), attribute.String("text", text), attribute.StringSlice("slice", []string{"a", text}),
		{Key: "values", Value: attribute.SliceValue(attribute.StringValue(text))},
		{Key: "map", Value: attribute.MapValue(attribute.String("in-"+text, text))},
		attribute.String("http.request.method", text), // overrides the library's own
	}
}

// sendOn sends a request with a text on the channel.
func (c channel) sendOn(t *testing.T, tel *oteltest.SDK, text string) {
	t.Helper()
	base := oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		resp := oteltest.Reply(req, 200, io.NopCloser(strings.NewReader("body")))
		if c.answer != nil {
			if err := c.answer(req, resp, text); err != nil {
				return nil, err
			}
		}
		return resp, nil
	})
	rt := instrumented.Transport(tel, base, append(c.options(text), instrumented.AllMetrics())...)
	req := oteltest.NewRequest(t, t.Context(), http.MethodGet, "https://h.example/items", nil)
	if c.request != nil {
		req = c.request(req, text)
	}
	_, _ = oteltest.Send(rt, req)
}

// Protocol buffers reject a string that is not UTF-8, and with it the batch.
func TestEveryStringIsValidUTF8(t *testing.T) {
	t.Setenv("OTEL_SEMCONV_STABILITY_OPT_IN", "http/dup")
	random := rand.New(rand.NewPCG(1, 2))
	texts := []string{invalid, "\xff", "\x80\x80\x80\x80", "\u00fc\xfc", "a\xe4\xb8"}
	for range 20 {
		texts = append(texts, randomText(random))
	}
	for _, c := range channels() {
		t.Run(c.name, func(t *testing.T) {
			for _, text := range texts {
				tel := oteltest.New(t)
				c.sendOn(t, tel, text)
				if len(tel.Spans()) != 1 {
					t.Errorf("%q: %d spans, want one", text, len(tel.Spans()))
				}
				for _, s := range exportedStrings(tel) {
					if !utf8.ValidString(s.text) {
						t.Errorf("%q on this channel: %s = %q, want valid UTF-8", text, s.what, s.text)
					}
				}
			}
		})
	}
}

// Bytes that are not UTF-8 are percent-encoded in URLs, and U+FFFD elsewhere.
func TestWhatIsRecordedOfInvalidBytes(t *testing.T) {
	filename := "attachment; filename=\"f\xfcr.pdf\""
	reached := make(chan string, 1)
	server := oteltest.NewServer(t, "1.1", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" {
			w.Header()["Location"] = []string{"/suche?q=M\xfcnchen&token=s\xfc&u=\u00fc"}
			w.Header()["Content-Disposition"] = []string{filename}
			w.WriteHeader(http.StatusFound)
			return
		}
		reached <- r.RequestURI
	})
	tel := oteltest.New(t)
	client := &http.Client{Transport: instrumented.Transport(tel, server.Base, otelhttpclient.WithResponseHeaders("location", "content-disposition"))}
	resp, err := client.Get(server.URL)
	if err != nil {
		t.Fatalf("GET = %v, want no error", err)
	}
	oteltest.Discard(resp)
	if got, want := <-reached, "/suche?q=M\xfcnchen&token=s\xfc&u=\u00fc"; got != want {
		t.Errorf("sent: got %q, want it as it is: %q", got, want)
	}
	spans := tel.Spans()
	if len(spans) != 2 {
		t.Fatalf("%d spans, want two", len(spans))
	}
	oteltest.WantAttribute(t, spans[0].Attributes, "http.response.header.location", []string{"/suche?q=M%FCnchen&token=REDACTED&u=\u00fc"})
	oteltest.WantAttribute(t, spans[0].Attributes, "http.response.header.content-disposition", []string{"attachment; filename=\"f\uFFFDr.pdf\""})
	oteltest.WantAttribute(t, spans[1].Attributes, "url.full", server.URL+"/suche?q=M%FCnchen&token=REDACTED&u=\u00fc")

	tel = oteltest.New(t)
	req := oteltest.NewRequest(t, t.Context(), "GET", "https://h.example/?q=\xfc", nil)
	_, _ = oteltest.Send(instrumented.Transport(tel, oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		return nil, fmt.Errorf("cannot get %s: \xfcberlastet", req.URL)
	})), req)
	if got, want := tel.OnlySpan().Status.Description, "cannot get https://h.example/?q=%FC: \uFFFDberlastet"; got != want {
		t.Errorf("description: got %q, want %q", got, want)
	}
}

// A proxy chooses the reason phrase of a refused CONNECT, which is net/http's error.
func TestReasonPhraseOfAProxy(t *testing.T) {
	proxy := oteltest.RawServer(t, oteltest.Write("HTTP/1.1 403 Verboten f\xfcr alle\r\nContent-Length: 0\r\n\r\n"))
	u, _ := url.Parse(proxy)
	tel := oteltest.New(t)
	_, err := oteltest.Send(instrumented.Transport(tel, &http.Transport{Proxy: http.ProxyURL(u)}), oteltest.NewRequest(t, t.Context(), "GET", "https://h.example/", nil))
	if err == nil || !strings.Contains(err.Error(), "\xfc") {
		t.Fatalf("error = %v, want the proxy's phrase in it", err)
	}
	if got, want := tel.OnlySpan().Status.Description, "Verboten f\uFFFDr alle"; got != want {
		t.Errorf("description: got %q, want %q", got, want)
	}
}

// randomText returns bytes of which many are not ASCII.
func randomText(r *rand.Rand) string {
	alphabet := []string{"a", "=", "&", "/", ":", "@", "%", "\"", " ", "token", "https://", "\u00fc", "\u4e16", "\x80", "\xbf", "\xc3", "\xe4", "\xf0", "\xff"}
	var b strings.Builder
	for range 1 + r.IntN(24) {
		if r.IntN(3) == 0 {
			b.WriteByte(byte(r.Uint32()))
		} else {
			b.WriteString(alphabet[r.IntN(len(alphabet))])
		}
	}
	return b.String()
}

type exportedString struct{ what, text string }

// exportedStrings returns every string that an exporter would send.
func exportedStrings(tel *oteltest.SDK) (all []exportedString) {
	add := func(what, text string) { all = append(all, exportedString{what, text}) }
	var value func(what string, v attribute.Value)
	attributes := func(what string, a []attribute.KeyValue) {
		for _, kv := range a {
			add("a key of "+what, string(kv.Key))
			value(string(kv.Key)+" of "+what, kv.Value)
		}
	}
	value = func(what string, v attribute.Value) {
		add(what, v.AsString())
		for _, s := range v.AsStringSlice() {
			add(what, s)
		}
		for _, e := range v.AsSlice() {
			value(what, e)
		}
		attributes(what, v.AsMap())
	}
	for _, s := range tel.Spans() {
		add("the span's name", s.Name)
		add("the span's status", s.Status.Description)
		attributes("the span", s.Attributes)
		for _, e := range s.Events {
			attributes("an event", e.Attributes)
		}
	}
	for _, scope := range tel.Collect() {
		for _, m := range scope.Metrics {
			points := reflect.ValueOf(m.Data).FieldByName("DataPoints")
			for i := range points.Len() {
				set := points.Index(i).FieldByName("Attributes").Interface().(attribute.Set)
				attributes(m.Name, set.ToSlice())
			}
		}
	}
	return all
}
