package faults

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/instrumented"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

// anyTransport replaces the type of the RoundTripper in the error texts of
// http.Client.
var anyTransport = strings.NewReplacer("*otelhttpclient.Transport", "*", "oteltest.RoundTripFunc", "*")

// The program sees a broken base as it would without the Transport, and the
// span ends.
func TestOddBases(t *testing.T) {
	defer log.SetOutput(log.Writer())
	log.SetOutput(io.Discard) // http.Client logs about such bases
	failure := errors.New("in base")
	answers := func(change func(*http.Response)) oteltest.RoundTripFunc {
		return func(req *http.Request) (*http.Response, error) {
			if req.Body != nil {
				_ = req.Body.Close()
			}
			resp := oteltest.Reply(req, http.StatusOK, io.NopCloser(strings.NewReader("text")))
			change(resp)
			return resp, nil
		}
	}
	for _, row := range []struct {
		name string
		base oteltest.RoundTripFunc
	}{
		{"neither response nor error", func(*http.Request) (*http.Response, error) { return nil, nil }},
		{"response and error", func(req *http.Request) (*http.Response, error) { return oteltest.Reply(req, 200, http.NoBody), failure }},
		{"nil body", answers(func(r *http.Response) { r.Body, r.ContentLength = nil, 0 })},
		{"nil body of a length", answers(func(r *http.Response) { r.Body, r.ContentLength = nil, 4 })},
		{"nil header", answers(func(r *http.Response) { r.Header = nil })},
		{"nil header of a redirect", answers(func(r *http.Response) { r.Header, r.StatusCode = nil, 302 })},
		{"status 0", answers(func(r *http.Response) { r.StatusCode = 0 })},
		{"status below zero", answers(func(r *http.Response) { r.StatusCode = -1 })},
		{"no version", answers(func(r *http.Response) { r.Proto, r.ProtoMajor, r.ProtoMinor = "", 0, 0 })},
		{"nil request", answers(func(r *http.Response) { r.Request = nil })},
		{"another request", answers(func(r *http.Response) { r.Request = &http.Request{Method: "OTHER"} })},
		{"empty response", func(*http.Request) (*http.Response, error) { return &http.Response{}, nil }},
		{"request body closed twice", func(req *http.Request) (*http.Response, error) {
			_, _ = io.ReadAll(req.Body)
			_, _ = req.Body.Close(), req.Body.Close()
			return oteltest.Reply(req, 200, http.NoBody), nil
		}},
		{"request body kept", func(req *http.Request) (*http.Response, error) { return oteltest.Reply(req, 200, http.NoBody), nil }},
		{"typed nil error", func(req *http.Request) (*http.Response, error) { return nil, (*nilError)(nil) }},
		{"panic", func(*http.Request) (*http.Response, error) { panic(failure) }},
		{"panic of a handler", func(*http.Request) (*http.Response, error) { panic(http.ErrAbortHandler) }},
		{"runtime.Goexit", func(*http.Request) (*http.Response, error) { runtime.Goexit(); return nil, nil }},
	} {
		t.Run(row.name, func(t *testing.T) {
			outcome := func(rt http.RoundTripper) (text string) {
				text = "nothing returned"
				body := oteltest.NewBody(strings.NewReader("text"))
				panicked := oteltest.Recover(func() {
					req := oteltest.NewRequest(t, t.Context(), "POST", "http://inventory.example/items/1", body)
					resp, err := (&http.Client{Transport: rt}).Do(req)
					text = fmt.Sprintf("error %v, types", err)
					for e := err; e != nil; e = errors.Unwrap(e) {
						text += fmt.Sprintf(" %T", e)
					}
					if resp == nil {
						return
					}
					read, err := io.ReadAll(resp.Body)
					named := "nil"
					if resp.Request != nil {
						named = resp.Request.Method
					}
					text += fmt.Sprintf(", status %d, header %v, body %q, %v, %v, request %s, own %v",
						resp.StatusCode, resp.Header, read, err, resp.Body.Close(), named, resp.Request == req)
				})
				return anyTransport.Replace(fmt.Sprintf("%s, panic %v, body closed %d times", text, panicked, body.Closes()))
			}
			want := outcome(row.base)
			for _, all := range []bool{false, true} {
				tel := oteltest.New(t)
				options := instrumented.Options(tel)
				if all {
					options = instrumented.EveryOption(tel)
				}
				if got := outcome(otelhttpclient.NewTransport(row.base, options...)); got != want {
					t.Errorf("every option %v:\n got %s\nwant %s, as without the Transport", all, got, want)
				}
				tel.OnlySpan()
			}
		})
	}
}

// nilError is an error whose value is a nil pointer.
type nilError struct{}

func (e *nilError) Error() string { return "nil" }

// A response that base returns with an error is returned with it.
func TestResponseWithError(t *testing.T) {
	req := oteltest.NewRequest(t, t.Context(), "GET", "http://inventory.example/", nil)
	failure := errors.New("in base")
	resp, err := instrumented.Transport(oteltest.New(t), oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		return oteltest.Reply(req, 200, http.NoBody), failure
	})).RoundTrip(req)
	if err != failure || resp == nil || resp.Request != req { //nolint:errorlint // the same value
		t.Errorf("got %v, %v, want a response to the caller's request, and %v", resp, err, failure)
	}
}
