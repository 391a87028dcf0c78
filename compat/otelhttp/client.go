package otelhttp

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// DefaultClient is the client of [Get], [Head], [Post] and [PostForm]. It sends
// requests through [http.DefaultTransport]. Releases of the original since v0.65.0
// have neither DefaultClient nor these functions.
//
// The default transport, the global providers and the global propagator are looked
// up for each request, so they may be installed at any time. In the original, the
// first and the last are those of the program's start.
var DefaultClient = &http.Client{Transport: NewTransport(nil)}

// Get sends a GET request with [DefaultClient] and this context.
func Get(ctx context.Context, targetURL string) (resp *http.Response, err error) {
	return do(ctx, http.MethodGet, targetURL, "", nil)
}

// Head sends a HEAD request with [DefaultClient] and this context.
func Head(ctx context.Context, targetURL string) (resp *http.Response, err error) {
	return do(ctx, http.MethodHead, targetURL, "", nil)
}

// Post sends a POST request with [DefaultClient] and this context.
func Post(ctx context.Context, targetURL, contentType string, body io.Reader) (resp *http.Response, err error) {
	return do(ctx, http.MethodPost, targetURL, contentType, body)
}

// PostForm sends the URL-encoded values in a POST request with [DefaultClient] and
// this context.
func PostForm(ctx context.Context, targetURL string, data url.Values) (resp *http.Response, err error) {
	return Post(ctx, targetURL, "application/x-www-form-urlencoded", strings.NewReader(data.Encode()))
}

func do(ctx context.Context, method, target, contentType string, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		return nil, err
	}
	if method == http.MethodPost {
		req.Header.Set("Content-Type", contentType)
	}
	return DefaultClient.Do(req)
}
