package redaction

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/instrumented"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

// secret must not be exported. No escaping changes it.
const secret = "hunter2hunter2"

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

func urlFullOf(t *testing.T, u *url.URL) string {
	t.Helper()
	w := oteltest.New(t)
	drop(t, instrumented.Transport(w, oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		return answer(req, nil), nil
	})), &http.Request{Method: http.MethodGet, URL: u, Header: http.Header{}})
	spans := w.Spans()
	if len(spans) != 1 {
		t.Fatalf("%s: got %d spans, want 1", u, len(spans))
	}
	return oteltest.Attributes(spans[0].Attributes)["url.full"].AsString()
}

func TestCredentialsInOddPlaces(t *testing.T) {
	for raw, want := range map[string]string{
		// A slash too few or too many makes a path of the user and the host.
		"https:/user:pw@host/x":    "https:/REDACTED:REDACTED@host/x",
		"https:///user:pw@host/x":  "https:///REDACTED:REDACTED@host/x",
		"https:////user:pw@host/x": "https:////REDACTED:REDACTED@host/x",
		"https:/user%3Apw@host/x":  "https:/REDACTED:REDACTED@host/x",
		"https:/user:pw%40host/x":  "https:/REDACTED:REDACTED%40host/x",
		`https:/\user:pw@host/x`:   "https:/REDACTED:REDACTED@host/x",
		"https:/pw@host/x":         "https:/REDACTED:REDACTED@host/x",
		"https:user:pw@host/x":     "https:REDACTED:REDACTED@host/x",
		// Other URLs in a path, also as a proxy that cleans paths leaves them.
		"https://h/p/https://u:pw@x/y":     "https://h/p/https://REDACTED:REDACTED@x/y",
		"https://h/p/https:/u:pw@x/y":      "https://h/p/https:/REDACTED:REDACTED@x/y",
		"https://h/p/https%3A%2F%2Fu:pw@x": "https://h/p/https%3A%2F%2FREDACTED%3AREDACTED@x",
		"https://h//u:pw@x/y":              "https://h//REDACTED:REDACTED@x/y",
		// Parameters in a path, and the question mark that was encoded.
		"https://h/a;token=pw":         "https://h/a;token=REDACTED",
		"https://h/a%3Ftoken%3Dpw":     "https://h/a%3Ftoken%3DREDACTED",
		"https://h/a%253Ftoken%253Dpw": "https://h/a%253Ftoken%253DREDACTED",
		// Queries that are no list of keys and values.
		"https://h/?https://u:pw@x/":     "https://h/?https://REDACTED:REDACTED@x/",
		"https://h/?a=b&token%3Dpw&c=d":  "https://h/?a=b&token%3DREDACTED&c=d",
		"https://h/?https://u:pw@x/=y":   "https://h/?https://REDACTED:REDACTED@x/=y",
		"https://h/#a=b&token=pw":        "https://h/#a=b&token=REDACTED",
		"https://h/#/p/https://u:pw@x/y": "https://h/#/p/https://REDACTED:REDACTED@x/y",
	} {
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		if got := urlFullOf(t, u); got != want {
			t.Errorf("url.full of %s: got %s, want %s", raw, got, want)
		}
	}
}

func TestURLsWithoutSecrets(t *testing.T) {
	for _, want := range []string{
		"https://h/@scope/package@1.2.3", "https://h/a@b:c", "https://h/a//b@c", "https://h/%40a%2Fb", "https://h/a%2525?b=%25&c=d+e",
		"https://h/key=value/x;a=b", "https://h/p/https:/x/y", "https://h/?q=a@b.example&to=c:d@e", "https://h/#/a=b?c", "https://h/?", "https://h/%E2%82%AC/%20",
	} {
		u, err := url.Parse(want)
		if err != nil {
			t.Fatal(err)
		}
		if got := urlFullOf(t, u); got != want {
			t.Errorf("url.full: got %s, want it as written: %s", got, want)
		}
	}
}

