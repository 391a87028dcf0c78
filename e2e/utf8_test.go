package e2e

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/sdk/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/otelhttpclient/otelhttpclient"
)

// foreignText returns bytes that a server may send in a header, and that are not all UTF-8.
func foreignText(r *rand.Rand) string {
	alphabet := []string{"a", "=", "/", "%", "\"", "https://h/", "token=", "\u00fc", "\x80", "\xc3", "\xe4\xb8", "\xff"}
	text := "\xfc"
	for range r.IntN(20) {
		if r.IntN(2) == 0 {
			text += string([]byte{byte(0x80 + r.IntN(0x80))})
		} else {
			text += alphabet[r.IntN(len(alphabet))]
		}
	}
	return text
}

// serveRaw answers each connection's requests with what answer returns. It returns the address.
func serveRaw(t *testing.T, answer func(request string) string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				r := bufio.NewReader(c)
				for {
					first, err := r.ReadString('\n')
					for line := first; err == nil && line != "\r\n"; {
						line, err = r.ReadString('\n')
					}
					if err != nil {
						return
					}
					if _, err := io.WriteString(c, answer(first)); err != nil {
						return
					}
				}
			}()
		}
	}()
	return l.Addr().String()
}

type foreignError struct{ text string }

func (e foreignError) Error() string     { return e.text }
func (e foreignError) ErrorType() string { return e.text }

type roundTripFunc func(*http.Request) (*http.Response, error)

