package oteltest

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

// RoundTripFunc is a http.RoundTripper that is a function. The Do method of a
// http.Client is one, too.
type RoundTripFunc func(*http.Request) (*http.Response, error)

// RoundTrip calls f.
func (f RoundTripFunc) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// NewRequest returns a request. A nil body means none.
func NewRequest(t testing.TB, ctx context.Context, method, url string, body io.Reader) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		t.Fatalf("NewRequest(%q, %q) = %v, want no error", method, url, err)
	}
	return req
}

// Send sends a request and reads its response to the end. It returns the
// status, 0 without a response, and the error of either.
func Send(rt http.RoundTripper, req *http.Request) (status int, err error) {
	resp, err := rt.RoundTrip(req)
	if err != nil {
		return 0, err
	}
	if resp.Body != nil {
		_, err = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
	return resp.StatusCode, err
}

// MustSend sends a request and returns its response with the whole body, which
// is closed. An error ends the test.
func MustSend(t testing.TB, rt http.RoundTripper, req *http.Request) (resp *http.Response, body string) {
	t.Helper()
	resp = Open(t, rt, req)
	return resp, ReadBody(t, resp)
}

// Open sends a request and returns its response, whose body is open. An error
// ends the test.
func Open(t testing.TB, rt http.RoundTripper, req *http.Request) *http.Response {
	t.Helper()
	resp, err := rt.RoundTrip(req)
	if err != nil {
		t.Fatalf("%s %s = %v, want no error", req.Method, req.URL, err)
	}
	return resp
}

// ReadBody reads the body of a response to the end and closes it. A nil body
// is empty.
func ReadBody(t testing.TB, resp *http.Response) string {
	t.Helper()
	if resp.Body == nil {
		return ""
	}
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("reading the body = %v, want no error", err)
	}
	if err := resp.Body.Close(); err != nil {
		t.Fatalf("Body.Close() = %v, want nil", err)
	}
	return string(b)
}

// Discard reads the body of a response to the end and closes it, whatever the
// errors.
func Discard(resp *http.Response) {
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
}

// Get sends a GET request. An error is reported and does not end the test: any
// goroutine may call it.
func Get(t testing.TB, ctx context.Context, rt http.RoundTripper, url string) {
	t.Helper()
	if err := TryGet(ctx, rt, url); err != nil {
		t.Errorf("GET %s = %v, want no error", url, err)
	}
}

// Fetch is Get through a client, which follows redirects.
func Fetch(t testing.TB, ctx context.Context, client *http.Client, url string) {
	t.Helper()
	Get(t, ctx, RoundTripFunc(client.Do), url)
}

// TryGet sends a GET request, reads the response to the end and returns the
// first error.
func TryGet(ctx context.Context, rt http.RoundTripper, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	_, err = Send(rt, req)
	return err
}

// Reply returns a response of HTTP/1.1 with an unknown length.
func Reply(req *http.Request, status int, body io.ReadCloser) *http.Response {
	return &http.Response{
		Status: strconv.Itoa(status) + " " + http.StatusText(status), StatusCode: status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{}, Body: body, ContentLength: -1, Request: req,
	}
}

// Answer returns a base that answers every request with a status and no body.
func Answer(status int) RoundTripFunc {
	return func(req *http.Request) (*http.Response, error) {
		resp := Reply(req, status, http.NoBody)
		resp.ContentLength = 0
		return resp, nil
	}
}

// AnswerText returns a base that answers every request with a text.
func AnswerText(status int, text string) RoundTripFunc {
	return func(req *http.Request) (*http.Response, error) {
		return Reply(req, status, io.NopCloser(strings.NewReader(text))), nil
	}
}

// KeepHeader returns a base that keeps the header of each request, and answers 200.
func KeepHeader(h *http.Header) RoundTripFunc {
	return func(req *http.Request) (*http.Response, error) {
		*h = req.Header.Clone()
		return Reply(req, http.StatusOK, http.NoBody), nil
	}
}