func TestURLPartsInErrors(t *testing.T) {
	parsing := func(raw string) error {
		_, err := url.Parse(raw)
		if err == nil {
			t.Fatalf("%s: got no error, want one of net/url's", raw)
		}
		return err
	}
	for _, failure := range []error{
		parsing("https://user:" + secret + "/x@host/"),
		fmt.Errorf("bad redirect: %w", parsing(`https://user:"`+secret+`"/x@host/`)),
		parsing("https://user:" + secret + "@ho st/"),
		parsing("https://user:" + secret + "@[::1/"),
		parsing("https://user:" + secret + "@host/%zz"),
		parsing("https://us er:" + secret + "@host/"),
		errors.New("lost https:/user:" + secret + "@host/x"),
		errors.New(`Get "https:///user:` + secret + `@host/x": no host`),
	} {
		w := oteltest.New(t)
		_, err := instrumented.Transport(w, oteltest.RoundTripFunc(func(*http.Request) (*http.Response, error) {
			return nil, failure
		})).RoundTrip(&http.Request{URL: &url.URL{Scheme: "https", Host: "h"}, Header: http.Header{}})
		if err != failure {
			t.Errorf("got error %v, want base's own: %v", err, failure)
		}
		if text := w.Exported(); strings.Contains(text, secret) {
			t.Errorf("%v: got the secret in what is exported, want none of it:\n%s", failure, text)
		}
	}
}

// A server chooses what it redirects to. Where something encoded is looked at
// once for each way to come to it, a hundred bytes can take a lifetime.
func TestRedactionIsLinear(t *testing.T) {
	const times = 100
	for name, text := range map[string]string{
		"percent signs encoded":  strings.Repeat("a=x=%"+strings.Repeat("25", times)+"3D;", 20),
		"pairs in values":        strings.Repeat("a=%3Db%3D?", 20*times),
		"URLs in values":         strings.Repeat("next=http%253A%252F%252Fh%252F?", 20*times),
		"at signs":               strings.Repeat("://a:b@", 20*times),
		"at signs, encoded":      strings.Repeat("%2F%2Fa%3Ab%40;c=", 20*times),
		"keys without an end":    strings.Repeat("a=;", 20*times),
		"sensitive ones, nested": strings.Repeat("a=token%3D1%26", 20*times),
	} {
		t.Run(name, func(t *testing.T) {
			u := &url.URL{Scheme: "https", Host: "h", Path: "/" + text, RawQuery: text, Fragment: text}
			done := make(chan struct{})
			go func() {
				defer close(done)
				urlFullOf(t, u)
			}()
			select {
			case <-done:
			case <-time.After(10 * time.Second):
				// Some milliseconds are needed.
				t.Fatal("got no end after 10 s, want a time that grows with the length")
			}
		})
	}
}

// corpusRow is a row of internal/redact/testdata: see the README there.
type corpusRow struct {
	ID, Channel, Text string
	Hide, Keep        []string
}

func readCorpus(t *testing.T, name string) (rows []corpusRow) {
	t.Helper()
	file, err := os.Open(filepath.Join("..", "..", "internal", "redact", "testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		var row corpusRow
		if err := json.Unmarshal([]byte(strings.ReplaceAll(lines.Text(), "·", "")), &row); err != nil {
			t.Fatal(err)
		}
		rows = append(rows, row)
	}
	return rows
}

// recorded returns what a Transport records of a row on every channel.
func (row corpusRow) recorded(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	run := func(channel, url string, header http.Header, failure error, panics any, read func(*oteltest.SDK, *oteltest.HandledErrors) string) {
		tel, handled := oteltest.New(t), oteltest.HandleErrors(t)
		rt := instrumented.Transport(tel, oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, ProtoMajor: 1, ProtoMinor: 1, Header: header, Body: http.NoBody, Request: req}, failure
		}), otelhttpclient.WithResponseHeaders("*"), otelhttpclient.WithRequestHook(func(trace.Span, *http.Request) {
			if panics != nil {
				panic(panics)
			}
		}))
		_, _ = rt.RoundTrip(oteltest.NewRequest(t, t.Context(), "GET", url, nil))
		out[channel] = read(tel, handled)
	}
	attributeOf := func(key string) func(*oteltest.SDK, *oteltest.HandledErrors) string {
		return func(tel *oteltest.SDK, _ *oteltest.HandledErrors) string {
			v := oteltest.Attributes(tel.OnlySpan().Attributes)[attribute.Key(key)]
			if list := v.AsStringSlice(); len(list) > 0 {
				return list[0]
			}
			return v.AsString()
		}
	}
	status := func(tel *oteltest.SDK, _ *oteltest.HandledErrors) string { return tel.OnlySpan().Status.Description }
	const elsewhere = "https://request.example/"
	name, isHeader := strings.CutPrefix(row.Channel, "header:")
	switch {
	case isHeader:
		run("header", elsewhere, http.Header{name: {row.Text}}, nil, nil, attributeOf("http.response.header."+strings.ToLower(name)))
	case row.Channel == "url":
		run("url.full", row.Text, nil, nil, nil, attributeOf("url.full"))
		run("Location", elsewhere, http.Header{"Location": {row.Text}}, nil, nil, attributeOf("http.response.header.location"))
	default:
		run("error", elsewhere, nil, errors.New(row.Text), nil, status)
		run("wrapped error", elsewhere, nil, fmt.Errorf("outer: %w", errors.New(row.Text)), nil, func(tel *oteltest.SDK, h *oteltest.HandledErrors) string {
			return strings.TrimPrefix(status(tel, h), "outer: ")
		})
		run("header", elsewhere, http.Header{"X-Message": {row.Text}}, nil, nil, attributeOf("http.response.header.x-message"))
		run("panic", elsewhere, nil, nil, row.Text, func(_ *oteltest.SDK, h *oteltest.HandledErrors) string {
			return strings.TrimPrefix(strings.Join(h.Texts(), ""), "otelhttpclient: request hook panicked: ")
		})
	}
	return out
}