func (f roundTripFunc) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// TestForeignBytesDoNotLoseBatches sends bytes that are not UTF-8 on every way that a server, a proxy, a caller or a
// callback has. Protocol buffers reject such a string, and with it the batch. Every span arrives, and so do
// the metrics.
func TestForeignBytesDoNotLoseBatches(t *testing.T) {
	t.Setenv("OTEL_SEMCONV_STABILITY_OPT_IN", "http/dup")
	s := newSink(t)
	c := startCollector(t, s)
	handled := handleErrors(t) // not parallel: the handler is global
	app := newService(t, c, "app", w3c)
	metrics, err := otlpmetricgrpc.New(t.Context(), otlpmetricgrpc.WithEndpoint(c.endpoint), otlpmetricgrpc.WithInsecure(), otlpmetricgrpc.WithTimeout(patience))
	if err != nil {
		t.Fatal(err)
	}
	mp := metric.NewMeterProvider(metric.WithReader(metric.NewPeriodicReader(metrics, metric.WithInterval(time.Hour))))
	defer func() { _ = mp.Shutdown(context.Background()) }()

	const rounds = 20
	spans := 0
	for round := range rounds {
		random := rand.New(rand.NewPCG(uint64(round), 1))
		text := func() string { return foreignText(random) }
		location, headers, reason := url.PathEscape("next")+"?q="+text(), text(), text()
		server := serveRaw(t, func(request string) string {
			if strings.HasPrefix(request, "CONNECT ") {
				return "HTTP/1.1 403 " + reason + "\r\nContent-Length: 0\r\n\r\n"
			}
			if !strings.Contains(request, "/next") {
				return "HTTP/1.1 302 " + reason + "\r\nLocation: /" + location + "\r\nX-A: " + headers + "\r\nContent-Disposition: attachment; filename=\"" + headers +
					".pdf\"\r\nLink: <https://h/" + headers + ">; rel=next\r\nContent-Length: 0\r\n\r\n"
			}
			return "HTTP/1.1 200 OK\r\nX-A: " + headers + "\r\nContent-Length: 2\r\n\r\nok"
		})
		template, own, name, filtered := text(), text(), text(), text()
		options := []otelhttpclient.Option{
			otelhttpclient.WithTracerProvider(app.tp), otelhttpclient.WithMeterProvider(mp),
			otelhttpclient.WithRequestHeaders("*"), otelhttpclient.WithResponseHeaders("*"),
			otelhttpclient.WithOptInAttributes(semconv.URLSchemeKey, semconv.UserAgentOriginalKey, semconv.URLTemplateKey, semconv.NetworkPeerAddressKey),
			otelhttpclient.WithOptInMetrics(otelhttpclient.MetricRequestBodySize, otelhttpclient.MetricActiveRequests, otelhttpclient.MetricOpenConnections),
			otelhttpclient.WithAttributes(func(*http.Request) []attribute.KeyValue {
				return []attribute.KeyValue{attribute.String(own, own), attribute.StringSlice("own", []string{own})}
			}),
			otelhttpclient.WithURLTemplate(func(*http.Request) string { return template }),
		}
		formatted := append(options[:len(options):len(options)],
			otelhttpclient.WithSpanNameFormatter(func(*http.Request) string { return name }),
			otelhttpclient.WithURLFilter(func(u *url.URL) *url.URL { u.RawQuery = filtered; return u }))

		ordinary := &http.Client{Transport: otelhttpclient.NewTransport(newBase(t), options...), Timeout: patience}
		send := func(client *http.Client, want int, change func(*http.Request)) {
			t.Helper()
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+server+"/", nil)
			if err != nil {
				t.Fatal(err)
			}
			if change != nil {
				change(req)
			}
			if resp, err := client.Do(req); err == nil {
				_, _ = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
			}
			spans += want
		}
		send(ordinary, 2, nil) // with the redirect
		send(&http.Client{Transport: otelhttpclient.NewTransport(newBase(t), formatted...)}, 2, nil)
		send(ordinary, 1, func(req *http.Request) { req.URL.Path, req.URL.RawQuery = "/next", text() })
		send(ordinary, 1, func(req *http.Request) { req.URL.Opaque = "/next/" + text() })
		send(ordinary, 1, func(req *http.Request) { req.URL.Path = "/next"; req.Header.Set("User-Agent", text()) })
		send(ordinary, 1, func(req *http.Request) { req.URL.Path = "/next"; req.Header[text()] = []string{text()} })
		send(ordinary, 1, func(req *http.Request) { req.Method = text() })
		send(ordinary, 1, func(req *http.Request) { req.URL.Scheme = text() })
		send(ordinary, 1, func(req *http.Request) { req.URL.Host = text() })
		send(ordinary, 1, func(req *http.Request) {
			req.URL.Path = "/next"
			ctx := otelhttpclient.ContextWithAttributes(req.Context(), attribute.String("context", text()))
			*req = *req.WithContext(otelhttpclient.ContextWithURLTemplate(ctx, text()))
		})

		proxied := newBase(t)
		proxied.Proxy = http.ProxyURL(&url.URL{Scheme: "http", Host: server})
		send(&http.Client{Transport: otelhttpclient.NewTransport(proxied, options...)}, 1, func(req *http.Request) { req.URL.Scheme = "https" })
		for _, failure := range []error{errors.New(text()), foreignError{text()}, fmt.Errorf("%s: %w", text(), foreignError{text()})} {
			base := roundTripFunc(func(*http.Request) (*http.Response, error) { return nil, failure })
			send(&http.Client{Transport: otelhttpclient.NewTransport(base, options...)}, 1, nil)
		}
	}

	flush(t, app)
	if err := mp.ForceFlush(t.Context()); err != nil {
		t.Errorf("export of the metrics = %v, want no error", err)
	}
	s.wait(t, fmt.Sprint(spans, " spans"), func(got []span) bool { return len(got) >= spans })
	if got := len(s.all()); got != spans {
		t.Errorf("%d spans arrived, want %d", got, spans)
	}
	for _, sp := range s.all() {
		for key, v := range sp.Attributes {
			if !utf8.ValidString(key) || !utf8.ValidString(fmt.Sprint(v)) {
				t.Errorf("%q = %q, want UTF-8", key, v)
			}
		}
		if sp.Kind != ptrace.SpanKindClient {
			t.Errorf("%s: kind %v, want that of a client", sp.Name, sp.Kind)
		}
	}
	s.waitForMetrics(t, "http.client.request.duration", "http.client.active_requests", "http.client.duration")
	if errs := handled.all(); len(errs) > 0 {
		t.Errorf("handled errors: got %q, want none: each is a lost batch", errs)
	}
}
