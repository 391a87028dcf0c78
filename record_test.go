package otelhttpclient_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/otelhttpclient/otelhttpclient/internal/oteltest"
	"github.com/otelhttpclient/otelhttpclient/internal/oteltest/instrumented"
)

// urlFullOf is the url.full of a request to u.
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
	return stringOf(spans[0], "url.full")
}

func TestCredentialsInOddPlaces(t *testing.T) {
	for raw, want := range map[string]string{
		// A slash too few or too many makes a path of the user and the host.
		"https:/user:pw@host/x":    "https:/REDACTED:REDACTED@host/x",
		"https:///user:pw@host/x":  "https:///REDACTED:REDACTED@host/x",
		"https:////user:pw@host/x": "https:////REDACTED:REDACTED@host/x",
		"https:/user%3Apw@host/x":  "https:/REDACTED:REDACTED@host/x",
		"https:/user:pw%40host/x":  "https:/REDACTED:REDACTED@host/x",
		`https:/\user:pw@host/x`:   "https:/REDACTED:REDACTED@host/x",
		"https:/pw@host/x":         "https:/REDACTED:REDACTED@host/x",
		"https:user:pw@host/x":     "https:REDACTED:REDACTED@host/x",
		// Other URLs in a path, also as a proxy that cleans paths leaves them.
		"https://h/p/https://u:pw@x/y":     "https://h/p/https://REDACTED:REDACTED@x/y",
		"https://h/p/https:/u:pw@x/y":      "https://h/p/https:/REDACTED:REDACTED@x/y",
		"https://h/p/https%3A%2F%2Fu:pw@x": "https://h/p/https://REDACTED:REDACTED@x",
		"https://h//u:pw@x/y":              "https://h//REDACTED:REDACTED@x/y",
		// Parameters in a path, and the question mark that was encoded.
		"https://h/a;token=pw":         "https://h/a;token=REDACTED",
		"https://h/a%3Ftoken%3Dpw":     "https://h/aREDACTED",
		"https://h/a%253Ftoken%253Dpw": "https://h/aREDACTED",
		// Queries that are no list of keys and values.
		"https://h/?https://u:pw@x/":     "https://h/?REDACTED",
		"https://h/?a=b&token%3Dpw&c=d":  "https://h/?a=b&REDACTED&c=d",
		"https://h/?https://u:pw@x/=y":   "https://h/?REDACTED",
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
		errors.New("lost user:" + secret + "@host"),
		errors.New(`Get "https:///user:` + secret + `@host/x": no host`),
	} {
		w := oteltest.New(t)
		_, err := instrumented.Transport(w, oteltest.RoundTripFunc(func(*http.Request) (*http.Response, error) {
			return nil, failure
		})).RoundTrip(&http.Request{URL: &url.URL{Scheme: "https", Host: "h"}, Header: http.Header{}})
		if err != failure {
			t.Errorf("got error %v, want base's own: %v", err, failure)
		}
		if text := w.Exported(); leaks(text) {
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