// What real systems write, through a Transport, on every channel.
func TestCorpus(t *testing.T) {
	secrets, clean := readCorpus(t, "secret.jsonl"), readCorpus(t, "clean.jsonl")
	if len(secrets) < 150 || len(clean) < 150 {
		t.Errorf("corpus: got %d secret and %d clean rows, want at least 150 of each", len(secrets), len(clean))
	}
	for _, row := range secrets {
		for channel, got := range row.recorded(t) {
			for _, s := range row.Hide {
				if strings.Contains(got, s) {
					t.Errorf("%s, %s: got %q in\n\t%s\nof\n\t%s", row.ID, channel, s, got, row.Text)
				}
			}
			for _, s := range row.Keep {
				if !strings.Contains(got, s) {
					t.Errorf("%s, %s: got no %q in\n\t%s\nof\n\t%s", row.ID, channel, s, got, row.Text)
				}
			}
		}
	}
	for _, row := range clean {
		for channel, got := range row.recorded(t) {
			if got != row.Text {
				t.Errorf("%s, %s: got\n\t%s\nwant\n\t%s", row.ID, channel, got, row.Text)
			}
		}
	}
}

// The same policy, with the Transport's own options, holds for spans, old names,
// samplers, metrics, errors, reports to otel.Handle and printed contexts.
func TestPolicyEverywhere(t *testing.T) {
	t.Setenv("OTEL_SEMCONV_STABILITY_OPT_IN", "http/dup")
	const raw = "https://bob:" + secret + "@shop.example/items?voucher=" + secret + "&page=2"
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		sampler := &oteltest.RecordingSampler{Sampler: sdktrace.AlwaysSample()}
		tel, handled := oteltest.NewSampled(t, sampler), oteltest.HandleErrors(t)
		var printed string
		major := int(version[0] - '0')
		rt := instrumented.Transport(tel, oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
			printed = fmt.Sprintf("%v %+v %#v %s", req.Context(), req.Context(), req.Context(), req.Context())
			if req.URL.Path == "/fails" {
				return nil, &url.Error{Op: "Get", URL: req.URL.String(), Err: errors.New("no voucher=" + secret)}
			}
			return &http.Response{StatusCode: 302, ProtoMajor: major, Header: http.Header{"Location": {raw}}, Body: http.NoBody, Request: req}, nil
		}), instrumented.AllMetrics(), otelhttpclient.WithSensitiveQuery("voucher"), otelhttpclient.WithResponseHeaders("location"),
			otelhttpclient.WithRequestHook(func(_ trace.Span, req *http.Request) { panic("bad URL " + req.URL.String()) }))
		for _, path := range []string{"/items", "/fails"} {
			req := oteltest.NewRequest(t, t.Context(), "GET", strings.Replace(raw, "/items", path, 1), nil)
			drop(t, rt, req)
		}

		seen := fmt.Sprint(sampler.Seen())
		for where, text := range map[string]string{
			"spans and metrics": tel.Exported(), "samplers": seen, "reports": strings.Join(handled.Texts(), " "), "contexts": printed,
		} {
			if strings.Contains(text, secret) {
				t.Errorf("%s: got the secret in\n%s", where, text)
			}
		}
		const want = "https://REDACTED:REDACTED@shop.example/items?voucher=REDACTED&page=2"
		first := tel.Spans()[0].Attributes
		oteltest.WantAttribute(t, first, "url.full", want)
		oteltest.WantAttribute(t, first, "http.url", want)
		if text := strings.Join(handled.Texts(), " "); !strings.Contains(text, want) {
			t.Errorf("reports: got %q, want %q in them", text, want)
		}
	})
}
